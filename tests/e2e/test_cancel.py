"""csb_ctx_cancel() from another thread, at the worst moments of each call that takes long.

The engine is the pretended one: it hangs where the test wants it to, and the cancel comes when it does. From a
signal handler it is the command line that cancels: test_fake_lima.py.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Iterator

import pytest

from fakelab import BASE, FakeLab
from sandbox import FAILED, kill, until

ECANCELED = -14
HANG = {"hang": True}
# The call, the program that hangs, in which of its verbs, and where in it.
MOMENTS = [
    ("create", "limactl", "list", "begin"), ("create", "limactl", "create", "begin"),
    ("create", "limactl", "create", "copy"), ("create", "limactl", "create", "end"),
    ("clone", "limactl", "list", "begin"), ("clone", "limactl", "clone", "begin"),
    ("clone", "limactl", "clone", "copy"), ("clone", "limactl", "clone", "end"),
    ("start", "limactl", "list", "begin"), ("start", "limactl", "start", "begin"),
    ("start", "limactl", "start", "boot"), ("start", "limactl", "start", "end"),
    ("start", "ssh", "exec", "begin"), ("start", "ssh", "exec", "boot"),
    ("stop", "limactl", "list", "begin"), ("stop", "limactl", "stop", "begin"),
    ("delete", "limactl", "list", "begin"), ("delete", "limactl", "delete", "begin"),
    ("rename", "limactl", "list", "begin"),     # once it has begun, it is carried out
    ("configure", "limactl", "list", "begin"),
    ("list", "limactl", "list", "begin"),
    ("execute", "ssh", "exec", "begin"), ("execute", "ssh", "exec", "boot"),
    ("spawn", "ssh", "exec", "begin"),
]
SLEEP = f"sleep 3111.{os.getpid()}"      # nobody else's
NEEDS_RUNNING = ("stop", "execute", "spawn")


@pytest.fixture
def lab(cli: str) -> Iterator[FakeLab]:
    made = FakeLab(cli)
    try:
        yield made
    finally:
        made.close()


class World:
    """What there is, as far as a cancelled call must leave it alone."""

    def __init__(self, lab: FakeLab) -> None:
        self.machines = {name: lab.status(name) for name in sorted(lab.instances())}
        self.records = lab.records()
        self.files = sorted(str(p.relative_to(lab.state)) for p in lab.state.rglob("*")
                            if p.suffix not in (".lock", ".log") and "lima" not in p.relative_to(lab.state).parts
                            and not p.is_socket() and p.name != "locks")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, World) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return repr(vars(self))


def arguments(lab: FakeLab, call: str, name: str) -> tuple[str, dict[str, Any]]:
    if call == "create":
        return "create", {"project": str(lab.project("new")), "template": str(lab.template)}
    if call == "clone":
        return "create", {"project": str(lab.project("new")), "base": BASE}
    more = {"rename": {"to": "other"}, "configure": {"cpus": 3}, "list": {},
            "execute": {"argv": ["true"]}, "spawn": {"argv": ["true"]}}.get(call, {})
    return call, {} if call == "list" else {"name": name, **more}


@pytest.mark.parametrize("call, program, verb, at", MOMENTS, ids=lambda word: word)
def test_cancelled(lab: FakeLab, call: str, program: str, verb: str, at: str) -> None:
    lab.foreign(BASE)
    lab.make(lab.project("mine")).expect(0)
    name = lab.row(lab.project("mine")).name
    if call not in NEEDS_RUNNING:
        lab.run("stop", name).expect(0)
    before = World(lab)
    lab.faults({"verb": verb, "at": at, **HANG}, program=program)
    log = lab.log if program == "limactl" else lab.ssh_log
    function, given = arguments(lab, call, name)
    answer = lab.library(function, cancel_when=str(log), **given)
    assert answer.get("code") == ECANCELED, answer
    lab.faults()
    lab.faults(program="ssh")
    assert lab.orphans() == []
    assert World(lab) == before
    # It ended one call, and not the next.
    again = lab.library(function, **given)
    assert "ok" in again, again


def program_pids(lab: FakeLab) -> dict[int, str]:
    return {pid: words for pid, words in lab.holding(SLEEP).items() if words == SLEEP}


def test_cancelled_while_the_program_runs(lab: FakeLab, tmp_path: Path) -> None:
    lab.make(lab.project()).expect(0)
    up = tmp_path / "up"
    script = f"{SLEEP} & echo '\"fault\"' >'{up}'; wait"
    answer = lab.library("execute", name=lab.row(lab.project()).name, argv=["sh", "-c", script], cancel_when=str(up))
    assert answer.get("code") == ECANCELED, answer
    assert program_pids(lab) == {}


# ---- programs that run beside us, over an ssh that is not one ------------------------------------------------

def test_the_host_is_killed(lab: FakeLab) -> None:
    """Its program gets SIGHUP; one that does not mind that, SIGTERM or SIGKILL."""
    project = lab.project()
    lab.make(project).expect(0)
    running = lab.start("-d", project, "-t", lab.template, "shell", "--", "sh", "-c",
                        f"trap '' HUP TERM; echo >up; {SLEEP}")
    until((project / "up").exists, "the program runs")
    assert program_pids(lab)
    running.kill()
    until(lambda: not program_pids(lab), "no orphan")
    until(lambda: not clients(lab), "no session")


def clients(lab: FakeLab) -> dict[int, str]:
    """The ssh of each program, with its keeper in it or without, and of each keeper."""
    return {pid: words for pid, words in lab.holding(lab.root).items()
            if "fakes/ssh" in words and ("shm/.csb-" in words or " keeper host " in words)}


@pytest.mark.parametrize("which", ["keeper", "program"])
def test_a_session_breaks(lab: FakeLab, which: str) -> None:
    """Be it that of the program or that of its keeper: the program is not left alone."""
    project = lab.project()
    lab.make(project).expect(0)
    running = lab.start("-d", project, "-t", lab.template, "shell", "--", "sh", "-c", f"echo >up; {SLEEP}")
    until((project / "up").exists, "the program runs")
    victims = [pid for pid, words in clients(lab).items() if ("while read -r s" in words) == (which == "keeper")]
    assert len(clients(lab)) == 2 and len(victims) == 1, clients(lab)
    kill(victims[0])
    running.wait().expect(FAILED, "the connection to the VM broke" if which == "keeper" else "ssh was ended by signal 9")
    until(lambda: not program_pids(lab), "no orphan")


def test_spawned(lab: FakeLab) -> None:
    lab.make(lab.project()).expect(0)
    name = lab.row(lab.project()).name
    answer = lab.library("spawn", name=name, argv=["sh", "-c", "cat; echo done >&2; exit 9"], stdin="é", times=200_000)
    assert answer.get("ok") == {"status": 9, "out": "é" * 200_000, "err": "done\n"}
    answer = lab.library("spawn", name=name, argv=["sh", "-c", f"echo up; exec {SLEEP}"], signo=int(signal.SIGTERM))
    assert (answer["ok"]["status"], answer["ok"]["out"]) == (143, "up\n")
