"""Text the way Go programs write it: quoting, JSON, logrus lines."""

from __future__ import annotations

import json
import re
import sys
import time

_PLAIN_VALUE = re.compile(r"[A-Za-z0-9\-._/@^+]*\Z")
_GO_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
               "\\": "\\\\", '"': '\\"'}


def quote(text: str) -> str:
    """Go's %q."""
    def one(char: str) -> str:
        if char in _GO_ESCAPES:
            return _GO_ESCAPES[char]
        if char.isprintable():
            return char
        code = ord(char)
        return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return '"' + "".join(map(one, text)) + '"'


def backquote(text: str) -> str:
    """Go's %#q: backquotes where they can hold the text."""
    if "`" in text or any(ord(c) < 32 and c != "\t" or ord(c) == 127 for c in text):
        return quote(text)
    return f"`{text}`"


def dumps(value: object) -> str:
    """As the template function "json" and `list --json` write it: nothing is escaped for HTML."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def dumps_for_html(value: object) -> str:
    """encoding/json by default, and so logrus."""
    text = dumps(value)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def now() -> str:
    """RFC 3339 in local time."""
    zone = time.strftime("%z")
    return time.strftime("%Y-%m-%dT%H:%M:%S") + ("Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}")


class Log:
    """logrus on standard error: text without a terminal, or JSON."""

    def __init__(self) -> None:
        self.json = False
        self.file = sys.stderr

    def __call__(self, level: str, msg: str, **fields: str) -> None:
        if self.json:
            record = {**fields, "level": level, "msg": msg, "time": now()}
            line = dumps_for_html(dict(sorted(record.items())))
        else:
            pairs = [("time", now()), ("level", level), ("msg", msg), *sorted(fields.items())]
            line = " ".join(f"{key}={self._value(key, value)}" for key, value in pairs)
        self.file.write(line + "\n")
        self.file.flush()

    @staticmethod
    def _value(key: str, value: str) -> str:
        return value if key != "time" and _PLAIN_VALUE.match(value) else quote(value)

    def info(self, msg: str, **fields: str) -> None:
        self("info", msg, **fields)

    def warning(self, msg: str, **fields: str) -> None:
        self("warning", msg, **fields)


class Fatal(Exception):
    """Ends the program as logrus.Fatal does: the message as the last line, exit status 1."""
