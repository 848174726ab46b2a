"""How long the main thread may wait in C, where signal handlers are not run."""
from __future__ import annotations

import math
import threading

SLICE = 0.05


def seconds(left: float | None) -> float | None:
    """How long to wait at once, of what is left.

    A signal may be delivered to any thread of the process, or in the moment before the main thread begins to
    wait; neither wakes it. So it looks from time to time.
    """
    if threading.current_thread() is threading.main_thread():
        return SLICE if left is None else min(left, SLICE)
    return None if left == math.inf else left


def milliseconds(left: float | None) -> int | None:
    """The same for poll()."""
    now = seconds(left)
    return None if now is None else math.ceil(now * 1000)
