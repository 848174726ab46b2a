"""What the benchmarks share: a scratch directory with fakes, turns, medians and the table."""
from __future__ import annotations

import dataclasses
import functools
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Optional, Sequence, TypeVar, Union

HERE = Path(__file__).resolve().parent
OURS = "claude-sandbox"
THEIRS = "predecessor"
T = TypeVar("T")


Values = dict[str, list[float]]


@dataclasses.dataclass(frozen=True)
class Target:
    """What our median should be: at most so much, at most so much more than somebody else's, so many times below it."""

    most: Optional[float] = None
    times: float = 0
    than: str = ""
    above: Optional[float] = None

    def __str__(self) -> str:
        if self.most is not None:
            return f"<= {self.most:g}"
        return f">= {self.times:g}x {self.than}" if self.times else f"<= {self.than} + {self.above:g}"

    def is_met(self, ours: float, middle: dict[str, float]) -> Optional[bool]:
        """None when whom it speaks of did not take part."""
        if self.most is not None:
            return ours <= self.most
        if self.than not in middle:
            return None
        theirs = middle[self.than]
        return ours * self.times <= theirs if self.times else ours <= theirs + (self.above or 0)


@dataclasses.dataclass
class Row:
    work: str
    unit: str
    values: Values
    targets: tuple[Target, ...] = ()

    def middle(self) -> dict[str, float]:
        return {name: statistics.median(found) for name, found in self.values.items() if found}

    def met(self, ours: str) -> list[Optional[bool]]:
        middle = self.middle()
        return [target.is_met(middle[ours], middle) if ours in middle else None for target in self.targets]


class Table:
    """Rows of one measure each: what was measured, its unit, the values of each contestant, and what was hoped for."""

    def __init__(self, contestants: list[str], notes: str = "") -> None:
        self.contestants, self.notes = contestants, notes
        self.rows: list[Row] = []

    def add(self, work: str, unit: str, values: Values, *targets: Target) -> None:
        self.rows.append(Row(work, unit, values, targets))

    def text(self) -> str:
        others = self.contestants[1:]
        hopes = ["target", "met"] if any(row.targets for row in self.rows) else []
        heads = ["work", "unit", *self.contestants, *(f"ours / {name}" for name in others), *hopes]
        lines = [heads, ["---"] * len(heads), *(self._line(row, bool(hopes)) for row in self.rows)]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + (f"\n\n{self.notes}" if self.notes else "")

    def _line(self, row: Row, has_targets: bool) -> list[str]:
        middle = row.middle()
        ours = middle.get(self.contestants[0])
        cells = [shown(row.values.get(name, [])) for name in self.contestants]
        ratios = [f"{ours / middle[name]:.2g}" if ours is not None and middle.get(name) else ""
                  for name in self.contestants[1:]]
        met = [{True: "yes", False: "NO", None: "?"}[one] for one in row.met(self.contestants[0])]
        hopes = ["; ".join(map(str, row.targets)), "; ".join(met)] if has_targets else []
        return [row.work, row.unit, *cells, *ratios, *hopes]

    def as_json(self) -> list[dict[str, Any]]:
        return [{"work": row.work, "unit": row.unit, "values": row.values, "targets": list(map(str, row.targets)),
                 "met": row.met(self.contestants[0])} for row in self.rows]


def shown(values: list[float]) -> str:
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.4g}"
    return f"{statistics.median(values):.4g} [{min(values):.4g}-{max(values):.4g}]"


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.02)
    return value


@dataclasses.dataclass
class Took:
    """What a run of a program took: bench/timed.c."""

    begun_ns: int
    wall_ms: float
    cpu_ms: float
    peak_kib: int
    status: int

    @property
    def peak_mib(self) -> float:
        return self.peak_kib / 1024


Argv = Sequence[Union[str, Path]]


@dataclasses.dataclass
class Contestant:
    name: str
    argv: Argv
    env: dict[str, str]
    cwd: Path
    status: int = 0     # what it should end with


def in_turns(contestants: Sequence[T], times: int, work: Callable[[T], None]) -> None:
    """Each does it so often; who begins changes, so that nobody always comes after the same one."""
    for turn in range(times):
        for one in contestants if turn % 2 == 0 else contestants[::-1]:
            work(one)


@dataclasses.dataclass
class Lab:
    cli: Path
    predecessor: Optional[Path]
    rounds: int
    scratch: Path

    def __post_init__(self) -> None:
        self.bin = self.scratch / "bin"
        self.bin.mkdir()
        self.state = self.scratch / "state"
        self.env = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.scratch), "LANG": "C.UTF-8", "TERM": "dumb",
                    "USER": os.environ.get("USER", "bench"), "CLAUDE_SANDBOX_HOME": str(self.state),
                    "CLAUDE_SANDBOX_HOOKS": "0", "CLAUDE_SANDBOX_TMUX": "0",
                    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}

    def compile(self, name: str, source: str = "", *flags: str) -> Path:
        """From bench/NAME.c, or from the text that is given."""
        target, path = self.bin / name, HERE / f"{name}.c"
        if source:
            path = self.scratch / f"{name}.c"
            path.write_text(source)
        subprocess.run(["cc", "-O2", "-o", target, path, *flags], check=True)
        return target

    @functools.cached_property
    def timer(self) -> Path:
        return self.compile("timed")

    def timed(self, argv: Argv, env: dict[str, str], cwd: Path, stdin: Any = subprocess.DEVNULL, status: int = 0) -> Took:
        """One run, from fork to exit, which must end as expected; what it says goes nowhere."""
        told, said = self.scratch / "timed.txt", self.scratch / "said.txt"
        told.unlink(missing_ok=True)
        with said.open("wb") as out:
            subprocess.run([self.timer, told, *argv], env=env, cwd=cwd, stdin=stdin, stdout=out, stderr=out, check=False)
        begun, wall, cpu, peak, ended = told.read_text().split()
        if int(ended) != status:
            raise SystemExit(f"bench: status {ended} of {' '.join(map(str, argv))}\n{said.read_text(errors='replace')[-2000:]}")
        return Took(int(begun), float(wall), float(cpu), int(peak), int(ended))

    def race(self, contestants: Sequence[Contestant], times: int, warm_ups: int = 1) -> dict[str, list[Took]]:
        """The same work by each in turn, so often; what the first times take, with cold caches, is not counted."""
        took: dict[str, list[Took]] = {one.name: [] for one in contestants}

        def run(one: Contestant) -> None:
            took[one.name].append(self.timed(one.argv, one.env, one.cwd, status=one.status))

        in_turns(contestants, times + warm_ups, run)
        return {name: found[warm_ups:] for name, found in took.items()}
