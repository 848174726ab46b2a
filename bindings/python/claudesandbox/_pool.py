"""Handles for programs: each needs one of its own while it runs, since a handle serves one call at a time."""
from __future__ import annotations

import threading
from typing import Any

from ._convert import encoded
from ._lane import Lane, Settings
from ._native import ffi, lib

MOST = 4


class Pool:
    """Handles of one machine, known to have run; opening one asks the engine, which takes its time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._idle: list[Lane] = []

    def take(self) -> Lane:
        with self._lock:
            return self._idle.pop() if self._idle else Lane(self._settings)

    def give_back(self, lane: Lane) -> None:
        with self._lock:
            if len(self._idle) < MOST and not lane.is_closed:
                self._idle.append(lane)
                return
        lane.close()

    def drop(self) -> None:
        """What they know of the machine is not true any more."""
        with self._lock:
            idle, self._idle = self._idle, []
        for lane in idle:
            lane.close()


def opened(lane: Lane, name: str, err: Any) -> int:
    """Within a call on the lane: it has a handle of the machine."""
    if lane.vm != ffi.NULL:
        return 0
    made = ffi.new("csb_vm **")
    code: int = lib.csb_vm_open(lane.ctx, encoded(name), made, err)
    if code == 0:
        lane.vm = made[0]
    return code
