"""Python's values as the library wants them, and back."""
from __future__ import annotations

import math
import os
import pathlib
from typing import Any, Iterable, Mapping, Sequence, Union

from . import _errors
from ._native import ffi, lib

Path = Union[str, "os.PathLike[str]"]
"""A path on the host; a leading ~ is the home directory."""
Word = Union[str, bytes, "os.PathLike[str]"]
Size = Union[int, str]
"""Bytes, or as people write it: "4GiB"."""


def milliseconds(seconds: float | None) -> int:
    """0 for None, which means the library's own choice; -1 for no limit."""
    if seconds is None:
        return 0
    if math.isinf(seconds) and seconds > 0:
        return -1
    if not seconds > 0:
        raise _errors.make(lib.CSB_EINVAL, f"a timeout of {seconds!r} s: say more than 0, or None")
    return min(math.ceil(seconds * 1000), 0x7FFFFFFF)


def encoded(text: Word) -> bytes:
    data = os.fsencode(text)
    if b"\0" in data:
        raise _errors.make(lib.CSB_EINVAL, f"{text!r} has a NUL in it")
    return data


def host_path(path: Path) -> bytes:
    return encoded(os.path.abspath(os.path.expanduser(os.fspath(path))))


def path_from(cdata: Any) -> pathlib.Path | None:
    text = _errors.text_of(cdata)
    return pathlib.Path(text) if text else None


def parse_size(text: str) -> int:
    """A size as people write it, in bytes; units are powers of 1024.

    >>> parse_size("4GiB") == parse_size("4G") == 4 << 30
    True

    Raises InvalidArgumentError.
    """
    size, err = ffi.new("uint64_t *"), ffi.new("csb_error **")
    _errors.checked(lib.csb_size_parse(encoded(text), size, err), err)
    return int(size[0])


def size(value: Size | None) -> int:
    """0 for None."""
    if isinstance(value, str):
        return parse_size(value)
    if value is not None and not 0 < value < 1 << 63:
        raise _errors.make(lib.CSB_EINVAL, f"a size of {value} bytes can't be")
    return value or 0


class Memory:
    """C strings and arrays that live as long as this does."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def keep(self, cdata: Any) -> Any:
        self._kept.append(cdata)
        return cdata

    def string(self, text: bytes | None) -> Any:
        return ffi.NULL if text is None else self.keep(ffi.new("char[]", text))

    def array(self, kind: str, items: Sequence[Any]) -> Any:
        """NULL where there are none."""
        return self.keep(ffi.new(kind, items)) if items else ffi.NULL

    def strings(self, words: Iterable[Word]) -> Any:
        """An array that ends in NULL."""
        return self.keep(ffi.new("char *[]", [*(self.string(encoded(word)) for word in words), ffi.NULL]))

    def env(self, env: Mapping[str, str] | None) -> Any:
        for name in env or {}:
            if not name or "=" in name:
                raise _errors.make(lib.CSB_EINVAL, f"{name!r} can't be the name of a variable")
        return self.strings(f"{name}={value}" for name, value in env.items()) if env else ffi.NULL


def argv(words: Sequence[Word]) -> Sequence[Word]:
    """A single string is a mistake that is made often."""
    if isinstance(words, (str, bytes)):
        raise TypeError('a program and its arguments are a list: ["ls", "-l"], or ["sh", "-c", "ls -l | wc"]')
    return words
