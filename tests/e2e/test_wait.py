"""`claude-sandbox wait`: Claude in a pretended VM, whose sessions a test writes, and what is said of it."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Iterator

import pytest

from fakelab import FakeLab
from sandbox import FAILED, INTERRUPTED, USAGE, kill, until
from servers import Server

TIMED_OUT = 124     # claude-sandbox(1), EXIT STATUS
START = 2330032
STAT = "{pid} (claude) S 1 5 5 0 -1 4194304 1 0 0 0 11 12 0 0 20 0 13 0 {start} 1 2 3\n"


class WaitLab(FakeLab):
    """A project with a VM, whose /proc is the test's."""

    def __init__(self, cli: str) -> None:
        super().__init__(cli)
        self.env["FAKE_GUEST_PATHS"] = "/proc"
        self.sessions = self.guest / "home/.claude/sessions"
        self.sessions.mkdir(parents=True)
        (self.guest / "proc").mkdir()
        self.dir = self.project()
        self.make(self.dir).expect(0)

    def claude(self, status: str, pid: int = 40, start: int = START) -> None:
        """Such a process, and what it tells of itself; "" for nothing."""
        at = self.guest / f"proc/{pid}"
        at.mkdir(exist_ok=True)
        (at / "comm").write_text("claude\n")
        (at / "environ").write_bytes(b"HOME=/\0")
        (at / "stat").write_text(STAT.format(pid=pid, start=start))
        if status:
            told = {"pid": pid, "procStart": str(START), "kind": "interactive", "status": status}
            made = self.sessions / f".{pid}.tmp"
            made.write_text(json.dumps(told))
            made.rename(self.sessions / f"{pid}.json")

    def ends(self, pid: int = 40) -> None:
        (self.sessions / f"{pid}.json").unlink()
        (self.guest / f"proc/{pid}/stat").unlink()
        (self.guest / f"proc/{pid}/comm").unlink()

    def wait(self, goal: str, *more: str) -> int:
        """The exit status; nothing is said."""
        done = self.run("-d", self.dir, "wait", "--for", goal, *more)
        assert (done.out, done.err) == (b"", "")
        return done.status

    def looks(self) -> int:
        """How often the VM was asked."""
        return len([call for call in self.calls(log=self.ssh_log) if "sessions" in " ".join(call["argv"])])


@pytest.fixture
def lab(cli: str) -> Iterator[WaitLab]:
    made = WaitLab(cli)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("status, goals", [
    ("idle", {"idle", "input"}), ("shell", {"idle", "input"}), ("waiting", {"input"}), ("busy", set()), ("new", set()),
    ("", set())])
def test_what_is_so_already(lab: WaitLab, status: str, goals: set[str]) -> None:
    lab.claude(status)
    for goal in ("idle", "input", "exit"):
        assert lab.wait(goal, "--timeout", "1") == (0 if goal in goals else TIMED_OUT), goal
        assert lab.wait(goal, "--timeout", "0") == (0 if goal in goals else TIMED_OUT), goal


def test_no_session_is_no_work(lab: WaitLab) -> None:
    assert [lab.wait(goal) for goal in ("idle", "input", "exit")] == [0, 0, 0]
    lab.claude("busy", start=START + 1)     # of another process with that number: nothing is known of this one
    assert lab.wait("exit") == 0


def test_vm_that_does_not_run(lab: WaitLab) -> None:
    lab.claude("busy")
    lab.run("-d", lab.dir, "stop").expect(0)
    assert [lab.wait(goal) for goal in ("idle", "input", "exit")] == [0, 0, 0]


@pytest.mark.parametrize("goal, status", [("idle", "idle"), ("input", "waiting")])
def test_until_it_comes_true(lab: WaitLab, goal: str, status: str) -> None:
    """No event tells of it: as when the user presses Esc."""
    lab.claude("busy")
    lab.claude("idle", pid=41)
    running = lab.start("-d", lab.dir, "wait", "--for", goal, "--timeout", "1m")
    until(lambda: lab.looks() >= 2, "it looks again")
    assert running.process.poll() is None
    lab.claude(status)
    assert running.wait(30).status == 0


def test_until_it_ends(lab: WaitLab) -> None:
    lab.claude("idle")
    name = lab.row(lab.dir).name
    running = lab.start("wait", name, "--for", "exit")
    until(lambda: lab.looks() >= 2, "it looks again")
    lab.ends()
    assert running.wait(30).status == 0


@pytest.mark.parametrize("how", [("stop", "-f"), ("delete", "-f")])
def test_until_the_vm_is_gone(lab: WaitLab, how: tuple[str, ...]) -> None:
    lab.claude("busy")
    running = lab.start("-d", lab.dir, "wait")
    until(lambda: lab.looks() >= 1, "it looks")
    lab.run("-d", lab.dir, *how).expect(0)
    assert running.wait(30).status == 0


def test_with_a_server_and_without_it_again(lab: WaitLab) -> None:
    """It only tells sooner. What Claude says of itself counts, whoever claims the turn to be over."""
    server = Server(lab, "claude-hooks-server")
    try:
        pid = server.start()
        lab.claude("busy")
        running = lab.start("-d", lab.dir, "wait")
        until(lambda: lab.looks() >= 1, "it looks")
        socket = until(lambda: [*(lab.state / "run/hooks").glob("*.sock")], "the VM's socket is there")[0]
        for _ in range(3):
            before = lab.looks()
            done = subprocess.run(["curl", "-sf", "--unix-socket", socket, "-d", '{"hook_event_name": "Stop"}',
                                   "http://localhost/hook"], capture_output=True, timeout=30)
            assert done.returncode == 0
            until(lambda: lab.looks() > before, "it looks again")
        assert running.process.poll() is None
        kill(pid)
        before = lab.looks()
        until(lambda: lab.looks() > before + 1, "it goes on looking")
        lab.claude("idle")
        assert running.wait(30).status == 0
    finally:
        server.close()


def test_interrupt(lab: WaitLab) -> None:
    lab.claude("busy")
    running = lab.start("-d", lab.dir, "wait")
    until(lambda: lab.looks() >= 1, "it looks")
    running.signal(signal.SIGINT)
    done = running.wait(30)
    assert (done.status, done.out, done.err) == (INTERRUPTED, b"", "")


def test_what_it_says_when_asked_to(lab: WaitLab) -> None:
    done = lab.run("-v", "-d", lab.dir, "wait").expect(0)
    assert f"waiting until Claude in {lab.row(lab.dir).name} has finished its turn\n" in done.err


def test_words_that_are_none(lab: WaitLab) -> None:
    lab.run("wait", "--for", "ever").expect(USAGE, "--for ever")
    lab.run("wait", "--timeout", "soon").expect(USAGE, "--timeout soon")
    lab.run("wait", "a", "b").expect(USAGE, "one VM")
    lab.run("wait", "no-such-vm").expect(FAILED, "no-such-vm")
    lab.run("-d", lab.project("other"), "wait").expect(FAILED)
