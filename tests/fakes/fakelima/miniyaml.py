"""As much YAML as instance files and hand-written templates need.

JSON is tried first, since that is what libclaudesandbox writes.  Then a small parser for block and flow
collections, plain and quoted scalars, comments and literal blocks.  What it does not know (anchors, tags)
is left to PyYAML, if there is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable


class YamlError(Exception):
    """Worded and placed as goccy/go-yaml does, since that is what limactl shows."""

    def __init__(self, line: int, column: int, what: str) -> None:
        super().__init__(f"[{line}:{column}] {what}")
        self.line, self.column = line, column

    def explain(self, text: str) -> str:
        """The message with the lines around the place, the way go-yaml prints it."""
        lines = text.splitlines() or [""]
        first, last = max(1, self.line - 3), min(len(lines), self.line + 3)
        width = 2       # go-yaml pads the number so that most files align
        shown = []
        for number in range(first, last + 1):
            mark = "> " if number == self.line else "  "
            shown.append(f"{mark}{number:>{width}} | {lines[number - 1]}")
            if number == self.line:
                shown.append(" " * (2 + width + 3 + self.column - 1) + "^")
        end = "\n" if last == self.line else ""
        return f"{self}\n" + "\n".join(shown) + end


class Unsupported(Exception):
    """YAML beyond this parser."""


_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s\[\]{},#&*!|>'"%@`-][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+(.*)|$)""")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?\Z")
_NAMED = {"": None, "~": None, "null": None, "true": True, "false": False}


def load(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return _Parser(text).document()
    except Unsupported:
        return _with_pyyaml(text)


def _with_pyyaml(text: str) -> object:
    """The fake runs without site-packages, to start fast; they are only wanted here."""
    import site
    site.main()
    try:
        import yaml
    except ImportError:
        raise YamlError(1, 1, "this YAML is too much for the fake limactl, and PyYAML is not installed") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise YamlError(1, 1, str(error).replace("\n", " ")) from None


def scalar(text: str) -> object:
    if text[:1] in "&*!":
        if text:
            raise Unsupported(text)
    if text in _NAMED:
        return _NAMED[text]
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def unquote(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        try:
            return json.loads(text, strict=False)
        except ValueError:
            raise Unsupported(text) from None
    return text


def without_comment(text: str) -> str:
    """Cut a comment, but not inside quotes."""
    quoted = ""
    for at, char in enumerate(text):
        if quoted:
            if char == quoted and (quoted == "'" or text[at - 1] != "\\"):
                quoted = ""
        elif char in "\"'" and (at == 0 or text[at - 1] in " [{,:"):
            quoted = char
        elif char == "#" and (at == 0 or text[at - 1] in " \t"):
            return text[:at].rstrip()
    return text.rstrip()


class _Line:
    def __init__(self, number: int, indent: int, text: str) -> None:
        self.number, self.indent, self.text = number, indent, text


class _Parser:
    def __init__(self, text: str) -> None:
        self.raw = text.splitlines()
        self.lines: list[_Line] = []
        for number, raw in enumerate(self.raw, 1):
            text = raw.lstrip(" ")
            if text.startswith("\t"):
                raise YamlError(number, 1, "found character '\t' that cannot start any token")
            self.lines.append(_Line(number, len(raw) - len(text), text))
        self.at = 0

    def peek(self) -> _Line | None:
        """The next line that says something."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.text and not line.text.startswith("#") and line.text.rstrip() != "---":
                return line
            self.at += 1
        return None

    def document(self) -> object:
        value = self.node(0)
        left = self.peek()
        if left:
            raise YamlError(left.number, left.indent + 1, "unexpected key name" if ":" in left.text else "value is not allowed in this context")
        return value

    def node(self, least: int) -> object:
        """The block that begins at the next line, if that is indented at least so far."""
        line = self.peek()
        if line is None or line.indent < least:
            return None
        if line.text == "-" or line.text.startswith("- "):
            return self.sequence(line.indent)
        if _KEY.match(line.text) and line.text[0] not in "[{":
            return self.mapping(line.indent)
        self.at += 1
        return self.value(line, line.text, line.indent)

    def sequence(self, indent: int) -> list[object]:
        items = []
        while True:
            line = self.peek()
            if line is None or line.indent != indent or not (line.text == "-" or line.text.startswith("- ")):
                return items
            rest = line.text[1:].lstrip(" ")
            if not without_comment(rest):
                self.at += 1
                items.append(self.node(indent + 1))
            else:   # what follows the dash is a block of its own, indented by the dash
                line.indent += len(line.text) - len(rest)
                line.text = rest
                items.append(self.node(line.indent))

    def mapping(self, indent: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while True:
            line = self.peek()
            match = _KEY.match(line.text) if line and line.indent == indent else None
            if line is None or match is None:
                return found
            self.at += 1
            key, rest = unquote(match[1]), match[2] or ""
            if without_comment(rest):
                found[key] = self.value(line, rest, indent)
            else:
                following = self.peek()
                dashes = following and following.indent == indent and following.text[:2] in ("-", "- ")
                found[key] = self.sequence(indent) if dashes else self.node(indent + 1)

    def value(self, line: _Line, rest: str, indent: int) -> object:
        """A value that starts on a line; flow collections and literal blocks reach over more of them."""
        if rest[0] in "|>":
            return self.literal(rest, indent)
        if rest[0] in "[{":
            return self.flow(line, rest)
        text = without_comment(rest)
        return unquote(text) if text[0] in "\"'" else scalar(text)

    def literal(self, header: str, indent: int) -> str:
        taken = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.text and line.indent <= indent:
                break
            taken.append(self.raw[line.number - 1])
            self.at += 1
        margin = min((len(t) - len(t.lstrip(" ")) for t in taken if t.strip()), default=0)
        body = "\n".join(t[margin:] for t in taken).rstrip("\n")
        if header.startswith(">"):
            body = re.sub(r"(?<!\n)\n(?!\n)", " ", body)
        return body if "-" in header[:2] else body + "\n"

    def flow(self, line: _Line, rest: str) -> object:
        start = line.indent + len(line.text) - len(rest)
        parts = [without_comment(rest)]
        while True:
            scanner = _Flow("\n".join(parts))
            try:
                value = scanner.node()
            except EOFError:
                if self.at < len(self.lines):
                    parts.append(without_comment(self.lines[self.at].text))
                    self.at += 1
                    continue
                end = {"[": "sequence end token ']' not found", "{": "could not find flow mapping end token '}'"}
                raise YamlError(line.number, start + 1, end[rest[0]]) from None
            if scanner.text[scanner.at:].strip():
                raise YamlError(line.number, start + scanner.at + 1, "value is not allowed in this context")
            return value


class _Flow:
    """[a, {b: c}] on one string; EOFError when it is not finished yet."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def char(self) -> str:
        while self.at < len(self.text) and self.text[self.at] in " \t\n":
            self.at += 1
        if self.at >= len(self.text):
            raise EOFError
        return self.text[self.at]

    def node(self) -> object:
        char = self.char()
        if char == "[":
            return self.items("]", self.node)
        if char == "{":
            return dict(self.items("}", self.pair))
        return self.atom(",]}")

    def items(self, end: str, one: Callable[[], object]) -> list:
        found = []
        self.at += 1
        while self.char() != end:
            found.append(one())
            if self.char() == ",":
                self.at += 1
            elif self.char() != end:
                raise YamlError(1, self.at + 1, "',' or end of a flow collection must be specified")
        self.at += 1
        return found

    def pair(self) -> tuple[str, object]:
        key = str(self.atom(":,}"))
        if self.char() != ":":
            return key, None
        self.at += 1
        return key, None if self.char() in ",}" else self.node()

    def atom(self, ends: str) -> object:
        char = self.char()
        if char in "\"'":
            match = re.compile(r'"(?:[^"\\]|\\.)*"|' r"'(?:[^']|'')*'", re.S).match(self.text, self.at)
            if not match:
                raise EOFError
            self.at = match.end()
            return unquote(match[0])
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ends and self.text[self.at] != "\n":
            if self.text[self.at] == ":" and self.text[self.at + 1:self.at + 2] in ("", " ", "\n") and ":" in ends:
                break
            self.at += 1
        return scalar(self.text[start:self.at].strip())
