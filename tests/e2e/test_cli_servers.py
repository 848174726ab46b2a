"""The command line and our servers: who starts them, who ends them."""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from fakelab import FakeLab
from sandbox import FAILED, is_alive
from servers import Server

HOOKS, AUDIO = "claude-hooks-server", "claude-audio-server"
WANTED = {"CLAUDE_SANDBOX_HOOKS": ""}


@pytest.fixture
def lab(cli: str) -> Iterator[FakeLab]:
    made = FakeLab(cli)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def hooks(lab: FakeLab) -> Iterator[Server]:
    server = Server(lab, HOOKS)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def audio(lab: FakeLab) -> Iterator[Server]:
    server = Server(lab, AUDIO)
    try:
        yield server
    finally:
        server.close()


def pid_of(server: Server) -> int:
    told = server.status()
    assert told
    return int(told["pid"])


def test_claude_brings_the_hooks_server_up(lab: FakeLab, hooks: Server) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    assert hooks.status() is None, "a shell needs none"
    lab.run("-d", project, "--", "-p", "x", env=WANTED)
    pid = pid_of(hooks)
    lab.run("-d", project, "--", "-p", "x", env=WANTED)
    assert pid_of(hooks) == pid


def test_no_hooks_server_when_not_wanted(lab: FakeLab, hooks: Server) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    lab.run("-d", project, "--", "-p", "x", env={"CLAUDE_SANDBOX_HOOKS": "0"})
    assert hooks.status() is None


def test_restart_hooks(lab: FakeLab, hooks: Server) -> None:
    done = lab.run("restart-hooks").expect(0)
    first = pid_of(hooks)
    assert done.text.count("\n") == 1 and HOOKS in done.text
    lab.run("restart-hooks").expect(0)
    assert pid_of(hooks) != first and not is_alive(first)
    assert lab.run("-q", "restart-hooks").expect(0).out == b""


def test_restart_hooks_that_cannot_be(lab: FakeLab) -> None:
    lab.state.mkdir()
    (lab.state / "run").write_text("in the way")
    done = lab.run("restart-hooks").expect(FAILED)
    assert "run" in done.err and done.out == b""


def test_stop_all_ends_the_servers_last(lab: FakeLab, hooks: Server, audio: Server) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    pids = [hooks.start(), audio.start()]
    name = lab.row(project).name
    assert lab.run("stop-all").expect(0).lines() == [f"Stopped {name}.", f"Stopped {HOOKS}.", f"Stopped {AUDIO}."]
    assert not any(is_alive(pid) for pid in pids)
    assert lab.run("stop-all").expect(0).out == b""


def test_stop_all_ends_the_servers_when_a_vm_fails(lab: FakeLab, hooks: Server) -> None:
    lab.make(lab.project()).expect(0)
    record, = (lab.state / "vms").iterdir()
    changed = {**json.loads(record.read_text()), "name": "elsewhere", "engine": "of-later"}
    (record.parent / "elsewhere.json").write_text(json.dumps(changed))
    pid = hooks.start()
    done = lab.run("stop-all", "-f").expect(FAILED, "elsewhere", "of-later")
    assert done.lines()[-1] == f"Stopped {HOOKS}." and not is_alive(pid)
