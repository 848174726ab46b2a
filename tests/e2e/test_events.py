"""`claude-sandbox events`: what the hooks server has heard of a VM, told to a person and to a program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from typing import Iterator

import pytest

from sandbox import FAILED, INTERRUPTED, USAGE, Done, kill, until
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


class Follower:
    """`events --follow`, whose lines come as they are said."""

    def __init__(self, hooks: Events, *argv: str, **env: str) -> None:
        self.hooks, self.lines = hooks, []      # type: ignore[var-annotated]
        self.process = hooks.begin("--follow", *argv, **env)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def words(self) -> list[str]:
        return [line[21:] for line in self.lines]

    def hears(self, prompt: str) -> None:
        """Says it, until that is heard: when it listens can't be seen from outside."""
        def said_and_heard() -> bool:
            self.hooks.post({"hook_event_name": "UserPromptSubmit", "prompt": prompt})
            return any(prompt in line for line in self.lines)
        until(said_and_heard, f"{prompt} is heard of")

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Exit status and words."""
        self.process.send_signal(number)
        status = self.process.wait(30)
        assert self.process.stderr
        return status, self.process.stderr.read()


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
    hooks.events("--vm", "no-such").expect(0, "there is no VM called no-such now")
    hooks.events("-d", "/").expect(125, "/ has no VM")
    hooks.events("-d", "/", "--vm", "web").expect(2, "either --vm or --dir, not both")


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


def test_a_log_of_any_size(hooks: Events) -> None:
    def line(text: str) -> str:
        event = {"hook_event_name": "Stop", "last_assistant_message": text}
        return json.dumps({"time": "2026-11-24T04:00:00.000Z", "vm": "web", "event": event}) + "\n"
    log = hooks.state / "log"
    log.mkdir(parents=True)
    long = "x" * (3 << 20)
    (log / "events-2026-11-24.jsonl").write_text(
        line("first") + line(long) + "".join(line(str(n) + "y" * 4096) for n in range(5000)) + line("last")
        + line("cut")[:-9], "utf-8")
    told = [text.partition("done: ")[2] for text in hooks.words("-n", "100000")]
    assert [text[:6] for text in told[:3]] == ["first", "xxxxxx", "0yyyyy"] and told[-1] == "last"
    assert len(told) == 5003
    assert [text[:5] for text in hooks.words("-n", "2")] == ["web  ", "web  "]


def test_words_that_are_none(hooks: Events) -> None:
    hooks.events("-n", "x").expect(USAGE, "--lines x")
    hooks.events("-n", "-1").expect(USAGE)
    hooks.events("web").expect(USAGE, "web")


# -- those to come --


def test_follow(hooks: Events) -> None:
    """The server is started for it, and each line is there as the event comes."""
    follower = Follower(hooks)
    until(lambda: hooks.run("status").returncode == 0, "the server runs")
    follower.hears("first")
    hooks.post(POST)
    hooks.post(PRE)
    until(lambda: follower.words()[-1] == "web  working: Bash `make test`", "the next one is told")
    assert set(follower.words()[:-1]) == {"web  working: first"}
    assert follower.end() == (INTERRUPTED, "")


def test_follow_begins_with_what_was(hooks: Events) -> None:
    hooks.start()
    hooks.post(STOP)
    follower = Follower(hooks, "-n", "1", "--json")
    until(lambda: follower.lines, "the one that was")
    follower.hears("new")
    follower.end()
    told = [json.loads(line) for line in follower.lines]
    assert [list(line) for line in told] == [KEYS] * len(told)
    assert (told[0]["event"], told[0]["text"]) == ("Stop", "All tests pass.")
    assert {(line["event"], line["text"]) for line in told[1:]} == {("UserPromptSubmit", "new")}
    assert sorted(line["time"] for line in told) == [line["time"] for line in told]


def test_follow_one_vm(hooks: Events) -> None:
    hooks.start()
    first = hooks.socket()
    hooks.add_vm("other", "/home/ann/other")
    until(lambda: len(hooks.sockets()) == 2, "the new VM has a socket")
    second = next(path for path in hooks.sockets() if path != first)
    follower = Follower(hooks, "--vm", "other", "-n", "0")

    def heard() -> bool:
        hooks.post(PRE, first)
        hooks.post(STOP, second)
        return bool(follower.lines)

    until(heard, "the other VM is heard")
    assert set(follower.words()) == {"other  done: All tests pass."}
    follower.end()


@pytest.mark.parametrize("by_force", [False, True])
def test_follow_outlives_the_server(hooks: Events, by_force: bool) -> None:
    follower = Follower(hooks, "-n", "0")
    until(lambda: hooks.run("status").returncode == 0, "the server runs")
    follower.hears("before")
    if by_force:
        kill(hooks.pid())
    else:
        hooks.run("stop")
    hooks.start()
    follower.hears("after")
    status, said = follower.end()
    assert status == INTERRUPTED and said.count("\n") <= 1


def test_follow_without_a_server(hooks: Events) -> None:
    hooks.events("--follow", CLAUDE_SANDBOX_HOOKS="0").expect(FAILED, "claude-hooks-server start")


def test_who_follows_may_leave(hooks: Events) -> None:
    hooks.start()
    running = hooks.begin("--follow", "-n", "0")
    assert running.stdout and running.stderr
    running.stdout.close()

    def ended() -> bool:
        hooks.post(STOP)
        return running.poll() is not None

    until(ended, "it ends with the next line")
    assert (running.returncode, running.stderr.read()) == (0, "")


def test_one_that_does_not_read_slows_nobody(hooks: Events) -> None:
    hooks.start()
    follower = Follower(hooks, "-n", "0")
    follower.hears("before")
    follower.process.send_signal(signal.SIGSTOP)
    big = {**STOP, "padding": "x" * (4 << 20)}
    for _ in range(12):
        assert hooks.post(big) == (200, "{}")
    follower.process.send_signal(signal.SIGCONT)
    until(lambda: any("lost)" in line for line in follower.lines), "what was lost is told")
    follower.hears("after")
    follower.end()
