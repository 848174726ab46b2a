"""Claude Code at work in a machine."""
from __future__ import annotations

import asyncio
import collections
import subprocess
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence

from . import _errors
from ._convert import Memory, Word, encoded
from ._messages import Message, ResultMessage, parse
from ._native import ffi, lib
from ._process import CHUNK, Deadline, Start, Streams, chunks, spawn

if TYPE_CHECKING:
    from ._aio import AsyncProcess
    from ._process import Process

LINE_MOST = 32 << 20
ERRORS_MOST = 8 << 10
STREAM = ("--output-format", "stream-json", "--verbose")


class ClaudeError(subprocess.CalledProcessError):
    """Claude Code ended with a failure and without a result. ``stderr`` is the end of what it said, as text."""

    def __str__(self) -> str:
        last = self.stderr.strip().splitlines()[-1:]
        return f"claude ended with status {self.returncode}{': ' if last else ''}{''.join(last)}"


def claude_options(args: Sequence[Word], prompt: str | None, permission_mode: str | None,
                   env: Mapping[str, str] | None, host_login: bool, tty: bool,
                   streams: Streams) -> Callable[[Memory], Any]:
    def make(memory: Memory) -> Any:
        flags = (lib.CSB_CLAUDE_HOST_LOGIN if host_login else 0) | (lib.CSB_EXEC_TTY if tty else 0)
        return memory.keep(ffi.new("csb_claude_options *", {
            "size": ffi.sizeof("csb_claude_options"), "args": memory.strings(args), "env": memory.env(env),
            "prompt": memory.string(None if prompt is None else encoded(prompt)), "flags": flags,
            "permission_mode": memory.string(None if permission_mode is None else encoded(permission_mode)),
            "stdin_fd": streams.fds[0], "stdout_fd": streams.fds[1], "stderr_fd": streams.fds[2]}))
    return make


class Lines:
    """Bytes, cut into lines."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._whole: collections.deque[bytes] = collections.deque()

    def feed(self, data: bytes) -> None:
        """b"" at the end."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._whole.append(bytes(self._rest + part))
            self._rest.clear()
        self._rest += rest
        if not data and self._rest:
            self._whole.append(bytes(self._rest))
            self._rest.clear()
        if len(self._rest) > LINE_MOST:
            raise _errors.make(lib.CSB_EPROTOCOL, f"Claude said more than {LINE_MOST >> 20} MiB in one line")

    def take(self) -> bytes | None:
        return self._whole.popleft() if self._whole else None


class Claude:
    """Claude Code at work on a prompt: a ``for`` or an ``async for`` loop gives its messages as they come, and
    ``await`` or finish() only the last one. It begins when the loop does, once, and is ended when the loop is left.

    Raises what spawn() does; ProtocolError; ClaudeError where it failed without a result, for want of a login, say.
    A result that is one of failure is no exception: see ResultMessage.is_error.
    """

    def __init__(self, start: Callable[[Streams], Start], timeout: float | None) -> None:
        self._new_start, self._timeout = start, timeout
        self._lines = Lines()
        self._errors = bytearray()
        self._process: Process | AsyncProcess | None = None
        self._begun = False
        self.result: ResultMessage | None = None
        """The last message, when it has come."""

    @property
    def returncode(self) -> int | None:
        """claude's exit status, when it has ended."""
        return self._process.returncode if self._process else None

    @property
    def stderr(self) -> str:
        """The end of what it wrote there, 8 KiB at most."""
        return bytes(self._errors).decode("utf-8", "replace")

    def _start(self) -> Start:
        if self._begun:
            raise _errors.make(lib.CSB_ESTATE, "this claude() has begun before; call it again")
        self._begun = True
        return self._new_start(Streams(subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE))

    def _message(self) -> Message | None:
        while (line := self._lines.take()) is not None:
            if line.strip():
                message = parse(line)
                if isinstance(message, ResultMessage):
                    self.result = message
                return message
        return None

    def _hear_errors(self, data: bytes) -> None:
        self._errors += data
        del self._errors[:-ERRORS_MOST]

    def _ended(self, status: int) -> None:
        if status != 0 and self.result is None:
            raise ClaudeError(status, "claude", stderr=self.stderr)

    # -- for --

    def __iter__(self) -> Iterator[Message]:
        with spawn(self._start(), ("claude",)) as process:
            self._process = process
            deadline = Deadline(self._timeout)
            for which, data in chunks(process, deadline):
                if which == 2:
                    self._hear_errors(data)
                    continue
                self._lines.feed(data)
                while (message := self._message()) is not None:
                    yield message
            self._ended(process.wait(deadline.left()))

    def finish(self) -> ResultMessage:
        """Waits for its end, and gives the last message."""
        for _ in self:
            pass
        return self._last()

    def _last(self) -> ResultMessage:
        if self.result is None:
            raise _errors.make(lib.CSB_EPROTOCOL, "Claude ended without a result")
        return self.result

    # -- async for --

    async def __aiter__(self) -> AsyncIterator[Message]:
        from ._aio import spawn_async
        async with await spawn_async(self._start(), ("claude",)) as process:
            self._process = process
            deadline = Deadline(self._timeout)
            errors = asyncio.ensure_future(self._read_errors(process))
            try:
                data = b"..."
                while data and process.stdout:
                    data = await deadline.within(process.stdout.read(CHUNK))
                    self._lines.feed(data)
                    while (message := self._message()) is not None:
                        yield message
                await deadline.within(errors)
                self._ended(await deadline.within(process.wait()))
            finally:
                errors.cancel()

    async def _read_errors(self, process: AsyncProcess) -> None:
        while process.stderr and (data := await process.stderr.read(CHUNK)):
            self._hear_errors(data)

    async def _finish_async(self) -> ResultMessage:
        async for _ in self:
            pass
        return self._last()

    def __await__(self) -> Generator[Any, None, ResultMessage]:
        return self._finish_async().__await__()
