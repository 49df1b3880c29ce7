"""The filter of the kernel's calls: its numbers are the kernel's, its jumps end where they should."""

import re
import struct
from pathlib import Path

import pytest

from classroom import syscalls

HEADERS = {"x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "/usr/include/asm-generic/unistd.h"}
CALLS = {**syscalls.REFUSED, "clone": syscalls.CLONE, "socket": syscalls.SOCKET}


@pytest.mark.parametrize("machine", HEADERS)
def test_every_number_is_that_of_the_kernels_header(machine):
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip(f"{header} is not here (Debian, Ubuntu: linux-libc-dev)")
    numbers = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)", header.read_text("utf8")))
    column = syscalls.MACHINES[machine][0]
    known = {name: int(numbers[name]) for name in CALLS if name in numbers}  # an old header lacks the newest calls
    assert len(known) >= len(CALLS) - 2
    assert known == {name: CALLS[name][column] for name in known}


def verdict(machine, number, first=0, architecture=None):
    """What the filter says of a call, worked out step by step as the kernel does it."""
    known = syscalls.MACHINES[machine][1] if architecture is None else architecture
    seen = {syscalls.NUMBER: number, syscalls.ARCHITECTURE: known, syscalls.FIRST: first}
    steps = list(struct.iter_unpack("HBBI", syscalls.program(machine)))
    at, value = 0, 0
    while True:
        code, yes, no, operand = steps[at]
        if code == syscalls.RETURN:
            return operand == syscalls.ALLOW
        if code == syscalls.LOAD:
            value = seen[operand]
            at += 1
            continue
        tests = {syscalls.EQUAL: value == operand, syscalls.AT_LEAST: value >= operand}
        at += 1 + (yes if tests.get(code, value & operand) else no)


@pytest.mark.parametrize("machine", HEADERS)
def test_the_filter_refuses_its_list_and_nothing_else(machine):
    column = syscalls.MACHINES[machine][0]
    refused = {numbers[column] for numbers in syscalls.REFUSED.values()}
    special = {syscalls.CLONE[column], syscalls.SOCKET[column]}
    assert {n for n in range(600) if not verdict(machine, n)} - special == refused
    clone, socket = syscalls.CLONE[column], syscalls.SOCKET[column]
    assert verdict(machine, clone, 0x3D0F00)  # a thread, as glibc starts it
    assert verdict(machine, clone, 0x1200011)  # fork
    assert not verdict(machine, clone, 0x1000_0000)  # CLONE_NEWUSER
    assert [family for family in range(64) if verdict(machine, socket, family)] == [1, 2, 10, 16]


def test_calls_of_another_architecture_are_refused():
    assert not verdict("x86_64", 1, architecture=0x40000003)  # i386
    assert not verdict("x86_64", syscalls.X32 | 1)


def test_a_processor_that_is_not_in_the_table_has_no_filter():
    assert syscalls.program("riscv64") == b""
