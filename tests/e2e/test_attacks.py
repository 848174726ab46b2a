"""What somebody found who tried to break it, on pretended VMs."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import Iterator

import pytest

from fakelab import FakeLab
from sandbox import FAILED, USAGE, Sandbox


@pytest.fixture
def lab(cli: str) -> Iterator[FakeLab]:
    made = FakeLab(cli)
    try:
        yield made
    finally:
        made.close()


def test_settings_inside_the_project(lab: FakeLab) -> None:
    """A guest could put a link in their place."""
    project = lab.project()
    for inner in (project / ".claude", project):
        lab.make(project, "-s", str(inner)).expect(USAGE, "can't both be shared")
    lab.nothing_is_left()


def test_project_that_became_a_link(lab: FakeLab) -> None:
    """As a guest that shares the directory around it could make it."""
    project = lab.project("inner", "outer")
    secret = lab.project("secret")
    lab.make(project).expect(0)
    name = lab.row(project).name
    lab.run("stop", name).expect(0)
    project.rename(project.with_name("moved"))
    project.symlink_to(secret)
    before = len(lab.calls("start"))
    failed = lab.library("start", name=name)
    assert f"leads to {secret} now" in failed["message"]
    assert len(lab.calls("start")) == before


def test_project_inside_that_of_another_vm(lab: FakeLab) -> None:
    """Whose guest could put a link in its place between our look at it and the engine's."""
    outer, inner = lab.project("repo"), lab.project("sub", "repo")
    lab.make(outer).expect(0)
    name = lab.row(outer).name
    done = lab.make(inner).expect(USAGE, f"{inner} lies in {outer}, which the VM {name} can write")
    assert f"try: claude-sandbox -d '{outer}' to use that VM, or claude-sandbox delete {name}\n" in done.err
    lab.run("delete", name).expect(0)
    lab.make(inner).expect(0)
    name = lab.row(inner).name
    lab.make(outer).expect(USAGE, f"{outer} contains {inner}, which is shared with the VM {name}", f"delete {name}")
    assert lab.instances() == {name}


def test_one_inside_another_at_the_same_time(lab: FakeLab) -> None:
    outer, inner = lab.project("repo"), lab.project("sub", "repo")
    ends = [one.wait().status for one in [lab.begin(outer), lab.begin(inner)]]
    assert sorted(ends) == [0, USAGE]
    assert len(lab.instances()) == len(lab.records()) == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(lab: FakeLab, closed: str) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    argv = ["sh", "-c", f'exec "$@" {closed}', "sh", lab.cli, "-q", "-d", str(project), "shell", "--",
            "sh", "-c", "cat; echo said"]
    done = subprocess.run(argv, env=lab.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout == (b"" if ">&-" in closed.replace("2>&-", "") else b"said\n")


@pytest.mark.parametrize("argv", [["status"], ["status", "--json"], ["--help"], ["--version"]])
def test_output_that_can_not_be_written(sandbox: Sandbox, argv: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sandbox.cli, *argv], env=sandbox.env, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == FAILED
    assert b"could not be written" in done.stderr


def test_home_variable_that_lies(sandbox: Sandbox) -> None:
    """The account's own home is none the less one."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    sandbox.run("-d", home, "shell", "--", "true").expect(USAGE, "home directory")
