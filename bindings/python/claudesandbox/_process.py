"""Programs in a guest."""
from __future__ import annotations

import asyncio
import contextlib
import io
import math
import os
import select
import selectors
import signal
import subprocess
import threading
import time
from typing import IO, Any, Awaitable, Callable, Iterator, Mapping, Sequence, TypeVar, Union

from . import _errors, _signals
from ._convert import Memory, Word, argv, encoded
from ._lane import Lane
from ._native import ffi, lib
from ._pool import Pool, opened

Stream = Union[int, IO[Any], None]
"""As in subprocess: None for ours, PIPE, DEVNULL, a descriptor or an open file; for stderr also STDOUT."""
CHUNK = 65536
T = TypeVar("T")


class Streams:
    """What the three streams of a new program are, while it is being started."""

    def __init__(self, stdin: Stream, stdout: Stream, stderr: Stream) -> None:
        self._ours: list[int] = []          # to be closed when it has been started, or not
        self.read_end: int | None = None    # of standard output, where errors go there too
        self.fds = [self._fd(0, stdin), self._fd(1, stdout), 0]
        if stderr == subprocess.STDOUT:
            if self.fds[1] == lib.CSB_EXEC_PIPE:
                self.read_end, self.fds[1] = os.pipe()
                self._ours.append(self.fds[1])
            self.fds[2] = self.fds[1]
        else:
            self.fds[2] = self._fd(2, stderr)

    @staticmethod
    def _fd(which: int, given: Stream) -> int:
        if given is None:
            with contextlib.suppress(OSError):
                os.fstat(which)
                return which
            given = subprocess.DEVNULL
        fd = given if isinstance(given, int) else given.fileno()
        known = {subprocess.PIPE: lib.CSB_EXEC_PIPE, subprocess.DEVNULL: lib.CSB_EXEC_NULL}
        if fd < 0 and fd not in known:
            raise _errors.make(lib.CSB_EINVAL, f"{given!r} is no stream")
        return int(known.get(fd, fd))

    def close(self, failed: bool) -> None:
        for fd in self._ours:
            os.close(fd)
        if failed and self.read_end is not None:
            os.close(self.read_end)


class Start:
    """A call that starts a program: what it needs, and what came of it."""

    def __init__(self, name: str, pool: Pool, streams: Streams, function: Any,
                 options: Callable[[Memory], Any]) -> None:
        self.lane = pool.take()
        self._name, self._pool, self._streams, self._function = name, pool, streams, function
        self._memory = Memory()
        try:
            self._options = options(self._memory)
        except BaseException:
            self.failed()
            raise
        self._made = ffi.new("csb_process **")

    def work(self, err: Any) -> int:
        code = opened(self.lane, self._name, err)
        if code == 0 and lib.csb_vm_state(self.lane.vm) != lib.CSB_VM_RUNNING:
            code = lib.csb_vm_refresh(self.lane.vm, err)
        return code or int(self._function(self.lane.vm, self._options, self._made, err))

    def failed(self) -> None:
        self._streams.close(True)
        if hasattr(self, "_made") and self._made[0] != ffi.NULL:      # it was cancelled too late
            lib.csb_process_free(self._made[0])
        self.lane.close()

    def handle(self) -> Handle:
        self._streams.close(False)
        return Handle(self._made[0], self.lane, self._pool, self._streams.read_end)


def exec_options(args: Sequence[Word], cwd: Word | None, env: Mapping[str, str] | None, login: bool,
                 tty: bool, streams: Streams) -> Callable[[Memory], Any]:
    def make(memory: Memory) -> Any:
        if not argv(args) and not login:
            raise _errors.make(lib.CSB_EINVAL, "there is no program to run")
        return memory.keep(ffi.new("csb_exec_options *", {
            "size": ffi.sizeof("csb_exec_options"), "argv": memory.strings(args) if args else ffi.NULL,
            "env": memory.env(env), "cwd": memory.string(None if cwd is None else encoded(cwd)),
            "stdin_fd": streams.fds[0], "stdout_fd": streams.fds[1], "stderr_fd": streams.fds[2],
            "flags": (lib.CSB_EXEC_LOGIN if login else 0) | (lib.CSB_EXEC_TTY if tty else 0)}))
    return make


class Handle:
    """A csb_process: none of what is done here blocks, but for end()."""

    def __init__(self, process: Any, lane: Lane, pool: Pool, stdout: int | None) -> None:
        self._process, self._lane, self._pool = process, lane, pool
        self._lock = threading.Lock()
        self.returncode: int | None = None
        self.end_fd: int = lib.csb_process_fd(process, lib.CSB_PROCESS_END)
        self.fds = [self._take(0), self._take(1) if stdout is None else stdout, self._take(2)]

    def _take(self, which: int) -> int | None:
        """Python's files close what they have, so each gets a descriptor of its own."""
        fd = lib.csb_process_fd(self._process, which)
        if fd < 0:
            return None
        own = os.dup(fd)
        lib.csb_process_close(self._process, which)
        return own

    def poll(self) -> int | None:
        with self._lock:
            if self._process != ffi.NULL:
                err, end = ffi.new("csb_error **"), ffi.new("csb_exit *")
                code = lib.csb_process_wait(self._process, 0, end, err)
                if code in (lib.CSB_ETIMEOUT, lib.CSB_ECANCELED):
                    lib.csb_error_free(err[0])
                    return None
                self._over()
                _errors.checked(code, err)
                self.returncode = int(end.status)
            if self.returncode is None:
                raise _errors.make(lib.CSB_ESTATE, "the program was ended before it was waited for")
            return self.returncode

    def send_signal(self, number: int) -> None:
        with self._lock:
            if self._process != ffi.NULL:
                err = ffi.new("csb_error **")
                _errors.checked(lib.csb_process_kill(self._process, number, err), err)

    def _over(self) -> None:
        process, self._process = self._process, ffi.NULL
        lib.csb_process_free(process)
        self._pool.give_back(self._lane)

    async def end_async(self) -> None:
        """As end(), and in any case, also when the waiting is cancelled."""
        def work(err: Any) -> int:
            self.end()
            return 0
        if not self.is_over():
            await self._lane.call_async(work)

    def end(self) -> None:
        """Where it still runs it is ended, which takes some seconds at most."""
        with self._lock:
            if self._process != ffi.NULL:
                self._over()

    def end_later(self) -> None:
        """As end(), without waiting: nobody has it any more."""
        if self._process != ffi.NULL:
            threading.Thread(target=self.end, name="claudesandbox").start()

    def is_over(self) -> bool:
        return bool(self._process == ffi.NULL)


class Deadline:
    """Of one wait; raises as the library does."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._until = math.inf if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        return None if math.isinf(self._until) else max(0.0, self._until - time.monotonic())

    def passed(self) -> bool:
        return time.monotonic() >= self._until

    async def within(self, what: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(what, self.left())
        except asyncio.TimeoutError:
            if not self.passed():
                raise
            raise self.error() from None

    def error(self, out: bytes | None = None, errors: bytes | None = None) -> _errors.TimedOutError:
        error = _errors.TimedOutError(f"timed out after {self.timeout:g} s", code=lib.CSB_ETIMEOUT)
        error.output, error.stderr = out, errors
        return error


POLL_SECONDS = 0.05     # where nothing becomes readable at a program's end


class Process:
    """A program that runs in a guest, much as a subprocess.Popen. Leaving its ``with`` block ends it.

    A signal that comes while one of its methods waits has its handler run at once; what that raises ends the
    waiting, and not the program.
    """

    def __init__(self, handle: Handle, args: Sequence[Word]) -> None:
        self._handle, self.args = handle, args

        def file(which: int, mode: str) -> Any:
            fd = handle.fds[which]
            return None if fd is None else os.fdopen(fd, mode)

        self.stdin: io.BufferedWriter | None = file(0, "wb")
        """What it reads, where stdin was PIPE; close it for the program to see the end."""
        self.stdout: io.BufferedReader | None = file(1, "rb")
        self.stderr: io.BufferedReader | None = file(2, "rb")

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            self._handle.end_later()

    @property
    def returncode(self) -> int | None:
        """How it ended, as a shell says it: 0 to 255, 128 + the signal's number where one ended it. None before
        poll() or wait() have seen that."""
        return self._handle.returncode

    def poll(self) -> int | None:
        """Looks whether it has ended.

        Raises EngineError (the connection broke: what was left of it in the guest is being ended).
        """
        return self._handle.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; its output is not read meanwhile. timeout: in seconds.

        Raises TimedOutError (it goes on), else as poll().
        """
        deadline = Deadline(timeout)
        poll = select.poll()
        if self._handle.end_fd >= 0 and not self._handle.is_over():
            poll.register(self._handle.end_fd, select.POLLIN)
        while (status := self.poll()) is None:
            if deadline.passed():
                raise deadline.error()
            left = deadline.left()
            if self._handle.end_fd < 0:
                left = POLL_SECONDS if left is None else min(left, POLL_SECONDS)
            poll.poll(_signals.milliseconds(left))
        return status

    def communicate(self, input: bytes | None = None,
                    timeout: float | None = None) -> tuple[bytes | None, bytes | None]:
        """Writes input, reads what it says until the end of that, and waits for its end.

        Returns what came from standard output and standard error, each None where that is no pipe.

        Raises TimedOutError (it goes on; ``output`` and ``stderr`` have what was read), else as poll().
        """
        deadline = Deadline(timeout)
        with Talk(self, input or b"") as talk:
            while not talk.is_over():
                if deadline.passed():
                    raise deadline.error(*talk.said())
                talk.step(deadline.left())
            try:
                self.wait(deadline.left())
            except _errors.TimedOutError:
                raise deadline.error(*talk.said()) from None
            return talk.said()

    def send_signal(self, number: int) -> None:
        """Sends a signal to its process group in the guest; fine where it has ended.

        Raises InvalidArgumentError (not one of those that can be sent), SystemCallError (the connection broke).
        """
        self._handle.send_signal(number)

    def terminate(self) -> None:
        """SIGTERM"""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL"""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Ends it where it still runs: SIGTERM, and SIGKILL two seconds later; closes its pipes."""
        for file in (self.stdin, self.stdout, self.stderr):
            if file:
                with contextlib.suppress(OSError):
                    file.close()
        self._handle.end()


class Talk:
    """Writes and reads all pipes of a program at the same time."""

    def __init__(self, process: Process, input: bytes) -> None:
        self._left = memoryview(input)
        self._selector = selectors.DefaultSelector()
        self._said: dict[Any, bytearray] = {}
        self._files = (process.stdout, process.stderr)
        for file in self._files:
            if file:
                self._said[file] = bytearray()
                self._selector.register(file, selectors.EVENT_READ)
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.flush()
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE)

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def is_over(self) -> bool:
        return not self._selector.get_map()

    def said(self) -> tuple[bytes | None, bytes | None]:
        out, err = (bytes(self._said[file]) if file else None for file in self._files)
        return out, err

    def step(self, timeout: float | None) -> None:
        for key, mask in self._selector.select(_signals.seconds(timeout)):
            if mask & selectors.EVENT_WRITE:
                self._write(key.fileobj)
            else:
                self._read(key.fileobj)

    def _write(self, file: Any) -> None:
        try:
            self._left = self._left[os.write(file.fileno(), self._left[:CHUNK]) if self._left else 0:]
        except BlockingIOError:
            return
        except BrokenPipeError:         # it does not want it
            self._left = self._left[:0]
        if not self._left:
            self._done_with(file)

    def _read(self, file: Any) -> None:
        data = os.read(file.fileno(), CHUNK)
        self._said[file] += data
        if not data:
            self._done_with(file)

    def _done_with(self, file: Any) -> None:
        self._selector.unregister(file)
        with contextlib.suppress(OSError):
            file.close()


def chunks(process: Process, deadline: Deadline) -> Iterator[tuple[int, bytes]]:
    """What comes from its standard output (1) and standard error (2), b"" at the end of each."""
    with selectors.DefaultSelector() as selector:
        for which, file in ((1, process.stdout), (2, process.stderr)):
            if file:
                selector.register(file, selectors.EVENT_READ, which)
        while selector.get_map():
            if deadline.passed():
                raise deadline.error()
            for key, _ in selector.select(_signals.seconds(deadline.left())):
                data = os.read(key.fd, CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                yield key.data, data


def spawn(start: Start, args: Sequence[Word]) -> Process:
    try:
        start.lane.call(start.work)
    except BaseException:
        start.failed()
        raise
    return Process(start.handle(), args)


def captured(data: bytes | None, text: bool) -> Any:
    return data.decode("utf-8", "replace") if text and data is not None else data


def finished(args: Sequence[Word], returncode: int, said: tuple[bytes | None, bytes | None], text: bool,
             check: bool) -> subprocess.CompletedProcess[Any]:
    done = subprocess.CompletedProcess(args, returncode, *(captured(data, text) for data in said))
    if check:
        done.check_returncode()
    return done


def as_bytes(input: str | bytes | None) -> bytes | None:
    return input.encode() if isinstance(input, str) else input


def run_streams(input: str | bytes | None, stdin: Stream, stdout: Stream, stderr: Stream,
                capture_output: bool) -> Streams:
    """As subprocess.run() has them."""
    if input is not None and stdin is not None:
        raise ValueError("stdin and input can't both be given")
    if capture_output and (stdout is not None or stderr is not None):
        raise ValueError("stdout and stderr can't be given with capture_output")
    if input is not None:
        stdin = subprocess.PIPE
    if capture_output:
        stdout = stderr = subprocess.PIPE
    return Streams(stdin, stdout, stderr)
