"""`claude-sandbox wait` and `events` beside the real Claude Code in a real VM."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from typing import Any, Iterator

import pytest

from realvm import KEY, Lab
from sandbox import until
from servers import Server

TIMED_OUT = 124     # claude-sandbox(1), EXIT STATUS
SECONDS = 300.0     # for a step of Claude in an emulated VM on a machine that is busy


def events(lab: Lab) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lab.run("events", "--json", "-n", "100000").expect(0).lines()]


@pytest.fixture
def hooks_server(lab: Lab) -> Iterator[None]:
    """Whoever starts it, it ends with the test."""
    yield
    Server(lab, "claude-hooks-server").close()


def test_wait_for_claude(lab: Lab, hooks_server: None) -> None:
    """Busy, in a dialog, interrupted by Esc (which no hook tells), and gone."""
    began, before = lab.dir / "turn-began", len(events(lab))
    env = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": KEY, "CLAUDE_SANDBOX_HOOKS": ""}

    def wait(goal: str, seconds: int) -> int:
        return lab.run("-d", lab.dir, "wait", "--for", goal, "--timeout", str(seconds), seconds=seconds + 120.0).status

    with lab.terminal("-q", "-d", lab.dir, "--", "--permission-mode", "default", size=(40, 120), env=env) as terminal:
        terminal.expect("❯".encode(), SECONDS)
        assert wait("idle", 300) == 0
        assert wait("exit", 1) == TIMED_OUT
        terminal.send(b"[[bash echo >turn-began; exec tail -f /dev/null]]")
        terminal.expect(rb"null\]\]", SECONDS)
        terminal.send(b"\r")
        terminal.expect(rb"want.{1,20}to.{1,20}proceed", SECONDS)
        assert wait("input", 300) == 0
        assert wait("idle", 1) == TIMED_OUT
        terminal.send(b"\r")
        until(began.exists, "the tool runs", SECONDS)
        assert wait("input", 3) == TIMED_OUT
        waiting = lab.start("-d", lab.dir, "wait")
        terminal.send(b"\x1b")
        assert waiting.wait(SECONDS).status == 0
        leaving = lab.start("-d", lab.dir, "wait", "--for", "exit")
        deadline = time.monotonic() + SECONDS
        while terminal.process.poll() is None and time.monotonic() < deadline:
            terminal.send(b"\x03\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                terminal.wait(3)
        assert leaving.wait(SECONDS).status == 0
    told = events(lab)[before:]
    assert {line["vm"] for line in told} == {lab.vm().name}
    names = [line["event"] for line in told]
    assert "PermissionRequest" in names and "SessionEnd" in names and "Stop" not in names
    assert [line["text"] for line in told if line["event"] == "PreToolUse"] == ["echo >turn-began; exec tail -f /dev/null"]
