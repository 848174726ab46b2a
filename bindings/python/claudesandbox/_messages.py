"""What Claude Code says while it works: the lines of its stream-json output."""
from __future__ import annotations

import dataclasses
import json
from typing import Any, Callable, Union

from . import _errors
from ._native import lib


@dataclasses.dataclass(frozen=True)
class TextBlock:
    """What Claude says."""

    text: str


@dataclasses.dataclass(frozen=True)
class ThinkingBlock:
    """What Claude thinks; may be ""."""

    thinking: str


@dataclasses.dataclass(frozen=True)
class ToolUseBlock:
    """A call of a tool."""

    id: str
    name: str
    input: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class ToolResultBlock:
    """What came of it."""

    tool_use_id: str
    text: str
    is_error: bool


@dataclasses.dataclass(frozen=True)
class OtherBlock:
    """Of a kind that is not known here."""

    type: str
    raw: dict[str, Any]


Block = Union[TextBlock, ThinkingBlock, ToolUseBlock, ToolResultBlock, OtherBlock]


@dataclasses.dataclass(frozen=True)
class Message:
    """One line. Of a kind that is not known here, unless it is one of the classes below.

    All of it is the machine's word, and may hold control characters.
    """

    type: str
    session_id: str
    raw: dict[str, Any] = dataclasses.field(repr=False)
    """All of it."""


@dataclasses.dataclass(frozen=True)
class SystemMessage(Message):
    """About the session; with the subtype "init" its begin."""

    subtype: str


@dataclasses.dataclass(frozen=True)
class AssistantMessage(Message):
    """From Claude: words, and calls of tools."""

    content: tuple[Block, ...]
    model: str
    parent_tool_use_id: str | None
    """Of the call that began the subagent it is from."""

    @property
    def text(self) -> str:
        """Its words, without all else."""
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))


@dataclasses.dataclass(frozen=True)
class UserMessage(Message):
    """To Claude: the results of tools, mostly."""

    content: tuple[Block, ...]
    parent_tool_use_id: str | None


@dataclasses.dataclass(frozen=True)
class ResultMessage(Message):
    """The last one."""

    subtype: str
    is_error: bool
    """Also where it ended because of the API; ``text`` says why."""
    text: str
    """Claude's last words."""
    num_turns: int
    duration_ms: int
    total_cost_usd: float


def text(raw: dict[str, Any], key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def number(raw: dict[str, Any], key: str) -> Any:
    value = raw.get(key)
    return value if isinstance(value, (int, float)) else 0


def words(content: Any) -> str:
    """Of a tool's result: text, or blocks with text among them."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(text(part, "text") for part in parts if isinstance(part, dict))


def block(raw: dict[str, Any]) -> Block:
    kind = text(raw, "type")
    if kind == "text":
        return TextBlock(text(raw, "text"))
    if kind == "thinking":
        return ThinkingBlock(text(raw, "thinking"))
    if kind == "tool_use":
        given = raw.get("input")
        return ToolUseBlock(text(raw, "id"), text(raw, "name"), given if isinstance(given, dict) else {})
    if kind == "tool_result":
        return ToolResultBlock(text(raw, "tool_use_id"), words(raw.get("content")), raw.get("is_error") is True)
    return OtherBlock(kind, raw)


def blocks(message: Any) -> tuple[Block, ...]:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return (TextBlock(content),)
    parts = content if isinstance(content, list) else []
    return tuple(block(part) for part in parts if isinstance(part, dict))


def parent(raw: dict[str, Any]) -> str | None:
    return text(raw, "parent_tool_use_id") or None


def assistant(common: tuple[str, str, dict[str, Any]]) -> Message:
    raw = common[2]
    message = raw.get("message")
    model = text(message, "model") if isinstance(message, dict) else ""
    return AssistantMessage(*common, content=blocks(message), model=model, parent_tool_use_id=parent(raw))


def user(common: tuple[str, str, dict[str, Any]]) -> Message:
    raw = common[2]
    return UserMessage(*common, content=blocks(raw.get("message")), parent_tool_use_id=parent(raw))


def system(common: tuple[str, str, dict[str, Any]]) -> Message:
    return SystemMessage(*common, subtype=text(common[2], "subtype"))


def result(common: tuple[str, str, dict[str, Any]]) -> Message:
    raw = common[2]
    return ResultMessage(
        *common, subtype=text(raw, "subtype"), is_error=raw.get("is_error") is True, text=text(raw, "result"),
        num_turns=number(raw, "num_turns"), duration_ms=number(raw, "duration_ms"),
        total_cost_usd=number(raw, "total_cost_usd"))


KINDS: dict[str, Callable[[tuple[str, str, dict[str, Any]]], Message]] = {
    "assistant": assistant, "user": user, "system": system, "result": result}


def parse(line: bytes) -> Message:
    """Raises ProtocolError for what is no JSON object."""
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict):
        raise _errors.make(lib.CSB_EPROTOCOL, f"Claude said what is no JSON object: {line[:200]!r}")
    common = text(raw, "type"), text(raw, "session_id"), raw
    make = KINDS.get(common[0])
    return make(common) if make else Message(*common)
