"""Clones and starts on Lima beside limactl's own, of the same guest; only where limactl is found.

The base is a stopped VM in LIMA_HOME, named by CLAUDE_SANDBOX_TEST_LIMA_BASE as for the end-to-end tests.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Optional

from measure import HERE, OURS, Lab, Table, Target, in_turns

sys.path.insert(0, str(HERE.parent / "tests/e2e"))

from engines import HANDED_ON  # noqa: E402
from sandbox import Sandbox  # noqa: E402

BASE = "CLAUDE_SANDBOX_TEST_LIMA_BASE"
LIMACTL = "limactl"
NAME = "csb-bench"
Work = Callable[[], float]     # how many ms
NOTES = """\
"to first command" is `limactl clone`, `limactl start` and `limactl shell`, beside one command of ours, which also
shares the project. A clone is all of `limactl clone`, beside all of `claude-sandbox fork` of a VM that was made from
the same base before. A base of which claude-sandbox has made copies is small, and `limactl clone` as quick as ours."""


class Bench:
    def __init__(self, lab: Lab, limactl: str, base: str) -> None:
        self.lab, self.limactl, self.base, self.count = lab, limactl, base, 0
        handed_on = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
        handed_on.setdefault("LIMA_HOME", os.path.expanduser("~/.lima"))
        self.sandbox = Sandbox(str(lab.cli), CLAUDE_SANDBOX_ENGINE="lima", CLAUDE_SANDBOX_BASE_VM=base, **handed_on)
        self.env = self.sandbox.env
        # Only of a VM of our own do we make a copy without copying; and what is done once, with the first, is no clone.
        self.model = self.sandbox.library("create", project=self.project(), base=base)["ok"]
        self.env["CLAUDE_SANDBOX_BASE_VM"] = self.model
        self.our_clone()

    def ask(self, *argv: str) -> float:
        """limactl, from fork to exit, in ms."""
        return self.lab.timed([self.limactl, "--tty=false", *argv], self.env, self.sandbox.root).wall_ms

    def ours(self, *argv: str) -> float:
        return self.lab.timed([self.lab.cli, "-q", *argv], self.env, self.sandbox.projects).wall_ms

    def project(self) -> str:
        self.count += 1
        return str(self.sandbox.project(f"project {self.count}"))

    def forget(self, project: str) -> None:
        self.sandbox.run("-d", project, "delete", "-f", seconds=300).expect(0)

    # -- the work --

    def our_clone(self) -> float:
        project = self.project()
        took = self.ours("-d", project, "fork", self.model)
        self.forget(project)
        return took

    def their_clone(self) -> float:
        took = self.ask("clone", self.base, NAME)
        self.ask("delete", "-f", NAME)
        return took

    def our_start(self) -> float:
        project = self.project()
        took = self.ours("-d", project, "shell", "--", "true")
        self.forget(project)
        return took

    def their_start(self) -> float:
        took = self.ask("clone", self.base, NAME) + self.ask("start", NAME) + self.ask("shell", NAME, "true")
        self.ask("delete", "-f", NAME)
        return took

    def turns(self, ours: Work, theirs: Work, times: int, unit: float = 1.0) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {OURS: [], LIMACTL: []}
        in_turns([(OURS, ours), (LIMACTL, theirs)], times, lambda who: found[who[0]].append(who[1]() / unit))
        return found

    def close(self) -> None:
        names = list(self.sandbox.records())
        if names:
            self.sandbox.run("delete", "-f", *names, seconds=300)
        subprocess.run([self.limactl, "delete", "-f", NAME], env=self.env, capture_output=True, check=False)
        self.sandbox.close()


def running(bench: Bench, table: Table) -> None:
    """One VM that runs, asked by both: it is ours, and limactl knows it as well."""
    project = bench.project()
    bench.ours("-d", project, "shell", "--", "true")
    name = bench.sandbox.row(Path(project)).name
    took = bench.turns(lambda: bench.ours("-d", project, "shell", "--", "true"),
                       lambda: bench.ask("shell", "--workdir", "/", name, "true"), 4 * bench.lab.rounds)
    table.add("`true` in a running VM", "ms", took, Target(times=3, than=LIMACTL))
    bench.forget(project)


def why_not() -> Optional[str]:
    if not shutil.which(LIMACTL):
        return "limactl is not on PATH"
    return None if os.environ.get(BASE) else f"{BASE} is not set: the name of a stopped VM in LIMA_HOME"


def measure(lab: Lab) -> Table:
    reason = why_not()
    if reason:
        return Table([OURS, LIMACTL], f"Not measured: {reason}.")
    table = Table([OURS, LIMACTL], NOTES)
    bench = Bench(lab, str(shutil.which(LIMACTL)), os.environ[BASE])
    try:
        table.add("clone", "ms", bench.turns(bench.our_clone, bench.their_clone, lab.rounds), Target(most=60),
                  Target(times=25, than=LIMACTL))
        table.add("new project to first command, Lima", "s",
                  bench.turns(bench.our_start, bench.their_start, lab.rounds, 1000.0))
        running(bench, table)
    finally:
        bench.close()
    return table
