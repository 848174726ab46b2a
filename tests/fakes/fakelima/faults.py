"""Faults that a test orders, and the record of what was called.

A fault is a JSON object, a list of them stands in the file named by ``PREFIX_SCRIPT`` (as the list, or as
``{"faults": [...]}``) or in the variable ``PREFIX_FAULTS`` itself; PREFIX is FAKE_LIMACTL or FAKE_SSH:

    verb            which call it strikes ("clone"; for ssh: exec, check, forward, cancel, exit, master); absent: any
    match           only when an argument contains this text
    times           only so many times (counted for the whole run, across processes)
    at              where in the call: "begin" (the default), "copy" (clone, create, rename: the directory
                    exists, its lima.yaml does not), "boot" (start: the VM lives, but is not ready), "end" (all is done)
    delay           seconds to wait; the call goes on unless something below ends it
    stdout, stderr  text to print there (garbage, if one likes)
    kind            "disk_full": the message of a full disk, exit 1
    hang            true: wait until a signal comes;  ignore_term: true: not even SIGTERM helps
    truncate        N: after N more bytes on standard output, SIGKILL oneself
    signal          N: die of this signal
    exit            N: exit with this status
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time

SELECTED = ("HOME", "PATH", "LANG", "TERM", "TMPDIR", "SSH_AUTH_SOCK")
SELECTED_PREFIXES = ("LIMA_", "LC_", "QEMU_", "FAKE_", "CSB_", "CLAUDE_", "ANTHROPIC_")


def inherited_fds() -> list[int]:
    """What the caller should not have let us inherit: every descriptor of a library is close-on-exec."""
    found = []
    for fd in range(3, 256):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found.append(fd)
    return found


def current_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


class Call:
    """One run of a fake: where its output goes, what strikes it, what is written about it."""

    def __init__(self, prefix: str, argv: list[str]) -> None:
        self.prefix, self.argv, self.verb = prefix, argv, ""
        self.started, self.fds = time.time(), inherited_fds()
        self.budget: int | None = None
        self.state_file = ""    # where the counts of "times" are kept; set as soon as a home is known
        self.faults = self._load()

    def _load(self) -> list[dict]:
        text = os.environ.get(self.prefix + "_FAULTS", "")
        name = os.environ.get(self.prefix + "_SCRIPT", "")
        if name and os.path.exists(name):
            with open(name, encoding="utf-8") as file:
                text = file.read()
        value = json.loads(text) if text.strip() else []
        return value.get("faults", []) if isinstance(value, dict) else value

    # -- output --

    def out(self, text: str) -> None:
        """Standard output, until a fault has us killed in the middle of it."""
        data = text.encode("utf-8", "surrogateescape")
        if self.budget is not None and len(data) >= self.budget:
            self._write(1, data[:self.budget])
            self.die(signal.SIGKILL)
        if self.budget is not None:
            self.budget -= len(data)
        self._write(1, data)

    @staticmethod
    def _write(fd: int, data: bytes) -> None:
        while data:
            data = data[os.write(fd, data):]

    # -- faults --

    def checkpoint(self, where: str, full_path: str = "") -> None:
        for index, fault in enumerate(self.faults):
            if self._strikes(fault, where) and self._claim(index, fault):
                self._suffer(fault, full_path)

    def _strikes(self, fault: dict, where: str) -> bool:
        return (fault.get("at", "begin") == where and fault.get("verb", self.verb) == self.verb
                and any(fault.get("match", "") in arg for arg in self.argv))

    def _claim(self, index: int, fault: dict) -> bool:
        """Count a bounded fault down; the count is shared by all processes of a test."""
        if "times" not in fault:
            return True
        name = self.state_file or os.environ.get(self.prefix + "_SCRIPT", "/dev/null") + ".counts"
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            counts = json.loads(file.read() or "{}")
            key = f"{index}:{json.dumps(fault, sort_keys=True)}"
            counts[key] = counts.get(key, 0) + 1
            file.truncate(0)
            file.write(json.dumps(counts))
            return counts[key] <= fault["times"]

    def _suffer(self, fault: dict, full_path: str) -> None:
        self.record("fault", fault=fault)
        if fault.get("ignore_term"):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if "truncate" in fault:
            self.budget = fault["truncate"]
        self.out(fault.get("stdout", ""))
        sys.stderr.write(fault.get("stderr", ""))
        sys.stderr.flush()
        time.sleep(fault.get("delay", 0))
        if fault.get("hang"):
            while True:
                signal.pause()
        if "signal" in fault:
            self.die(fault["signal"])
        if fault.get("kind") == "disk_full":
            from .gotext import Fatal
            raise Fatal(f"write {full_path or '/'}: no space left on device")
        if "exit" in fault:
            self.finish(fault["exit"])

    # -- the end --

    def die(self, number: int) -> None:
        self.record("call", exit=-number)
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
        signal.pause()

    def finish(self, status: int) -> None:
        self.record("call", exit=status)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def on_term(self) -> None:
        """A deadly signal shall not leave the call out of the record."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, _frame: self.die(got))

    def record(self, event: str, **more: object) -> None:
        """One line, in one write: many processes append to the same file."""
        name = os.environ.get(self.prefix + "_LOG", "")
        if not name:
            return
        chosen = {k: v for k, v in os.environ.items() if k in SELECTED or k.startswith(SELECTED_PREFIXES)}
        line = json.dumps({
            "event": event, "argv": self.argv, "verb": self.verb, "cwd": current_directory(), "pid": os.getpid(),
            "fds": self.fds,
            "env": chosen, "env_names": sorted(os.environ), "LIMA_HOME": os.environ.get("LIMA_HOME", ""),
            "seconds": round(time.time() - self.started, 3), **more}) + "\n"
        fd = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._write(fd, line.encode("utf-8", "surrogateescape"))
        finally:
            os.close(fd)
