"""Which calls of the kernel a sandbox may not make: a filter for bubblewrap's --seccomp.

Each of these would reach past the walls or the limits: memory that belongs to no process and that no limit counts,
keys that outlive the sandbox, namespaces of one's own (and in them file systems of any size), other processes' memory,
the cores of a neighbour, and sockets that a network namespace does not cut off, as those between a virtual machine and
its host. A call that is refused looks as if this kernel did not have it.
"""

from __future__ import annotations

import errno
import platform
import struct
import tempfile
from typing import IO

X86_64, AARCH64 = 0, 1
MACHINES = {"x86_64": (X86_64, 0xC000003E), "aarch64": (AARCH64, 0xC00000B7)}
"""Name → column of the table below, and the number that the kernel gives the architecture (linux/audit.h)."""
REFUSED = {
    "shmget": (29, 194), "msgget": (68, 186), "mq_open": (240, 180), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "io_uring_setup": (425, 425), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "pivot_root": (155, 41), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "bpf": (321, 280), "perf_event_open": (298, 241), "sched_setaffinity": (203, 122),
    "clone3": (435, 435),  # its flags lie in memory, where a filter cannot look; libraries then take clone
}  # fmt: skip
"""Numbers on x86-64 (asm/unistd_64.h) and on 64-bit ARM (asm-generic/unistd.h)."""
CLONE, SOCKET = (56, 220), (41, 198)
NAMESPACES = 0x7E02_0000
"""The flags CLONE_NEWNS to CLONE_NEWNET of clone (linux/sched.h)."""
FAMILIES = (1, 2, 10, 16)
"""Sockets that a network namespace cuts off: Unix, IPv4, IPv6, netlink."""
LOAD, EQUAL, AT_LEAST, ANY_OF, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST = 0, 4, 16
"""Where they lie in what a filter sees (struct seccomp_data)."""
ALLOW, REFUSE = 0x7FFF_0000, 0x0005_0000
X32 = 0x4000_0000
"""Bit of the calls of x86-64's third interface, which have numbers of their own."""


def program(machine: str = platform.machine()) -> bytes:
    """The filter in the kernel's BPF; empty for a processor that is not in the table."""
    if machine not in MACHINES:
        return b""
    column, architecture = MACHINES[machine]
    no = REFUSE | errno.ENOSYS
    steps = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, no)]
    steps += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, X32), (RETURN, 0, 0, no)]
    for numbers in REFUSED.values():
        steps += [(EQUAL, 0, 1, numbers[column]), (RETURN, 0, 0, no)]
    steps += [(EQUAL, 0, 4, CLONE[column]), (LOAD, 0, 0, FIRST), (ANY_OF, 0, 1, NAMESPACES)]
    steps += [(RETURN, 0, 0, REFUSE | errno.EPERM), (RETURN, 0, 0, ALLOW)]
    steps += [(EQUAL, 1, 0, SOCKET[column]), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, FIRST)]
    for family in FAMILIES:
        steps += [(EQUAL, 0, 1, family), (RETURN, 0, 0, ALLOW)]
    steps += [(RETURN, 0, 0, REFUSE | errno.EAFNOSUPPORT)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def rules() -> IO[bytes]:
    """An open file that holds the filter, for bubblewrap to read."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(program())
    file.seek(0)
    return file
