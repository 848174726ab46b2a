"""Virtual machines of their own for AI coding agents.

>>> import claudesandbox as cs
>>> with cs.Context(state_dir=tmp_path / "state") as ctx:
...     ctx.vms()
[]
"""
from ._aio import AsyncContext, AsyncProcess, AsyncVM
from ._claude import Claude, ClaudeError
from ._context import Context, Engine, Leftover, version
from ._convert import parse_size
from ._errors import (
    BusyError, CanceledError, EngineError, Error, ExistsError, InvalidArgumentError, NoEngineError, NotFoundError,
    NotSupportedError, OutOfMemoryError, ProtocolError, StateError, StoppedError, SystemCallError, TimedOutError)
from ._hooks import Event, Hooks
from ._messages import (
    AssistantMessage, Block, Message, OtherBlock, ResultMessage, SystemMessage, TextBlock, ThinkingBlock,
    ToolResultBlock, ToolUseBlock, UserMessage)
from ._process import Process
from ._vm import VM, Activity, Mount, Port, State

__version__ = version()
__all__ = [
    "Activity", "AssistantMessage", "AsyncContext", "AsyncProcess", "AsyncVM", "Block", "BusyError", "CanceledError",
    "Claude", "ClaudeError", "Context", "Engine", "EngineError", "Error", "Event", "ExistsError", "Hooks",
    "InvalidArgumentError", "Leftover", "Message", "Mount", "NoEngineError", "NotFoundError",
    "NotSupportedError", "OtherBlock", "OutOfMemoryError", "Port", "Process", "ProtocolError", "ResultMessage",
    "State", "StateError", "StoppedError", "SystemCallError", "SystemMessage", "TextBlock", "ThinkingBlock",
    "TimedOutError", "ToolResultBlock", "ToolUseBlock", "UserMessage", "VM", "parse_size", "version"]
