"""The examples in examples/c, built as a newcomer builds them, on pretended VMs."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from fakelab import FakeLab
from installed import ROOT, Installed
from sandbox import until

EXAMPLES = sorted((ROOT / "examples/c").glob("*.c"))
Build = Callable[[str], Path]


@pytest.fixture
def build(installed: Installed, tmp_path: Path) -> Build:
    return lambda name: installed.compile(ROOT / f"examples/c/{name}.c", tmp_path / name, "-pthread")


class Program:
    """One that runs until it is interrupted; all its output is one text."""

    def __init__(self, lab: FakeLab, program: Path, *argv: object) -> None:
        self.path = lab.root / f"{program.name}.out"
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen([program, *map(str, argv)], env=lab.env, cwd=lab.projects, stdout=out,
                                            stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def text(self) -> str:
        return self.path.read_text()

    def says(self, words: str) -> None:
        until(lambda: words in self.text() or self.process.poll() is not None, f"it says {words!r}")
        assert words in self.text(), self.text()

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def begin(lab: FakeLab) -> Iterator[Callable[..., Program]]:
    begun: list[Program] = []

    def start(program: Path, *argv: object) -> Program:
        begun.append(Program(lab, program, *argv))
        return begun[-1]
    yield start
    for one in begun:
        one.process.kill()
        one.process.wait(10)


def run(lab: FakeLab, program: Path, *argv: object, status: int = 0) -> tuple[str, str]:
    done = subprocess.run([program, *map(str, argv)], env={**lab.env, "CLAUDE_SANDBOX_TEMPLATE": str(lab.template)},
                          cwd=lab.projects, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


def post(lab: FakeLab, event: dict[str, Any]) -> Any:
    """As the hook in the lab's only VM does it; the answer, or None."""
    path, = until(lambda: list((lab.state / "run/hooks").glob("*.sock")), "the VM's socket is there")
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(str(path))
    connection.request("POST", "/hook", json.dumps(event))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status in (200, 204), text
    return json.loads(text) if text else None


def tool(command: str) -> dict[str, Any]:
    return {"hook_event_name": "PreToolUse", "session_id": "s", "tool_name": "Bash", "tool_input": {"command": command}}


# ---- all ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_each_can_be_read_and_copied(build: Build, example: Path) -> None:
    """Short, with a compile line that is true, and with the public header only."""
    text = example.read_text()
    assert len(text.splitlines()) <= 80
    assert f"cc {example.name} -o {example.stem} " in text and "$(pkg-config --cflags --libs claudesandbox)" in text
    assert re.findall(r'#include ([<"]claude\S*)', text) == ["<claudesandbox.h>"] and '#include "' not in text
    assert build(example.stem).exists()


# ---- one by one --------------------------------------------------------------------------------------------

def test_run_makes_a_vm_and_runs_a_command(lab: FakeLab, build: Build) -> None:
    program, project = build("run"), lab.project()
    out, err = run(lab, program, project, "sh", "-c", "pwd; exit 3", status=3)
    assert out == f"{project}\n" and re.search(r"^\[\d+/\d+\] \S", err, re.M)
    assert lab.row(project).state == "running"
    assert run(lab, program, project, "echo", "again")[0] == "again\n"
    assert len(lab.rows()) == 1


def test_run_says_what_is_wrong(lab: FakeLab, build: Build) -> None:
    assert "usage" in run(lab, build("run"), status=2)[1]
    said = run(lab, build("run"), lab.projects / "none", "true", status=125)[1]
    assert said.startswith(f"run: there is no directory {lab.projects}/none\n")


def test_run_is_interrupted(lab: FakeLab, build: Build, begin: Callable[..., Program]) -> None:
    lab.env["CLAUDE_SANDBOX_TEMPLATE"] = str(lab.template)
    lab.faults({"verb": "create", "hang": True})
    program = begin(build("run"), lab.project(), "true")
    lab.is_struck()
    assert program.interrupt() == 125
    assert "run: " in program.text()
    lab.nothing_is_left()


def test_list(lab: FakeLab, build: Build) -> None:
    program, project = build("list"), lab.project()
    assert run(lab, program) == ("", "")
    lab.make(project).expect(0)
    assert run(lab, program)[0] == f"{lab.row(project).name}\trunning\t{project}\n"


def test_guard_refuses_what_it_is_for(lab: FakeLab, build: Build, begin: Callable[..., Program]) -> None:
    lab.make(lab.project()).expect(0)
    guard = begin(build("guard"))
    answer = post(lab, tool("git push origin main"))["hookSpecificOutput"]
    assert (answer["permissionDecision"], answer["permissionDecisionReason"][:15]) == ("deny", "The user pushes")
    guard.says(f"{lab.row(lab.project()).name}: refused to push")
    assert not post(lab, tool("git status"))
    told = post(lab, {"hook_event_name": "SessionStart", "session_id": "s", "source": "startup"})
    assert "Pushing is done by the user" in told["hookSpecificOutput"]["additionalContext"]
    assert guard.interrupt() == 0


@pytest.fixture
def server(lab: FakeLab) -> Iterator[None]:
    program = Path(lab.cli).parent / "claude-hooks-server"
    subprocess.run([program, "start"], env=lab.env, check=True, timeout=60, stdin=subprocess.DEVNULL)
    yield
    subprocess.run([program, "stop"], env=lab.env, check=True, timeout=60, stdin=subprocess.DEVNULL)


def test_tail_shows_what_happens(lab: FakeLab, server: None, build: Build, begin: Callable[..., Program]) -> None:
    lab.make(lab.project()).expect(0)
    name = lab.row(lab.project()).name
    tail = begin(build("tail"))

    def is_heard() -> bool:
        post(lab, {"hook_event_name": "Stop", "session_id": "s"})
        return f"{name}\tStop\n" in tail.text() or tail.process.poll() is not None
    until(is_heard, "it listens")
    post(lab, tool("git push"))
    post(lab, {"hook_event_name": "UserPromptSubmit", "session_id": "s", "prompt": "caf\u00e9\u001b[2J\u009b31m"})
    tail.says(f"{name}\tPreToolUse\tBash\n")
    tail.says(f"{name}\tUserPromptSubmit\tcaf\u00e9?[2J?31m\n")
    assert tail.interrupt() == 0 and "tail: " not in tail.text()


def test_tail_without_a_server(lab: FakeLab, build: Build) -> None:
    assert "claude-hooks-server start" in run(lab, build("tail"), status=1)[1]


def test_embed_has_output_and_events_in_one_loop(lab: FakeLab, build: Build, begin: Callable[..., Program]) -> None:
    """The pretended Claude waits, after its first words, until its event has been posted."""
    lab.make(lab.project()).expect(0)
    go = lab.guest / "go"
    claude = lab.guest / "bin/claude"
    claude.write_text(f"#!/bin/sh\necho \"asked: $*\"\nwhile ! [ -e '{go}' ]; do sleep 0.1; done\necho bye\nexit 5\n")
    embed = begin(build("embed"), lab.project(), "Say hello")
    embed.says("Say hello")
    assert not post(lab, tool("make test"))
    embed.says(f"embed: a tool is used in {lab.row(lab.project()).name}")
    assert "bye" not in embed.text()
    go.touch()
    assert embed.process.wait(30) == 5
    assert embed.text().endswith("bye\n")


def test_embed_needs_a_vm(lab: FakeLab, build: Build) -> None:
    assert run(lab, build("embed"), lab.project(), status=125)[1].startswith(f"embed: {lab.project()} has no VM")


def test_parallel_asks_four_at_once(lab: FakeLab, build: Build) -> None:
    """Each pretended Claude waits until all four are there."""
    here = lab.guest / "here"
    here.mkdir()
    claude = lab.guest / "bin/claude"
    claude.write_text(f"#!/bin/sh\ntouch '{here}'/$$\n"
                      f"while [ $(ls '{here}' | wc -l) -lt 4 ]; do sleep 0.1; done\n"
                      "pwd\nfor word; do :; done\necho \"did: $word\"\n[ \"$word\" != three ] || exit 3\n")
    projects = [lab.project(name) for name in "abcd"]
    prompts = ["one", "two", "three", "four"]
    pairs = [word for pair in zip(projects, prompts) for word in pair]
    out, err = run(lab, build("parallel"), *pairs, status=1)
    wanted = [f"--- {project}: status {3 if prompt == 'three' else 0}\n{project}\ndid: {prompt}\n\n"
              for project, prompt in zip(projects, prompts)]
    assert (out, err) == ("".join(wanted), "")
    assert len(lab.rows()) == 4


def test_parallel_says_which_failed(lab: FakeLab, build: Build) -> None:
    out, _ = run(lab, build("parallel"), lab.projects / "none", "one", status=1)
    assert out.startswith(f"--- {lab.projects}/none: status 125\n") and "there is no directory" in out


# ---- README ------------------------------------------------------------------------------------------------

def test_readme(installed: Installed, lab: FakeLab, tmp_path: Path) -> None:
    """Its program and its compile line, as somebody copies them; but for the template, which takes long."""
    section = (ROOT / "README.md").read_text().split("## Use it from C\n")[1].split("\n## ")[0]
    source, = re.findall(r"```c\n(.*?)```", section, re.S)
    line, = re.findall(r"^    (cc example\.c .*)$", section, re.M)
    assert "csb_vm_create(ctx, NULL," in source
    (tmp_path / "example.c").write_text(source.replace("csb_vm_create(ctx, NULL,", f'csb_vm_create(ctx, "{lab.template}",'))
    subprocess.run(["sh", "-c", f"set -e; {line} -Wall -Wextra -Werror"], cwd=tmp_path, env=installed.env, check=True)
    for _ in "made", "there already":
        out, err = run(lab, tmp_path / "example", lab.project(), status=7)     # as the pretended claude ends
        assert "Run the tests" in out and err == ""
    assert "there is no directory" in run(lab, tmp_path / "example", "/nonexistent", status=125)[1]
    assert [row.project for row in lab.rows()] == [str(lab.project())]
