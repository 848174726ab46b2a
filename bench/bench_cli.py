"""What the command line itself costs: VMs, limactl, ssh and tmux are pretended, and take no time.

Our VM that runs is set up by the fakes of the tests; then bench/fake.c stands in their place, for they
are in Python and would be most of what is measured. The predecessor has the same fakes and the same VMs.
"""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator, Optional

from measure import HERE, OURS, THEIRS, Contestant, Lab, Table, Target, Took, in_turns

sys.path.insert(0, str(HERE.parent / "tests/e2e"))

from fakelab import TEMPLATE, FakeLab  # noqa: E402

STOP_MS = 1000
FEW_VMS = 10
COUNTS = {1: 5.0, 20: 5.0, 200: 10.0}
# What takes so little is measured more often.
TIMES = 4
NOTES = f"""\
Every limactl, ssh and tmux is a fake that answers at once ("fake limactl alone"); they are part of the figures.
Not so of "to exec", which ends when the last of them begins. The hooks servers of both are up then.
"largest size" is that of claude-sandbox; of the predecessor, of its Python. A limactl stop takes {STOP_MS} ms."""


class World:
    """One project with a VM that runs, one with a VM that does not, and as many more VMs as one likes."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.fakes = lab, FakeLab(str(lab.cli))
        # Sizes, as most templates have them: what these leave open, limactl is asked about.
        self.fakes.template.write_text(json.dumps({**TEMPLATE, "cpus": 4, "memory": "4GiB", "disk": "100GiB"}))
        program = lab.compile("fake")
        for name in ("limactl", "ssh", "tmux", "hostagent"):
            (lab.bin / name).symlink_to(program)
        self.clock = lab.scratch / "clock"
        self.running, self.stopped = (self.fakes.project(name) for name in ("running", "stopped"))
        for project in (self.running, self.stopped):
            self.fakes.make(project).expect(0)
        self.fakes.run("stop", cwd=self.stopped).expect(0)
        self.names = {project: self.fakes.row(project).name for project in (self.running, self.stopped)}
        path = f"{lab.bin}:/usr/bin:/bin"
        self.env = {**self.fakes.env, "PATH": path, "FAKE_CLOCK": str(self.clock), "FAKE_STOP_MS": str(STOP_MS)}
        self.theirs = {**self.env, "LIMA_HOME": str(self.fakes.lima_home)}
        self.agents: dict[str, subprocess.Popen[bytes]] = {}
        for project in self.names:
            (self.fakes.lima_home / f"claude-sandbox-{project.name}").mkdir()
        (self.fakes.lima_home / "claude-sandbox-running/ha.pid").write_text("0\n")

    # -- VMs --

    def add(self, name: str) -> None:
        """Another, as the one that is stopped."""
        model = self.names[self.stopped]
        record = json.loads((self.fakes.state / f"vms/{model}.json").read_text())
        project = str(self.fakes.project(name))
        record["mounts"] = [{**m, **({"host": project, "guest": project} if m["host"] == record["project_dir"] else {})}
                            for m in record["mounts"]]
        record.update(name=name, project_dir=project)
        (self.fakes.state / f"vms/{name}.json").write_text(json.dumps(record, indent=1))
        shutil.copytree(self.fakes.lima_home / model, self.fakes.lima_home / name)

    def remove(self, name: str) -> None:
        (self.fakes.state / f"vms/{name}.json").unlink()
        shutil.rmtree(self.fakes.lima_home / name)

    @contextlib.contextmanager
    def more(self, count: int) -> Iterator[list[str]]:
        names = [f"claude-sandbox-more-{i:08x}" for i in range(count)]
        for name in names:
            self.add(name)
        try:
            yield names
        finally:
            for name in names:
                self.remove(name)

    @contextlib.contextmanager
    def without(self, project: Path) -> Iterator[None]:
        """As if this project had no VM, for either of the two."""
        hidden = [self.fakes.state / f"vms/{self.names[project]}.json", self.fakes.lima_home / self.names[project],
                  self.fakes.lima_home / f"claude-sandbox-{project.name}"]
        for path in hidden:
            path.rename(self.lab.scratch / path.name)
        try:
            yield
        finally:
            for path in hidden:
                (self.lab.scratch / path.name).rename(path)

    def begin(self, names: list[str]) -> None:
        """They run, as far as anybody can see."""
        for name in names:
            pid_file = self.fakes.lima_home / name / "ha.pid"
            self.agents[name] = subprocess.Popen(["hostagent", "--pidfile", pid_file, name],
                                                 executable=self.lab.bin / "hostagent")
            pid_file.write_text(f"{self.agents[name].pid}\n")

    def reap(self) -> int:
        """How many still ran; then none does."""
        left = 0
        for agent in self.agents.values():
            try:
                agent.wait(5)
            except subprocess.TimeoutExpired:
                left += 1
                agent.kill()
                agent.wait()
        self.agents.clear()
        return left

    # -- contestants --

    def both(self, cwd: Path, *argv: str, ours: Optional[tuple[str, ...]] = None) -> list[Contestant]:
        found = [Contestant(OURS, [self.lab.cli, *(argv if ours is None else ours)], self.env, cwd)]
        if self.lab.predecessor:
            found.append(Contestant(THEIRS, [self.lab.predecessor / "claude-sandbox", *argv], self.theirs, cwd))
        return found

    # -- the end --

    def close(self) -> None:
        self.reap()
        subprocess.run([self.lab.cli.parent / "claude-hooks-server", "stop"], env=self.env, check=False,
                       stdout=subprocess.DEVNULL)
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.fakes.home / ".claude-sandbox/claude-hooks-server.pid").read_text()), signal.SIGTERM)
        self.fakes.close()


def walls(took: dict[str, list[Took]]) -> dict[str, list[float]]:
    return {name: [one.wall_ms for one in found] for name, found in took.items()}


def quick(world: World, table: Table, times: int, peaks: dict[str, float]) -> None:
    """status, stop and --help, beside ever more VMs."""
    for count, most in COUNTS.items():
        with world.without(world.running), world.more(count - 1):
            for verb in ("status", "stop", "--help"):
                took = world.lab.race(world.both(world.stopped, verb), times, warm_ups=3)
                table.add(f"{verb}, {count} VM{'s' if count > 1 else ''}", "ms", walls(took), Target(most=most),
                          Target(times=10, than=THEIRS))
                note_peaks(took, peaks)


def note_peaks(took: dict[str, list[Took]], peaks: dict[str, float]) -> None:
    for name, found in took.items():
        peaks[name] = max([peaks.get(name, 0.0), *(one.peak_mib for one in found)])


def to_exec(world: World, table: Table, times: int, peaks: dict[str, float]) -> None:
    """From our beginning to that of the ssh (or limactl shell, or tmux) with the program in it."""
    for what, theirs in (("claude", ("--", "-p", "hello")), ("shell", ("shell",))):
        mine = ("-q", "--", "-p", "hello") if what == "claude" else ("-q", "shell", "--", "true")
        ms: dict[str, list[float]] = {}
        took: dict[str, list[Took]] = {}

        def run(one: Contestant) -> None:
            world.clock.unlink(missing_ok=True)
            found = world.lab.timed(one.argv, {**one.env, "CLAUDE_SANDBOX_HOOKS": ""}, one.cwd)
            first = min(map(int, world.clock.read_text().split()))
            ms.setdefault(one.name, []).append((first - found.begun_ns) / 1e6)
            took.setdefault(one.name, []).append(found)

        in_turns(world.both(world.running, *theirs, ours=mine), times + 3, run)
        table.add(f"{what} in a running VM, to exec", "ms", {name: found[3:] for name, found in ms.items()},
                  Target(most=10), Target(times=10, than=THEIRS))
        note_peaks(took, peaks)


def stop_all(world: World, table: Table, peaks: dict[str, float]) -> None:
    took: dict[str, list[Took]] = {}

    def run(one: Contestant) -> None:
        world.begin(names)
        time.sleep(0.2)
        took.setdefault(one.name, []).append(world.lab.timed(one.argv, one.env, one.cwd))
        left = world.reap()
        if left:
            raise SystemExit(f"bench: {one.name} stop-all left {left} VMs")

    with world.without(world.running), world.more(FEW_VMS) as names:
        in_turns(world.both(world.stopped, "stop-all"), world.lab.rounds, run)
    table.add(f"stop-all of {FEW_VMS} VMs, {STOP_MS / 1000:g} s each", "ms", walls(took), Target(most=1500))
    note_peaks(took, peaks)


def measure(lab: Lab) -> Table:
    table = Table([OURS, *([THEIRS] if lab.predecessor else [])], NOTES)
    times, peaks = TIMES * lab.rounds, {}
    world = World(lab)
    try:
        alone = lab.race([Contestant("fake", [lab.bin / "limactl", "list", "--format", "{{.Name}} {{.Status}}"],
                                     world.theirs, world.stopped)], times)["fake"]
        table.add("fake limactl alone", "ms", {OURS: [one.wall_ms for one in alone]})
        quick(world, table, times, peaks)
        to_exec(world, table, times, peaks)
        stop_all(world, table, peaks)
    finally:
        world.close()
    table.add("largest size of any of these", "MiB", {name: [value] for name, value in peaks.items()}, Target(most=8))
    return table
