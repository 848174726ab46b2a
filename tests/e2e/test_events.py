"""`claude-sandbox events`: what the hooks server has heard of a VM, told to a person and to a program."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Iterator

import pytest

from sandbox import USAGE, Done, until
from test_hooks import Hooks

PRE = {"hook_event_name": "PreToolUse", "session_id": "s1", "tool_name": "Bash", "tool_input": {"command": "make test"}}
POST = {**PRE, "hook_event_name": "PostToolUse", "tool_response": {}}
ASKS = {**PRE, "hook_event_name": "PermissionRequest"}
STOP = {"hook_event_name": "Stop", "session_id": "s1", "last_assistant_message": "All tests pass."}
KEYS = ["time", "vm", "event", "state", "session", "tool", "text"]


class Events(Hooks):
    def __init__(self, cli: str) -> None:
        super().__init__(cli)
        self.cli = cli

    def begin(self, *argv: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen([self.cli, "events", *argv], env={**self.env, **env}, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def events(self, *argv: str, **env: str) -> Done:
        running = self.begin(*argv, **env)
        out, err = running.communicate(timeout=60)
        return Done(running.returncode, out.encode(), err)

    def words(self, *argv: str) -> list[str]:
        """Without the time."""
        lines = self.events(*argv).expect(0).lines()
        return [line[21:] for line in lines]


@pytest.fixture
def hooks(cli: str) -> Iterator[Events]:
    made = Events(cli)
    try:
        yield made
    finally:
        made.close()


def test_nothing_is_known(hooks: Events) -> None:
    done = hooks.events().expect(0)
    assert (done.out, done.err) == (b"", "")
    assert not (hooks.state / "run").exists(), "nothing is started to look back"


def test_what_claude_did(hooks: Events) -> None:
    hooks.start()
    for event in (PRE, POST, ASKS, STOP):
        assert hooks.post(event) == (200, "{}")
    hooks.run("stop")
    assert hooks.words() == ["web  working: Bash `make test`", "web  waits for you: permission to use Bash `make test`",
                             "web  done: All tests pass."]
    assert hooks.words("-n", "1") == ["web  done: All tests pass."]
    assert hooks.words("-n", "0") == []


def test_of_one_vm(hooks: Events) -> None:
    hooks.start()
    hooks.post(PRE)
    first = hooks.socket()
    hooks.add_vm("other", "/home/ann/other")
    until(lambda: len(hooks.sockets()) == 2, "the new VM has a socket")
    second = next(path for path in hooks.sockets() if path != first)
    assert hooks.post({**STOP, "vm": "web"}, second) == (200, "{}")
    assert hooks.words("--vm", "other") == ["other  done: All tests pass."]
    assert hooks.words("--vm", "web") == ["web  working: Bash `make test`"]
    assert hooks.words("--vm", "no-such") == []


def test_json(hooks: Events) -> None:
    hooks.start()
    for event in (PRE, POST, {"hook_event_name": "Unheard", "session_id": 7}):
        hooks.post(event)
    told = [json.loads(line) for line in hooks.events("--json").expect(0).lines()]
    assert [list(line) for line in told] == [KEYS] * 3
    assert [line["time"] for line in told] == [entry["time"] for entry in hooks.log()]
    assert [tuple(line.values())[1:] for line in told] == [
        ("web", "PreToolUse", "working", "s1", "Bash", "make test"),
        ("web", "PostToolUse", "working", "s1", "Bash", "make test"),
        ("web", "Unheard", None, None, None, None)]


def test_nothing_that_a_terminal_obeys(hooks: Events) -> None:
    hooks.start()
    for evil in ("\x1b]0;x\x07\x1b[2J", "\x9b31m\x7f", "a\u202eb\r\nc"):
        hooks.post({**PRE, "tool_name": evil, "session_id": evil, "tool_input": {"command": evil}})
        hooks.post({**STOP, "last_assistant_message": evil})
    for argv in ((), ("--json",)):
        out = hooks.events(*argv).expect(0).text
        assert len(out.splitlines()) == 6
        assert all(c == "\n" or (c.isprintable() and c not in "\u202e\u2066") for c in out), out


def test_whoever_reads_may_leave(hooks: Events) -> None:
    hooks.start()
    for _ in range(3):
        hooks.post(STOP)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([hooks.cli, "events"], env=hooks.env, stdin=subprocess.DEVNULL, stdout=write,
                          stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([hooks.cli, "events"], env=hooks.env, stdin=subprocess.DEVNULL, stdout=full,
                              stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 125 and b"could not be written" in done.stderr


def test_words_that_are_none(hooks: Events) -> None:
    hooks.events("-n", "x").expect(USAGE, "--lines x")
    hooks.events("-n", "-1").expect(USAGE)
    hooks.events("web").expect(USAGE, "web")
