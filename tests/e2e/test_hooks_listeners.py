"""Programs that listen beside claude-hooks-server, and answer in its stead; with processes of their own."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from sandbox import TESTS, find_library, is_alive, kill, until
from test_hooks import STOP, Hooks, hooks  # noqa: F401  pylint: disable=unused-import

# pylint: disable=redefined-outer-name

ENOTFOUND = -4
PRE = {"hook_event_name": "PreToolUse", "tool_name": "Bash"}
PERMIT = {"hook_event_name": "PermissionRequest", "tool_name": "Bash"}


class Program:
    """listener.py, and what it has printed until now."""

    def __init__(self, hooks: Hooks, cli: str, *how: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, str(TESTS / "e2e/listener.py"), find_library(cli), str(hooks.state), *how],
            env=hooks.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def events(self) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if "vm" in line]

    def numbers(self) -> list[int]:
        return [line["n"] for line in self.events() if line["n"] is not None]

    def lost(self) -> int:
        return sum(line["lost"] for line in self.events())

    def wait_for(self, key: str) -> dict[str, Any]:
        return until(lambda: [line for line in list(self.lines) if key in line], f"it says {key}")[-1]

    def type(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        kill(self.process.pid, number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()


@pytest.fixture
def listen(hooks: Hooks, cli: str) -> Iterator[Any]:
    """Starts listeners, and returns when they hear."""
    with contextlib.ExitStack() as stack:
        def start(*how: str, heard: bool = True) -> Program:
            program = Program(hooks, cli, *how)
            stack.callback(program.end)
            if heard:
                hears(hooks, program)
            return program
        yield start


def hears(hooks: Hooks, program: Program) -> None:
    before = len(program.events())

    def heard() -> bool:
        assert program.process.poll() is None, program.lines
        with contextlib.suppress(OSError):
            hooks.post({"hook_event_name": "Hello"})
        return len(program.events()) > before
    until(heard, "the listener hears")


def test_all_hear_the_same(hooks: Hooks, listen: Any) -> None:
    hooks.start()
    programs = [listen(), listen("watch"), listen("open")]
    posts = [threading.Thread(target=lambda n=n: [hooks.post({**PRE, "n": 10 * n + i}) for i in range(10)])
             for n in range(5)]
    for post in posts:
        post.start()
    for post in posts:
        post.join()
    until(lambda: all(len(program.numbers()) == 50 for program in programs), "all have heard all")
    first, second, third = (program.numbers() for program in programs)
    logged = [entry["event"]["n"] for entry in hooks.log() if "n" in entry["event"]]
    assert first == second == third == logged and sorted(first) == list(range(50))
    assert [program.lost() for program in programs] == [0, 0, 0]


def test_a_stopped_watcher_loses_its_own(hooks: Hooks, listen: Any) -> None:
    hooks.start()
    slow, quick = listen("watch"), listen("watch")
    slow.signal(signal.SIGSTOP)
    for n in range(40):
        assert hooks.post({**PRE, "n": n, "x": "y" * (1 << 20)}) == (200, "{}")
    assert hooks.post({**PRE, "n": 40}) == (200, "{}")
    until(lambda: quick.numbers() == list(range(41)), "the other one hears all")
    assert quick.lost() == 0
    slow.signal(signal.SIGCONT)
    until(lambda: slow.numbers()[-1:] == [40], "it hears what is left")
    assert slow.lost() > 10 and slow.numbers() == sorted(slow.numbers())
    assert slow.lost() + len(slow.numbers()) == 41


def test_a_stopped_answerer_costs_one_wait(hooks: Hooks, listen: Any) -> None:
    hooks.start()
    program = listen("deny")
    assert "not today" in hooks.post(PRE)[1]
    program.signal(signal.SIGSTOP)
    began = time.monotonic()
    assert hooks.post(PRE) == (200, "{}")
    assert time.monotonic() - began > 1     # it was waited for
    began = time.monotonic()
    assert [hooks.post(PRE) for _ in range(10)] == [(200, "{}")] * 10
    assert time.monotonic() - began < 15    # and then not: 30 s else
    program.signal(signal.SIGCONT)
    until(lambda: "not today" in hooks.post(PRE)[1], "it has caught up")


def test_a_denial_reaches_claude(hooks: Hooks, listen: Any) -> None:
    hooks.start()
    listen("deny")
    listen("watch")
    listen("tell=mind the gap")
    done = hooks.hook_sh(json.dumps(PRE).encode(), CLAUDE_HOOKS_SOCKET=str(hooks.socket()))
    output = json.loads(done.stdout)["hookSpecificOutput"]
    assert (output["permissionDecision"], output["permissionDecisionReason"]) == ("deny", "not today")
    assert output["additionalContext"] == "mind the gap"


def test_one_that_is_killed_owes_nothing(hooks: Hooks, listen: Any) -> None:
    hooks.start()
    program = listen("open", "hang", heard=False)
    program.wait_for("open")
    answers: list[tuple[int, str]] = []
    post = threading.Thread(target=lambda: answers.append(hooks.post({**PRE, "n": 1})))
    post.start()
    program.wait_for("vm")
    program.signal(signal.SIGKILL)
    post.join()
    assert answers == [(200, "{}")] and hooks.post(PRE) == (200, "{}")


def test_the_servers_end(hooks: Hooks, listen: Any) -> None:
    hooks.start()
    listening, watching, opened = listen("deny"), listen("watch"), listen("open")
    hooks.run("restart")
    ended = opened.wait_for("code")
    assert ended["code"] == ENOTFOUND and "has ended" in ended["message"]
    hears(hooks, listening)
    hears(hooks, watching)
    assert "not today" in hooks.post(PRE)[1]
    kill(hooks.pid())
    until(lambda: "not today" in hooks.post(PRE)[1], "the one who answers has taken the place")
    # The server is one who hears from it, until that ends.
    hooks.start()
    assert "not today" in hooks.post({**PRE, "n": 1})[1]
    until(lambda: hooks.log()[-1]["event"].get("n") == 1, "the server hears it")
    listening.signal(signal.SIGKILL)
    until(lambda: hooks.post({**PRE, "n": 2}) == (200, "{}"), "the server has taken the place")
    until(lambda: hooks.log()[-1]["event"].get("n") == 2, "the server hears it")


def test_who_watches_takes_no_place(hooks: Hooks, listen: Any) -> None:
    assert listen("watch", heard=False).wait_for("code")["code"] == ENOTFOUND
    hooks.start()
    watching = listen("watch")
    hooks.run("stop")
    ended = watching.wait_for("code")
    assert ended["code"] == ENOTFOUND and "nobody listens" in ended["message"]
    assert hooks.sockets() == []


def test_an_answer_is_held(hooks: Hooks, listen: Any) -> None:
    hooks.start()
    program = listen("hold")
    answers: list[tuple[int, str]] = []
    post = threading.Thread(target=lambda: answers.append(hooks.post({**PERMIT, "n": 1})))
    post.start()
    until(lambda: program.numbers() == [1], "it is asked")
    assert hooks.post(STOP) == (200, "{}") and not answers     # others go on
    program.type()
    post.join()
    assert json.loads(answers[0][1])["hookSpecificOutput"]["decision"] == {"behavior": "allow"}
    assert program.wait_for("gone") == {"gone": False}


def test_what_is_held_is_given_up(hooks: Hooks, listen: Any) -> None:
    hooks.start()
    program = listen("hold")
    curl = subprocess.Popen(["curl", "-q", "-s", "--unix-socket", hooks.socket(), "-d", json.dumps({**PERMIT, "n": 1}),
                             "http://localhost/"], stdout=subprocess.DEVNULL)
    until(lambda: program.numbers() == [1], "it is asked")
    curl.kill()
    curl.wait()
    assert program.wait_for("gone") == {"gone": True}
    assert hooks.post(STOP) == (200, "{}")


def test_the_guard_stands_beside_the_server(hooks: Hooks, cli: str) -> None:
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    library, guard = Path(find_library(cli)), hooks.root / "guard"
    include = Path(cli).resolve().parent.parent / "include"
    subprocess.run([compiler, str(TESTS.parent / "examples/c/guard.c"), "-o", str(guard), f"-I{include}",
                    str(library), f"-Wl,-rpath,{library.parent}"], check=True)
    hooks.start()
    process = subprocess.Popen([guard], env=hooks.env, stdout=subprocess.DEVNULL)
    try:
        push = {**PRE, "tool_input": {"command": "git push"}}
        until(lambda: "The user pushes" in hooks.post(push)[1], "it refuses a push")
        assert hooks.post({**PRE, "tool_input": {"command": "git status"}}) == (200, "{}")
        assert hooks.log()[-1]["event"]["tool_input"]["command"] == "git status"
        process.terminate()
        assert process.wait(60) == 0
        assert hooks.post(push) == (200, "{}")
    finally:
        process.kill()
        process.wait()


# -- a guest that means harm --


def test_ten_thousand_connections(hooks: Hooks) -> None:
    hooks.add_vm("quiet", "/home/ann/q")
    hooks.start()
    noisy, quiet = until(lambda: hooks.sockets() if len(hooks.sockets()) == 2 else None, "both have a socket")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 11000) if hard > 0 else 11000, hard))
    try:
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):      # as many as the limits of this machine have it
                for _ in range(10_000):
                    client = stack.enter_context(socket.socket(socket.AF_UNIX))
                    client.setblocking(False)
                    client.connect(str(noisy))
            assert hooks.post(STOP, quiet) == (200, "{}")
            if sys.platform == "linux":
                assert len(list(Path(f"/proc/{hooks.pid()}/fd").iterdir())) < 200
        until(lambda: hooks.post(STOP, noisy) == (200, "{}"), "they are gone")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert is_alive(hooks.pid())


def test_more_than_it_said(hooks: Hooks) -> None:
    """What follows an event is no second one, and no part of it."""
    hooks.start()
    body = json.dumps(STOP).encode()
    request = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert hooks.raw(request + request).startswith(b"HTTP/1.1 200 ")
    assert hooks.raw(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n%s" % body).startswith(b"HTTP/1.1 400 ")
    with hooks.connect() as short:
        short.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n%s" % body)
        short.shutdown(socket.SHUT_WR)
        assert short.recv(100).startswith(b"HTTP/1.1 400 ")
    until(lambda: hooks.status()["events"] == 1, "one event")


def test_who_it_says_it_is(hooks: Hooks, listen: Any) -> None:
    hooks.add_vm("evil", "/home/ann/evil")
    hooks.start()
    program = listen("watch")
    sockets = until(lambda: hooks.sockets() if len(hooks.sockets()) == 2 else [], "both have a socket")
    claims = {**STOP, "vm": "web", "vm_name": "web", "project_dir": "/home/ann/café", "cwd": "/home/ann/café"}
    for path in sockets:
        assert hooks.post(claims, path, "-H", "Host: web", "-H", "X-VM: web") == (200, "{}")
    until(lambda: sum(e["name"] == "Stop" for e in program.events()) == 2, "both are heard")
    assert sorted(e["vm"] for e in program.events() if e["name"] == "Stop") == ["evil", "web"]
    assert sorted(e["vm"] for e in hooks.log() if e["event"]["hook_event_name"] == "Stop") == ["evil", "web"]
    until(lambda: {"Claude [evil]", "Claude [café]"} <= {title for title, _ in hooks.shown()}, "by their own names")
