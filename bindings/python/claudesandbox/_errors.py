"""An exception for each error code of the library."""
from __future__ import annotations

from typing import Any

from ._native import ffi, lib


def text_of(cdata: Any) -> str:
    """A C string; bytes that are no UTF-8 as os.fsdecode() has them. "" for NULL."""
    return "" if cdata == ffi.NULL else bytes(ffi.string(cdata)).decode("utf-8", "surrogateescape")


class Error(Exception):
    """What the library could not do.

    >>> import claudesandbox as cs
    >>> try:
    ...     cs.parse_size("much")
    ... except cs.Error as error:
    ...     print(error.name, isinstance(error, ValueError))
    EINVAL True
    """

    code: int
    """The library's code, negative."""
    name: str
    """The code's name, such as "ENOTFOUND"."""
    message: str
    """One sentence, the outermost step first."""
    hint: str
    """What can be done about it, a command or a setting; "" where nothing is known."""
    exit_status: int | None
    """How the program ended that was the cause, 128 + the signal's number where a signal ended it."""
    detail: str
    """The end of what that program said, or of the guest's console, 8 KiB at most. Not fit for a terminal
    as it is: it may hold control characters."""

    def __init__(self, message: str, *, code: int, hint: str = "", errno: int | None = None,
                 exit_status: int | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.hint = message, code, hint
        self.name = text_of(lib.csb_error_name(code))
        self.errno = errno      # a member of OSError, where that is a base
        self.exit_status, self.detail = exit_status, detail

    errno: int | None
    """The system's error number, where a system call was the cause."""

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def __reduce__(self) -> Any:
        return _again, (type(self), self.message, self.__dict__.copy(), self.errno)


def _again(kind: type[Error], message: str, members: dict[str, Any], errno: int | None) -> Error:
    """What pickle calls."""
    error = kind(message, code=members["code"], errno=errno)
    error.__dict__.update(members)
    return error


class InvalidArgumentError(Error, ValueError):
    """EINVAL: an argument can't be right."""


class OutOfMemoryError(Error, MemoryError):
    """ENOMEM"""


class SystemCallError(Error, OSError):
    """ESYSTEM: the operating system refused; ``errno`` says why."""


class NotFoundError(Error, FileNotFoundError):
    """ENOTFOUND: there is no such machine, or nobody who listens."""


class ExistsError(Error, FileExistsError):
    """EEXISTS: the name, or the project, has a machine already."""


class StateError(Error):
    """ESTATE: not in the state that the machine is in: it runs, or it does not, or it is protected."""


class EngineError(Error):
    """EENGINE: Lima, QEMU or the connection failed; see ``detail``."""


class NoEngineError(Error):
    """ENOENGINE: nothing here can run a machine; ``hint`` says what to install."""


class NotSupportedError(Error):
    """ENOTSUP: the engine, or the event, has no such thing; and nothing runs as root."""


class TimedOutError(Error, TimeoutError):
    """ETIMEOUT: it took too long. What was half done is undone."""

    output: Any = None
    """Of run(): what was captured until then, or None."""
    stderr: Any = None


class ProtocolError(Error):
    """EPROTOCOL: an answer that can't be: the machine, or a program, is not what it should be."""


class BusyError(Error):
    """EBUSY: somebody else is at it, or has it."""


class StoppedError(Error):
    """EUSER: a callback wanted it to end."""


class CanceledError(Error):
    """ECANCELED: by cancel(). What was half done is undone."""


BY_CODE: dict[int, type[Error]] = {
    lib.CSB_EINVAL: InvalidArgumentError, lib.CSB_ENOMEM: OutOfMemoryError, lib.CSB_ESYSTEM: SystemCallError,
    lib.CSB_ENOTFOUND: NotFoundError, lib.CSB_EEXISTS: ExistsError, lib.CSB_ESTATE: StateError,
    lib.CSB_EENGINE: EngineError, lib.CSB_ENOENGINE: NoEngineError, lib.CSB_ENOTSUP: NotSupportedError,
    lib.CSB_ETIMEOUT: TimedOutError, lib.CSB_EPROTOCOL: ProtocolError, lib.CSB_EBUSY: BusyError,
    lib.CSB_EUSER: StoppedError, lib.CSB_ECANCELED: CanceledError}


def make(code: int, message: str = "", hint: str = "") -> Error:
    """An error of ours, in the library's words where there are no better ones."""
    return BY_CODE.get(code, Error)(message or text_of(lib.csb_strerror(code)), code=code, hint=hint)


def from_c(code: int, err: Any) -> Error:
    """The error of a call that returned `code`; `err` stays the caller's, and may be NULL."""
    status, number = lib.csb_error_exit_status(err), lib.csb_error_errno(err)
    return BY_CODE.get(code, Error)(
        text_of(lib.csb_error_message(err)) or text_of(lib.csb_strerror(code)), code=code,
        hint=text_of(lib.csb_error_hint(err)), errno=number or None, exit_status=None if status < 0 else status,
        detail=text_of(lib.csb_error_detail(err)))


def checked(code: int, err: Any) -> None:
    """Raises what went wrong in a call that was given `err`, a `csb_error *[1]`, and frees it."""
    if code != 0:
        try:
            raise from_c(code, err[0])
        finally:
            lib.csb_error_free(err[0])
