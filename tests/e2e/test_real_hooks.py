"""What the real Claude Code in a real VM reports, and what becomes of it on the host."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any, Iterator

import pytest

from realvm import Lab
from sandbox import Running, kill, processes, until
from servers import Server

HOOKS = {"CLAUDE_SANDBOX_HOOKS": "", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}
TURN = ["UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolBatch", "Stop", "SessionEnd"]


class Log:
    """What came after this was made."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.before = len(self._all())

    def _all(self) -> list[dict[str, Any]]:
        files = sorted((self.lab.state / "log").glob("events-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def entries(self) -> list[dict[str, Any]]:
        return self._all()[self.before:]

    def names(self) -> list[str]:
        return [entry["event"]["hook_event_name"] for entry in self.entries()]

    def wait(self, name: str) -> None:
        until(lambda: name in self.names(), f"{name} is reported", 120)


@pytest.fixture
def server(lab: Lab) -> Iterator[Server]:
    server = Server(lab, "claude-hooks-server", **HOOKS)
    server.pids.add(server.start())
    yield server
    server.close()


def begin(lab: Lab, prompt: str) -> Running:
    return lab.start("-q", "-d", lab.dir, "--", "-p", prompt, env=HOOKS)


def whole_turn(lab: Lab) -> None:
    log = Log(lab)
    begin(lab, "[[bash echo hi]]").wait(300).expect(0)
    log.wait("SessionEnd")
    names = log.names()
    # The session's beginning is two hooks at once.
    assert set(names[:-len(TURN)]) <= {"SessionStart", "InstructionsLoaded"} and "SessionStart" in names
    assert names[-len(TURN):] == TURN
    assert {entry["vm"] for entry in log.entries()} == {lab.vm().name}


def test_a_turn_is_reported_in_order(lab: Lab, server: Server) -> None:
    log = Log(lab)
    whole_turn(lab)
    before, = [entry for entry in log.entries() if entry["event"]["hook_event_name"] == "PreToolUse"]
    assert before["event"]["tool_name"] == "Bash" and before["event"]["tool_input"]["command"] == "echo hi"
    assert before["event"]["cwd"] == str(lab.dir)


def held_up(lab: Lab, name: str) -> tuple[Running, Log, Path]:
    """A session whose tool runs until the file that comes back is there."""
    log, go = Log(lab), lab.dir / name
    running = begin(lab, f"[[bash while ! [ -e {name} ]; do sleep 0.2; done]]")
    log.wait("PreToolUse")
    return running, log, go


def test_a_killed_server_comes_back_into_a_session(lab: Lab, server: Server) -> None:
    running, log, go = held_up(lab, "go-1")
    told = server.status()
    assert told
    kill(told["pid"])
    until(lambda: not server.status(), "it is gone")
    server.pids.add(server.start())
    go.touch()
    running.wait(300).expect(0)
    log.wait("SessionEnd")
    assert log.names()[-4:] == TURN[2:]
    assert {entry["vm"] for entry in log.entries()} == {lab.vm().name}


def test_no_server_is_no_obstacle(lab: Lab, server: Server) -> None:
    running, _, go = held_up(lab, "go-2")
    told = server.status()
    assert told
    os.kill(told["pid"], signal.SIGTERM)
    until(lambda: not server.status(), "it is gone")
    go.touch()
    assert running.wait(300).expect(0).text == "done.\n"


def test_events_come_again_over_a_new_connection(lab: Lab, server: Server) -> None:
    """The one that all sessions share was killed."""
    whole_turn(lab)
    masters = [pid for pid, args in processes().items() if args.startswith("ssh") and str(lab.state) in args]
    assert masters
    for pid in masters:
        kill(pid)
    whole_turn(lab)


def test_events_come_again_after_a_reboot(lab: Lab, server: Server) -> None:
    whole_turn(lab)
    before = lab.sh("cat /proc/sys/kernel/random/boot_id")
    lab.shell("sudo", "systemctl", "reboot")
    until(lambda: lab.shell("cat", "/proc/sys/kernel/random/boot_id").text not in ("", before), "it is back", 300)
    whole_turn(lab)
