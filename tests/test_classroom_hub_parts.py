"""What the hub's settings, rosters and control groups say to a person who gets something wrong."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("accounts and control groups are of Linux", allow_module_level=True)

from classroom.hub import accounts, install
from classroom.hub.limits import Limits, NoControlGroups, find
from classroom.hub.settings import load

SETTINGS = install.HERE / "settings.toml"


def test_the_settings_that_are_handed_out_are_complete():
    settings = load(SETTINGS)
    assert settings.exchange.is_absolute()
    assert settings.processors > 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('course = "a b"', "it names a folder"),
        ("memory_gb = 0.1", "at the least"),
        ('memory_gb = "2"', "of the kind “float” is needed"),
        ("processes = true", "of the kind “int” is needed"),
        ('key = "/etc/key.pem"', "belong together"),
        ('exchange = "exchange"', "must begin with /"),
        ('colour = "red"', "colour is no setting"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_should_be(tmp_path, line, said):
    name = line.split(" = ")[0]
    lines = [other for other in SETTINGS.read_text("utf8").splitlines() if not other.startswith(f"{name} ")]
    (tmp_path / "hub.toml").write_text("\n".join([*lines, line]), "utf8")
    with pytest.raises(ValueError, match=said):
        load(tmp_path / "hub.toml")


def test_a_missing_setting_is_named(tmp_path):
    (tmp_path / "hub.toml").write_text('course = "models"', "utf8")
    with pytest.raises(ValueError, match="'teacher'"):
        load(tmp_path / "hub.toml")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("name\nanna\n", "the column id"),
        ("id\nAnna Berg\n", "line 2: 'Anna Berg' cannot name an account"),
        ("id\nanna\nroot; rm\n", "line 3"),
        ("id\nanna\nbert\nanna\n", "line 4: anna stands there twice"),
        ("id\n-f\n", "cannot name an account"),
    ],
)
def test_a_roster_with_a_name_that_no_account_can_have_is_refused(tmp_path, lines, said):
    (tmp_path / "roster.csv").write_text(lines, "utf8")
    with pytest.raises(accounts.Wrong, match=said):
        accounts.read(tmp_path / "roster.csv")


def fake(folder: Path, mounts: str, own: str) -> Path:
    """A folder that says of control groups what /proc/self would."""
    folder.mkdir(exist_ok=True)
    (folder / "mounts").write_text(mounts, "utf8")
    (folder / "cgroup").write_text(own, "utf8")
    return folder


def test_without_control_groups_the_reason_is_said(tmp_path):
    with pytest.raises(NoControlGroups, match="no control groups are mounted"):
        find(fake(tmp_path, "proc /proc proc rw 0 0\n", "0::/\n"))


def test_a_service_without_delegation_is_told_the_line_that_is_missing(tmp_path):
    own = tmp_path / "system.slice" / "course-hub.service"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("memory pids\n", "utf8")
    proc = fake(tmp_path / "proc", f"cgroup2 {tmp_path} cgroup2 rw 0 0\n", "0::/system.slice/course-hub.service\n")
    with pytest.raises(NoControlGroups, match="lacks cpu; in the unit: Delegate=cpu memory pids"):
        find(proc)


def test_each_version_of_the_kernels_interface_gets_its_own_files():
    limits = Limits(memory=2**30, cpus=0.5, processes=100)
    assert limits.files(2)["cpu"] == [("cpu.max", "50000 100000")]
    assert limits.files(1)["cpu"] == [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")]
    assert limits.files(1)["pids"] == limits.files(2)["pids"] == [("pids.max", "100")]


def test_the_teachers_guide_explains_every_setting():
    page = (install.ROOT / "book" / "teaching_hub.md").read_text("utf8")
    named = set(re.findall(r"`(\w+)`", page))
    assert set(tomllib.loads(SETTINGS.read_text("utf8"))) <= named


def test_the_service_starts_what_is_installed_and_may_make_control_groups():
    unit = (install.HERE / "course-hub.service").read_text("utf8")
    assert f"ExecStart={install.DEFAULT}/bin/jupyterhub --config={install.DEFAULT}/etc/jupyterhub_config.py" in unit
    assert f"WorkingDirectory={load(SETTINGS).state}\n" in unit
    assert "Delegate=cpu memory pids\n" in unit
