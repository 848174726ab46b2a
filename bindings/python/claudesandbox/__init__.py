"""Virtual machines of their own for AI coding agents.

>>> import claudesandbox as cs
>>> with cs.Context(state_dir=tmp_path / "state") as ctx:
...     ctx.vms()
[]
"""
from ._context import Context, Engine, Leftover, version
from ._convert import parse_size
from ._errors import (
    BusyError, CanceledError, EngineError, Error, ExistsError, InvalidArgumentError, NoEngineError, NotFoundError,
    NotSupportedError, OutOfMemoryError, ProtocolError, StateError, StoppedError, SystemCallError, TimedOutError)
from ._vm import VM, Mount, Options, Port, State

__version__ = version()
__all__ = [
    "VM", "BusyError", "CanceledError", "Context", "Engine", "EngineError", "Error", "ExistsError",
    "InvalidArgumentError", "Leftover", "Mount", "NoEngineError", "NotFoundError", "NotSupportedError", "Options",
    "OutOfMemoryError", "Port", "ProtocolError", "State", "StateError", "StoppedError", "SystemCallError",
    "TimedOutError", "parse_size", "version"]
