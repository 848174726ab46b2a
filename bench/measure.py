"""What the benchmarks share: a scratch directory with fakes, turns, medians and the table."""
from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Optional

HERE = Path(__file__).resolve().parent
OURS = "claude-sandbox"
THEIRS = "predecessor"


class Table:
    """Rows of one measure each: what was measured, its unit, and the values of each contestant."""

    def __init__(self, contestants: list[str], notes: str = "") -> None:
        self.contestants, self.notes = contestants, notes
        self.rows: list[tuple[str, str, dict[str, list[float]]]] = []

    def add(self, work: str, unit: str, values: dict[str, list[float]]) -> None:
        self.rows.append((work, unit, values))

    def text(self) -> str:
        others = self.contestants[1:]
        heads = ["work", "unit", *self.contestants, *(f"ours / {name}" for name in others)]
        lines = [heads, ["---"] * len(heads)]
        for work, unit, values in self.rows:
            middle = {name: statistics.median(found) for name, found in values.items() if found}
            cells = [shown(values.get(name, [])) for name in self.contestants]
            ours = middle.get(self.contestants[0])
            ratios = [f"{ours / middle[name]:.2f}" if ours is not None and middle.get(name) else "" for name in others]
            lines.append([work, unit, *cells, *ratios])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + (f"\n\n{self.notes}" if self.notes else "")

    def as_json(self) -> list[dict[str, Any]]:
        return [{"work": work, "unit": unit, "values": values} for work, unit, values in self.rows]


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
