"""The few yq expressions that go into ``limactl clone --set``.

Assignments (``=`` and ``+=``) and ``del`` on a path, joined by ``|``.  A value is a JSON literal or a
parenthesised pipe through ``@base64d`` and ``@jsond``, the form that carries any text unharmed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re


class YqError(Exception):
    """An expression that yq refuses, or one the fake does not know (it says so)."""


_ASSIGNMENT = re.compile(r"(\.[^=|]*?)\s*(\+=|=)(?!=)\s*(.*)\Z", re.S)
_DELETION = re.compile(r"del\(\s*(\..*)\)\s*\Z", re.S)
_STEP = re.compile(r"""\.?\["((?:[^"\\]|\\.)*)"\]|\.?\[(-?[0-9]+)\]|\.([A-Za-z0-9_-]+)|\."((?:[^"\\]|\\.)*)\"""")


def evaluate(expression: str, document: dict) -> dict:
    """A changed copy of the document."""
    result = json.loads(json.dumps(document))
    for part in split(expression, "|"):
        apply(part, result)
    return result


def split(text: str, separator: str) -> list[str]:
    """At separators that stand outside of quotes and brackets."""
    parts, depth, quoted, start = [], 0, False, 0
    for at, char in enumerate(text):
        if quoted:
            quoted = char != '"' or text[at - 1] == "\\"
        elif char == '"':
            quoted = True
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    if quoted or depth:
        raise YqError(f"bad expression - probably missing close bracket or quote: {text}")
    return [part.strip() for part in parts + [text[start:]]]


def apply(part: str, document: dict) -> None:
    deletion = _DELETION.match(part)
    if deletion:
        *parents, last = path(deletion[1])
        holder = walk(document, parents)
        if isinstance(holder, dict):
            holder.pop(last, None)
        return
    assignment = _ASSIGNMENT.match(part)
    if not assignment:
        raise YqError(f"the fake limactl does not know the expression: {part}")
    steps, operator, value = path(assignment[1]), assignment[2], assignment[3]
    if not value or value.startswith("="):
        raise YqError(f"'{operator}' expects 2 args but there is 1")
    assign(document, steps, operator, literal(value))


def assign(document: dict, steps: list, operator: str, value: object) -> None:
    if not steps:
        raise YqError("the fake limactl does not replace whole documents")
    holder = walk(document, steps[:-1])
    if operator == "+=":
        value = add(holder.get(steps[-1]) if isinstance(holder, dict) else holder[steps[-1]], value)
    holder[steps[-1]] = value


def add(old: object, new: object) -> object:
    if old is None:
        return new
    if isinstance(old, list):
        return old + (new if isinstance(new, list) else [new])
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **new}
    return old + new


def path(text: str) -> list:
    """.a.b["c d"][0] as a list of keys and indices."""
    steps, at, text = [], 0, text.strip()
    if text == ".":
        return steps
    while at < len(text):
        match = _STEP.match(text, at)
        if not match:
            raise YqError(f"lexer: invalid input text {json.dumps(text[at:])}")
        quoted, index, plain, dotted = match.groups()
        steps.append(int(index) if index is not None else plain if plain is not None else
                     json.loads(f'"{quoted if quoted is not None else dotted}"'))
        at = match.end()
    return steps


def walk(value: object, steps: list) -> object:
    """Down to a holder, making the maps on the way as yq does."""
    for step in steps:
        if isinstance(value, dict):
            if value.get(step) is None:
                value[step] = {}
            value = value[step]
        else:
            value = value[step]
    return value


def literal(text: str) -> object:
    if text.startswith("(") and text.endswith(")"):
        return piped(split(text[1:-1], "|"))
    try:
        return json.loads(text, strict=False)
    except ValueError:
        raise YqError(f"lexer: invalid input text {json.dumps(text)}") from None


def piped(parts: list[str]) -> object:
    value = literal(parts[0])
    for decoder in parts[1:]:
        try:
            if decoder == "@base64d":
                value = base64.b64decode(str(value), validate=True).decode()
            elif decoder in ("@jsond", "from_json"):
                value = json.loads(str(value))
            else:
                raise YqError(f"the fake limactl does not know the decoder {decoder}")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise YqError(f"illegal base64 data: {error}") from None
        except json.JSONDecodeError as error:
            raise YqError(f"bad JSON in @jsond: {error}") from None
    return value
