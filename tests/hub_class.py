"""A class for the test of the hub: real accounts, a running hub, and what one does in a browser, over HTTP."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests
import websocket

from classroom.hub import accounts, install
from classroom.hub.settings import Settings, load

PLACE = Path(os.environ.get("COURSE_HUB", install.TEST))
TAG = f"{os.getpid() % 46_656:x}"  # two runs side by side do not meet
Class = tuple[Settings, dict[str, str]]  # the passwords by account


class Student:
    """One account: logs in as a browser does, and uses its server."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.url, self.name, self.password = url, name, password
        self.session = requests.Session()
        self.seconds = 0.0

    def log_in(self) -> int:
        """Fill in the form and follow where it leads, which starts the server; the status of the last page."""
        self.session.get(f"{self.url}/hub/login", timeout=60).raise_for_status()
        form = {"username": self.name, "password": self.password, "_xsrf": self.session.cookies.get("_xsrf") or ""}
        return self.session.post(f"{self.url}/hub/login?next=", data=form, timeout=60).status_code

    def start(self, seconds: float = 120) -> None:
        """Log in, wait until the server answers, and keep a token for it."""
        began = time.monotonic()
        assert self.log_in() == 200
        cookie = next(c.value for c in self.session.cookies if c.name == "_xsrf" and c.path == "/hub/")
        hub = f"{self.url}/hub/api/users/{self.name}/tokens"
        made = self.session.post(hub, headers={"X-XSRFToken": cookie, "Referer": self.url}, json={}, timeout=60)
        made.raise_for_status()
        self.session.cookies.clear()
        self.session.headers["Authorization"] = f"token {made.json()['token']}"
        while not self.answers():
            assert time.monotonic() - began < seconds, f"the server of {self.name} does not answer"
            time.sleep(0.3)
        self.seconds = time.monotonic() - began

    def get(self, path: str) -> requests.Response:
        return self.session.get(f"{self.url}/user/{self.name}/{path}", timeout=60)

    def post(self, path: str, data: dict[str, str]) -> requests.Response:
        return self.session.post(f"{self.url}/user/{self.name}/{path}", json=data, timeout=60)

    def answers(self) -> bool:
        return self.get("api/status").status_code == 200

    def exchange(self, action: str, course: str, assignment: str) -> None:
        """What the buttons Fetch and Submit of JupyterLab's list of assignments do."""
        done = self.session.post(
            f"{self.url}/user/{self.name}/assignments/{action}",
            data={"course_id": course, "assignment_id": assignment}, timeout=60,
        )  # fmt: skip
        assert done.json()["success"], done.text

    def run(self, code: str, seconds: float = 30) -> str:
        """What the code prints in a fresh kernel; "DIED" if the kernel was ended."""
        kernel = self.post("api/kernels", {}).json()["id"]
        address = f"ws{self.url[4:]}/user/{self.name}/api/kernels/{kernel}/channels"
        header = [f"Authorization: {self.session.headers['Authorization']}"]
        line = websocket.create_connection(address, header=header, timeout=seconds)
        try:
            return self._talk(line, code)
        finally:
            line.close()
            self.session.delete(f"{self.url}/user/{self.name}/api/kernels/{kernel}", timeout=60)

    @staticmethod
    def _talk(line: websocket.WebSocket, code: str) -> str:
        own = uuid.uuid4().hex
        header = {"msg_id": own, "msg_type": "execute_request", "session": own, "username": "", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        empty: dict[str, object] = {"parent_header": {}, "metadata": {}, "buffers": []}
        line.send(json.dumps({"header": header, "content": content, "channel": "shell", **empty}))
        printed = ""
        while True:
            message = json.loads(line.recv())
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] in ("restarting", "dead"):
                return "DIED"
            if message["parent_header"].get("msg_id") != own:
                continue
            if kind == "stream" and content["name"] == "stdout":
                printed += str(content["text"])
            if kind == "error":
                printed += f"{content['ename']}: {content['evalue']}"
            if kind == "status" and content["execution_state"] == "idle":
                return printed.strip()


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def course(memory_gb: float, processors: float, limit: int, number: int, strict: bool = True) -> Iterator[Class]:
    """Settings, and accounts with their passwords, the teacher first; all are removed afterwards in every case.

    strict: without control groups no server is started.
    """
    folder = Path(tempfile.mkdtemp(prefix="course-hub-"))
    folder.chmod(0o755)
    bounds = {"memory_gb": memory_gb, "processors": processors, "processes": limit}
    settings = _settings(folder, {**bounds, "without_control_groups": not strict})
    names = [f"ms-{TAG}-{i}" for i in range(number)]
    try:
        yield settings, {settings.teacher: accounts.make_teacher(settings), **accounts.make(names, settings)}
    finally:
        for name in [settings.teacher, *names]:
            end_processes(name)
        with contextlib.suppress(KeyError):
            accounts.remove(names, settings)
        for command in (["userdel", settings.teacher], ["groupdel", settings.students]):
            subprocess.run(command, capture_output=True, check=False)
        for name in [settings.teacher, *names]:
            shutil.rmtree(Path("/home") / name, ignore_errors=True)
        shutil.rmtree(folder)


def _settings(folder: Path, more: dict[str, object]) -> Settings:
    """Written to a file and read again, as the hub does."""
    port, hub, proxy = free_ports(3)
    paths = {"exchange": f"{folder}/exchange", "state": f"{folder}/state", "certificate": "", "key": ""}
    people = {"course": "models", "teacher": f"mt-{TAG}", "students": f"mg-{TAG}", "idle_minutes": 60}
    ports = {"address": f"http://127.0.0.1:{port}", "hub_port": hub, "proxy_port": proxy}
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in {**paths, **people, **ports, **more}.items()]
    (folder / "settings.toml").write_text("".join(lines), "utf8")
    return load(folder / "settings.toml")


def processes(name: str) -> list[psutil.Process]:
    """All that runs under an account."""
    try:
        number = pwd.getpwnam(name).pw_uid
    except KeyError:
        return []
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.uids().real == number and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_processes(name: str) -> None:
    for process in processes(name):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            process.wait(5)


def accounts_left(names: list[str], group: str) -> list[str]:
    known = {entry.pw_name for entry in pwd.getpwall()} | {entry.gr_name for entry in grp.getgrall()}
    homes = {path.name for path in Path("/home").iterdir()}
    return sorted((known | homes) & {*names, group})


@contextlib.contextmanager
def running(settings: Settings, inside: tuple[str, ...] = ()) -> Iterator[str]:
    """The hub, as the service starts it; its address. Stopped with SIGTERM, as systemd does.

    inside: a command that runs it in other surroundings.
    """
    log = settings.state / "hub.log"
    here = {"COURSE_HUB_SETTINGS": str(settings.state.parent / "settings.toml"), "PATH": os.defpath, "LANG": "C.UTF-8"}
    command = [*inside, str(PLACE / "bin" / "jupyterhub"), f"--config={PLACE}/etc/jupyterhub_config.py"]
    with log.open("wb") as file:
        hub = subprocess.Popen(command, cwd=settings.state, env=here, stdout=file, stderr=file)
    try:
        _wait(hub, settings.address)
        yield settings.address
    except BaseException:
        print(log.read_text("utf8")[-6000:])
        raise
    finally:
        hub.send_signal(signal.SIGTERM)
        try:
            hub.wait(40)
        except subprocess.TimeoutExpired:
            for process in [*psutil.Process(hub.pid).children(recursive=True), hub]:
                process.kill()
            hub.wait(5)


def _wait(hub: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(600):
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{address}/hub/health", timeout=10).ok:
                return
        assert hub.poll() is None, "the hub ended by itself"
        time.sleep(0.1)
    raise AssertionError("the hub does not answer")


def as_teacher(settings: Settings, *command: str) -> str:
    """Run a command of the server's environment in the teacher's course folder; what it says."""
    name, entry = settings.teacher, pwd.getpwnam(settings.teacher)
    environment = {
        "HOME": entry.pw_dir,
        "USER": name,
        "PATH": f"{PLACE}/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "COURSE_HUB_SETTINGS": str(settings.state.parent / "settings.toml"),
    }
    words = [str(PLACE / "bin" / command[0]), *command[1:]]
    cwd = Path(entry.pw_dir) / "course"
    done = subprocess.run(
        words,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=[],
        umask=0o077,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
