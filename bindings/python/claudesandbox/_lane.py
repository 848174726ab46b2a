"""Calls of the library that block.

A context of the library serves one call at a time. A lane is such a context with a queue before it; every
machine has one of its own, so that what is done to one does not wait for another.

In the main thread a call is made by a thread of its own, and the main thread waits for it: Python runs signal
handlers in the main thread and nowhere else, so it must not be in C meanwhile. What a handler raises, as
KeyboardInterrupt is, cancels the call. That works for all signals and handlers, leaves alone what handlers the
program has, and a handler that raises nothing does not end the call.
"""
from __future__ import annotations

import asyncio
import logging
import math
import signal
import threading
import time
from collections import deque
from typing import Any, Callable

from . import _errors, _signals
from ._native import ffi, lib

Work = Callable[[Any], int]
"""Calls the library; gets a ``csb_error **`` and returns a code."""
Progress = Callable[[int, int, str], None]

log = logging.getLogger("claudesandbox")
LEVELS = {lib.CSB_LOG_WARNING: logging.WARNING, lib.CSB_LOG_INFO: logging.INFO, lib.CSB_LOG_DEBUG: logging.DEBUG}


class Ears:
    """Whom a context tells. Apart from the lane: the handle in C keeps it alive, and is kept by the lane."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.failed: Callable[[BaseException], None] = lambda error: None


@ffi.def_extern()   # type: ignore[untyped-decorator, unused-ignore]
def csb_py_log(level: int, text: Any, userdata: Any) -> None:
    log.log(LEVELS.get(level, logging.DEBUG), "%s", _errors.text_of(text))


@ffi.def_extern()   # type: ignore[untyped-decorator, unused-ignore]
def csb_py_progress(step: int, steps: int, text: Any, userdata: Any) -> None:
    ears: Ears = ffi.from_handle(userdata)
    try:
        if ears.progress:
            ears.progress(step, steps, _errors.text_of(text))
    except BaseException as error:      # it can't pass through C
        ears.failed(error)


class Task:
    """One call: waits for its turn, is made once, and can be cancelled at any moment."""

    def __init__(self, lane: Lane, work: Work) -> None:
        self.lane, self.work = lane, work
        self.done = threading.Event()
        self.cancelled = False
        self.failure: BaseException | None = None
        self.on_done: Callable[[], object] = lambda: None

    def start(self) -> None:
        threading.Thread(target=self._run_in_thread, name="claudesandbox").start()

    def _run_in_thread(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())      # they are the main thread's
        self.run()

    def run(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.failure = error
        self.work = lambda err: 0       # what it holds is not needed any more
        self.done.set()
        self.on_done()

    def _run(self) -> None:
        if not self.lane.enter(self):
            raise _errors.make(lib.CSB_ECANCELED)
        err = ffi.new("csb_error **")
        try:
            code = self.work(err)
            if code == lib.CSB_ECANCELED and self.lane.was_late() and not self.cancelled:
                lib.csb_error_free(err[0])
                err[0] = ffi.NULL
                code = self.work(err)
        finally:
            self.lane.leave(self)
        if self.failure:
            lib.csb_error_free(err[0])
            raise self.failure
        if self.cancelled and code != lib.CSB_ECANCELED:
            self.lane.is_late()
        _errors.checked(code, err)

    def cancel(self) -> None:
        self.lane.cancel(self)

    def fail(self, error: BaseException) -> None:
        """From within the call: it ends, and this is raised."""
        self.failure = self.failure or error
        self.cancel()

    def wait(self, timeout: float | None) -> None:
        """In the main thread, interrupted by what signal handlers raise. The call is over in every case."""
        until = math.inf if timeout is None else time.monotonic() + timeout
        in_time = True
        try:
            while in_time and not self.done.wait(_signals.seconds(until - time.monotonic())):
                in_time = time.monotonic() < until
        finally:
            while not self.done.is_set():
                self.cancel()
                self._wait_for_undoing()
        if not in_time and isinstance(self.failure, _errors.CanceledError):
            raise _errors.make(lib.CSB_ETIMEOUT, f"timed out after {timeout:g} s") from None

    def _wait_for_undoing(self) -> None:
        """It has time of its own and comes to an end; a second Ctrl-C does not make it faster."""
        try:
            self.done.wait()
        except BaseException:
            pass

    def result(self) -> None:
        if self.failure:
            try:
                raise self.failure
            finally:
                self.failure = None     # which refers to this frame


class Lane:
    """A context of the library, and a queue before it."""

    def __init__(self, settings: Settings) -> None:
        self._turn = threading.Condition()
        self._queue: deque[Task] = deque()
        self._running: Task | None = None
        self._closed = self._late = False
        self._ears = Ears(settings.progress)
        self._ears.failed = self._fail
        self._handle = ffi.new_handle(self._ears)
        self.ctx = settings.open(self._handle)
        self.vm: Any = ffi.NULL

    @property
    def is_closed(self) -> bool:
        return self._closed

    # -- one after the other --

    def enter(self, task: Task) -> bool:
        """When it is the task's turn; false when it was cancelled before."""
        with self._turn:
            self._queue.append(task)
            try:
                self._turn.wait_for(lambda: task.cancelled or not self._running and self._queue[0] is task)
            finally:
                self._queue.remove(task)
                self._turn.notify_all()
            if task.cancelled:
                return False
            if self._closed:
                raise ValueError("it is closed")
            self._running = task
            return True

    def leave(self, task: Task) -> None:
        with self._turn:
            self._running = None
            self._turn.notify_all()
            if self._closed:
                self._free()

    def cancel(self, task: Task) -> None:
        """That one and no other: it may wait for its turn, or be over."""
        with self._turn:
            if not task.cancelled and not task.done.is_set():
                task.cancelled = True
                self._turn.notify_all()
                if self._running is task:
                    lib.csb_ctx_cancel(self.ctx)

    def cancel_running(self) -> None:
        with self._turn:
            if self._running:
                self.cancel(self._running)

    def is_late(self) -> None:
        """A call came to its end although it was cancelled: the next one would be in its place."""
        with self._turn:
            self._late = True

    def was_late(self) -> bool:
        with self._turn:
            late, self._late = self._late, False
            return late

    def _fail(self, error: BaseException) -> None:
        task = self._running    # this is its thread
        if task:
            task.fail(error)

    # -- calls --

    def call(self, work: Work, timeout: float | None = None) -> None:
        """Makes the call and waits for it. timeout: in seconds; needs a thread, as the main thread does."""
        task = Task(self, work)
        if timeout is None and threading.current_thread() is not threading.main_thread():
            task.run()
        else:
            task.start()
            task.wait(timeout)
        task.result()

    async def call_async(self, work: Work, timeout: float | None = None) -> None:
        """As call(). When the waiting is cancelled the call is, and has ended when CancelledError is raised."""
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        task = Task(self, work)
        task.on_done = lambda: loop.call_soon_threadsafe(over.set_result, None)
        task.start()
        in_time = True
        try:
            in_time = bool((await asyncio.wait([over], timeout=timeout))[0])
        finally:
            while not over.done():
                task.cancel()
                try:
                    await asyncio.shield(over)
                except asyncio.CancelledError:
                    pass
        if not in_time and isinstance(task.failure, _errors.CanceledError):
            raise _errors.make(lib.CSB_ETIMEOUT, f"timed out after {timeout:g} s")
        task.result()

    # -- the end --

    def close(self) -> None:
        """What runs is cancelled, and waits for nobody."""
        with self._turn:
            self._closed = True
            if self._running:
                self.cancel(self._running)
            else:
                self._free()

    def _free(self) -> None:
        vm, self.vm = self.vm, ffi.NULL
        ctx, self.ctx = self.ctx, ffi.NULL
        lib.csb_vm_free(vm)
        if ctx != ffi.NULL:
            lib.csb_ctx_free(ctx)

    def __del__(self) -> None:
        if hasattr(self, "vm"):
            self._free()


class Settings:
    """With what contexts are opened: as csb_ctx_options, with memory of its own."""

    def __init__(self, strings: dict[str, bytes | None], timeout_ms: int, progress: Progress | None) -> None:
        self._strings = {name: ffi.NULL if text is None else ffi.new("char[]", text) for name, text in strings.items()}
        self._timeout_ms = timeout_ms
        self.progress = progress

    def open(self, handle: Any) -> Any:
        """A csb_ctx that talks to the Ears behind the handle."""
        options = ffi.new("csb_ctx_options *", {
            "size": ffi.sizeof("csb_ctx_options"), "timeout_ms": self._timeout_ms, "log": lib.csb_py_log,
            **self._strings})
        if self.progress:
            options.progress, options.progress_userdata = lib.csb_py_progress, handle
        ctx, err = ffi.new("csb_ctx **"), ffi.new("csb_error **")
        _errors.checked(lib.csb_ctx_new(options, ctx, err), err)
        return ctx[0]
