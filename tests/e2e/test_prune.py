"""``prune`` and ``delete``: what nobody owns goes, and nothing of anybody's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from fakelab import BASE, FakeLab
from sandbox import FAILED, INTERRUPTED, USAGE, kill


@pytest.fixture
def lab(cli: str) -> Iterator[FakeLab]:
    made = FakeLab(cli)
    try:
        yield made
    finally:
        made.close()


def interrupt_creation(lab: FakeLab, project: Path) -> str:
    """The power fails while a VM is made: its name."""
    lab.faults({"verb": "create", "at": "copy", "hang": True})
    before = set(lab.records())
    running = lab.begin(project)
    pid = lab.is_struck()["pid"]
    running.kill()
    kill(pid)
    lab.faults()
    (name,) = set(lab.records()) - before
    return name


def stopped(lab: FakeLab, name: str) -> str:
    project = lab.project(name)
    lab.make(project).expect(0)
    made = lab.row(project).name
    lab.run("stop", made).expect(0)
    return made


def test_prune(lab: FakeLab) -> None:
    lab.foreign(BASE)
    old, half = stopped(lab, "old"), interrupt_creation(lab, lab.project("half"))
    lab.make(lab.project("busy")).expect(0)
    busy = lab.row(lab.projects / "busy").name
    done = lab.run("prune").expect(0)
    assert f"{old}\tstopped\t{lab.projects}/old" in done.lines() and f"Deleted {old}." in done.lines()
    assert set(lab.records()) == {busy} and lab.instances() == {busy, BASE}
    assert half not in lab.records()
    assert lab.run("prune").expect(0).text == ""


def test_prune_takes_what_belongs_to_no_vm(lab: FakeLab) -> None:
    name = stopped(lab, "p")
    for path in ("run/0badcafe/file", "qemu/lost/disk.qcow2", "images/aaaaaaaaaaaaaaaa.tmp-1/root.img"):
        (lab.state / path).parent.mkdir(parents=True)
        (lab.state / path).write_bytes(b"x" * (2 << 20))
    listed = lab.run("prune", "--dry-run").expect(0).lines()
    if os.uname().sysname == "Linux":       # elsewhere there is no engine that would make such
        assert f"{lab.state}/qemu/lost\ta disk without a record\t2MiB" in listed
        assert f"{lab.state}/run/0badcafe\ta directory for sockets of no VM\t2MiB" in listed
        assert (lab.state / "qemu/lost").exists() and name in lab.records()
        done = lab.run("prune").expect(0)
        assert f"Removed {lab.state}/qemu/lost." in done.lines()
        assert not (lab.state / "qemu/lost").exists() and not (lab.state / "run/0badcafe").exists()
    assert lab.records() == {}


def test_prune_of_a_prefix_is_about_vms(lab: FakeLab) -> None:
    one, other = stopped(lab, "one"), stopped(lab, "other")
    (lab.state / "qemu/lost").mkdir(parents=True)
    lab.run("prune", "claude-sandbox-one").expect(0)
    assert set(lab.records()) == {other} and (lab.state / "qemu/lost").exists()
    assert one not in lab.instances()
    lab.run("prune", "claude-sandbox-one").expect(0, "there is no such VM to delete")


def test_leftovers_only(lab: FakeLab) -> None:
    name, half = stopped(lab, "p"), interrupt_creation(lab, lab.project("half"))
    lab.run("prune", "--leftovers", "claude").expect(USAGE, "not both")
    assert half in lab.run("prune", "--leftovers", "--dry-run").expect(0).text
    lab.run("prune", "--leftovers").expect(0)
    assert set(lab.records()) == {name}


def test_prune_leaves_one_in_the_making(lab: FakeLab) -> None:
    lab.faults({"verb": "create", "at": "copy", "delay": 3, "times": 1})
    project = lab.project()
    running = lab.begin(project)
    lab.is_struck()
    assert lab.run("prune").expect(0).text == ""
    assert len(lab.records()) == 1
    running.wait().expect(0)
    assert lab.row(project).state == "running"


def test_prune_of_records_whose_vm_is_gone(lab: FakeLab) -> None:
    """A base has no project, so it is no VM to prune; but it is not there any more."""
    lab.library("create", project=str(lab.project()), template=str(lab.template))
    (name,) = lab.records()
    lab.limactl("delete", "-f", name)
    lab.run("prune").expect(0)
    assert lab.records() == {}


def test_prune_asks_on_a_terminal(lab: FakeLab) -> None:
    half = interrupt_creation(lab, lab.project())
    with lab.terminal("prune") as terminal:
        terminal.expect(half.encode())
        terminal.expect(rb"Delete it, with everything but the projects\? \[y/N\] ")
        terminal.send(b"n\n")
        assert terminal.wait() == INTERRUPTED
    assert half in lab.records()


# ---- delete ------------------------------------------------------------------------------------------------

def test_delete_reaches_what_an_interrupted_creation_left(lab: FakeLab) -> None:
    project = lab.project()
    interrupt_creation(lab, project)
    lab.run("-d", project, "delete").expect(0)
    lab.nothing_is_left()
    lab.run("-d", project, "delete").expect(FAILED, "has no VM")


def test_a_new_start_mends_what_an_interrupted_creation_left(lab: FakeLab) -> None:
    project = lab.project()
    interrupt_creation(lab, project)
    lab.make(project).expect(0)
    assert lab.row(project).state == "running"


def commit(directory: Path) -> None:
    """A repository with a commit that is nowhere else."""
    directory.mkdir(parents=True)
    for words in (["init", "-q"], ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *words], cwd=directory, check=True)


def test_delete_says_what_would_be_lost(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    name, home = lab.row(project).name, lab.guest / "home"
    conversations = home / ".claude/projects/-p"
    conversations.mkdir(parents=True, exist_ok=True)
    for i in range(2):
        (conversations / f"{i}.jsonl").write_text("{}")
    commit(home / "it's $(touch x)\x1b[2J")
    with lab.terminal("-d", str(project), "delete", size=(24, 250)) as terminal:
        terminal.expect(f"{name} holds 2 conversations with Claude.\r\n".encode())
        terminal.expect(b"holds work in git that is not committed or not pushed:\r\n")
        terminal.expect(rb"  [^\n]*/it's \$\(touch x\)\?\[2J\r\n")
        terminal.expect(rb"Delete claude-sandbox-.*\? \[y/N\] ")
        terminal.send(b"\n")
        assert terminal.wait() == INTERRUPTED
    assert lab.row(project).state == "running"
    lab.run("stop", name).expect(0)
    with lab.terminal("delete", name, size=(24, 250)) as terminal:
        terminal.expect(rb"is stopped: conversations with Claude and work .* can't be seen")
        terminal.expect(rb"\? \[y/N\] ")
        terminal.send(b"y\n")
        assert terminal.wait() == 0
    assert lab.records() == {}


@pytest.mark.parametrize("option", ["-y", "-f"])
def test_delete_looks_at_nothing_where_nobody_is_asked(lab: FakeLab, option: str) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    before = len(lab.calls(log=lab.ssh_log))
    with lab.terminal("-d", str(project), "delete", option) as terminal:
        assert terminal.wait() == 0
        assert b"holds" not in terminal.everything and b"[y/N]" not in terminal.everything
    assert not [call for call in lab.calls(log=lab.ssh_log)[before:] if "conversations" in json.dumps(call)]


def test_delete_of_one_that_does_not_answer(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    lab.faults({"verb": "exec", "exit": 1}, program="ssh")
    with lab.terminal("-d", str(project), "delete") as terminal:
        terminal.expect(rb"does not say what it holds")
        terminal.expect(rb"\? \[y/N\] ")
        terminal.send(b"y\n")
        assert terminal.wait() == 0


def test_delete_asks_for_each(lab: FakeLab) -> None:
    one, two = stopped(lab, "one"), stopped(lab, "two")
    with lab.terminal("delete", one, two) as terminal:
        terminal.expect(rb"Delete claude-sandbox-one.*\[y/N\] ")
        terminal.send(b"n\n")
        terminal.expect(rb"Delete claude-sandbox-two.*\[y/N\] ")
        terminal.send(b"y\n")
        assert terminal.wait() == INTERRUPTED
    assert set(lab.records()) == {one}
