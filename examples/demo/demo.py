#!/usr/bin/env python3
"""Claude Code at work in a VM, with a model that follows a script: needs no account and no internet.

    demo.py [--program claude-sandbox] [--spent SECONDS] [--su]

`./bootstrap demo` runs it. It shows what a program can do with claude-sandbox and Claude Code's own
--output-format stream-json: follow the work line by line, and find its results on the host.
"""
from __future__ import annotations

import argparse
import json
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "support"))

from fakeapi import FakeApi  # noqa: E402

Json = dict[str, Any]


def prompt(project: Path) -> str:
    """What the user asks for, and behind it what the scripted model is to do about it."""
    greet = str(project / "greet.py")
    edit = {"file_path": greet, "old_string": "Helo", "new_string": "Hello"}
    test = 'from greet import greet\\n\\nassert greet("Ada") == "Hello, Ada"\\nprint("the greeting is right")\\n'
    return f"""Correct the greeting, write a test for it, run the test, and say where it ran.
[[say I'll look at the program first.]]
[[[tool Read :: {json.dumps({"file_path": greet})}]]]
[[say There is an "l" missing.]]
[[[tool Edit :: {json.dumps(edit)}]]]
[[write test_greet.py :: {test}]]
[[bash python3 -B test_greet.py && echo "ran as $(id -un) on $(uname -n), Linux $(uname -r)"]]
[[say The greeting is right now, and test_greet.py proves it.]]"""


# ---- from stream-json to lines for people ------------------------------------------------------------------

def clean(text: str) -> str:
    """What comes out of a VM is not to talk to the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def blocks(event: Json) -> list[Json]:
    content = event.get("message", {}).get("content", [])
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def describe_call(name: str, given: Json, project: Path) -> str:
    if name == "Bash":
        return f"→ Bash: {given.get('command', '')}"
    path = str(given.get("file_path", ""))
    return f"→ {name} {path.removeprefix(f'{project}/') if path else json.dumps(given)}"


def output_lines(block: Json, project: Path, most: int = 3) -> list[str]:
    content = block.get("content", "")
    if isinstance(content, list):
        content = "\n".join(b.get("text", "") for b in content if isinstance(b, dict))
    lines = [line for line in str(content).replace(f"{project}/", "").splitlines() if line.strip()]
    more = [f"… {len(lines) - most} more lines"] if len(lines) > most else []
    return [line[:100] for line in lines[:most]] + more


def describe(event: Json, project: Path) -> Iterator[str]:
    kind = event.get("type")
    if kind == "system" and event.get("subtype") == "init":
        version = event.get("claude_code_version", "")
        yield f"Claude Code {version} works in {event.get('cwd', '')}"
    for block in blocks(event):
        if kind == "assistant" and block.get("type") == "text":
            yield f"Claude: {block.get('text', '')}"
        elif kind == "assistant" and block.get("type") == "tool_use":
            yield describe_call(block.get("name", ""), block.get("input", {}), project)
        elif kind == "user" and block.get("type") == "tool_result":
            yield from (f"  ← {line}" for line in output_lines(block, project))
    if kind == "result" and event.get("is_error"):
        yield f"Claude Code gave up: {event.get('result', event.get('subtype', ''))}"


def follow(stream: Iterator[str], project: Path) -> bool:
    """Prints what happens; whether it came to a good end."""
    good = False
    for line in stream:
        try:
            event = json.loads(line)
        except ValueError:
            event = {}
        for text in describe(event, project):
            print("  " + clean(text), flush=True)
        good = good or (event.get("type") == "result" and not event.get("is_error"))
    return good


# ---- the demo ----------------------------------------------------------------------------------------------

class Demo:
    def __init__(self, program: str, project: Path) -> None:
        self.program = program
        self.project = project
        self.times: list[tuple[str, float]] = []

    def command(self, *more: str) -> list[str]:
        return [self.program, *more[:1], "-d", str(self.project), *more[1:]]

    def timed(self, what: str, begun: float) -> None:
        self.times.append((what, time.monotonic() - begun))

    def lay_out(self) -> None:
        """A fresh copy of the sample project; what the last demo left is ours to remove."""
        if self.project.exists():
            for entry in self.project.iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        shutil.copytree(HERE / "project", self.project, dirs_exist_ok=True)

    def start(self) -> int:
        begun = time.monotonic()
        status = subprocess.run(self.command("shell", "--", "true"), stdin=subprocess.DEVNULL, check=False).returncode
        self.timed("the VM, from nothing to a first command", begun)
        return status

    def work(self) -> bool:
        begun = time.monotonic()
        asked = prompt(self.project)
        print(f"\n  You: {asked.splitlines()[0]}", flush=True)
        with FakeApi() as api:
            env = {**os.environ, "ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "demo-key",
                   "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
            with subprocess.Popen([self.program, "-d", str(self.project), "--", "-p", asked, "--output-format",
                                   "stream-json", "--verbose"], env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, encoding="utf-8", errors="replace") as claude:
                assert claude.stdout
                good = follow(claude.stdout, self.project)
        self.timed("Claude Code at work", begun)
        return good and claude.returncode == 0

    def show_files(self) -> bool:
        """The proof: what the agent wrote in the VM is here, and belongs to us."""
        print(f"\nOn the host, in {self.project}:")
        for path in sorted(self.project.iterdir()):
            info = path.lstat()
            owner = pwd.getpwuid(info.st_uid).pw_name
            when = time.strftime("%H:%M:%S", time.localtime(info.st_mtime))
            print(f"  {stat.filemode(info.st_mode)} {owner} {info.st_size:6} {when} {path.name}")
        written = self.project / "test_greet.py"
        if not written.is_file() or "Hello" not in (self.project / "greet.py").read_text():
            print("demo: what Claude wrote in the VM did not arrive on the host", file=sys.stderr)
            return False
        print(f"\n{written.name}:")
        for line in written.read_text().splitlines():
            print("  | " + clean(line))
        return True

    def stop(self) -> int:
        begun = time.monotonic()
        print(flush=True)
        status = subprocess.run(self.command("stop"), check=False).returncode
        self.timed("stopping it", begun)
        return status

    def tell(self, spent: float, by_su: bool) -> None:
        print("\nWhat took how long:")
        if spent >= 1:
            print(f"  {spent:6.1f} s  packages and build")
        for what, seconds in self.times:
            print(f"  {seconds:6.1f} s  {what}")
        print(f"  {spent + sum(s for _, s in self.times):6.1f} s  in all")
        print("\nThe VM is stopped and stays for the next time. To look inside, or to remove it:")
        name = "claude-sandbox" if by_su else shlex.quote(self.program)
        if by_su:
            print(f"  su - {pwd.getpwuid(os.getuid()).pw_name}")
        print(f"  {name} shell -d {shlex.quote(str(self.project))}")
        print(f"  {name} delete -d {shlex.quote(str(self.project))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--program", default="claude-sandbox", help="the claude-sandbox to use")
    parser.add_argument("--spent", type=float, default=0.0, metavar="SECONDS", help="time spent before, for the sum")
    parser.add_argument("--su", action="store_true", help="who started this is root, and we are not")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")    # type: ignore[union-attr]
    demo = Demo(options.program, Path.home() / "claude-sandbox demo" / "Grüße")
    demo.lay_out()
    status = demo.start()
    if status != 0:
        return status
    good = demo.work()
    good = demo.show_files() and good
    status = demo.stop()
    demo.tell(options.spent, options.su)
    return status if good else 1


if __name__ == "__main__":
    sys.exit(main())
