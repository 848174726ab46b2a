"""What Claude Code reports through its hooks, and answers to it."""
from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import pathlib
import select
import threading
import time
from collections import deque
from typing import Any, AsyncIterator, Callable, Iterator

from . import _errors, _signals
from ._convert import encoded, path_from
from ._lane import Lane, Settings
from ._native import ffi, lib

AGAIN_SECONDS = 3.0     # as csb_hooks_listen() does
PAUSE = 0.1


Policy = Callable[["Event"], object]


def text_or_none(cdata: Any) -> str | None:
    return None if cdata == ffi.NULL else _errors.text_of(cdata)


class Event:
    """Something that Claude reports, and the answer to it.

    What an event says, but for ``vm`` and ``project_dir``, is the machine's word, and may hold control characters:
    nothing to evaluate, to open, or to print to a terminal as it is.

    Claude waits for the answer: until the loop that gave this event goes on, or, after hold(), until send().
    Without a word it goes by its own rules. Of allow, deny, ask and block the last one counts. They raise
    NotSupportedError where the event takes no such answer, and when one only watches; StateError afterwards.
    """

    def __init__(self, event: Any, listener: Listener) -> None:
        self._listener = listener
        self._number: int | None = None
        self._why_not = lib.CSB_ENOTSUP
        self._said = self._can_wait = self._held = False
        self.vm: str = _errors.text_of(lib.csb_event_vm(event))
        """The name of the machine, told by us."""
        self.project_dir: pathlib.Path | None = path_from(lib.csb_event_project_dir(event))
        """The machine's project, on the host; told by us."""
        self.name: str = _errors.text_of(lib.csb_event_name(event))
        """Such as "PreToolUse"; any other may come, also ""."""
        self.session: str | None = text_or_none(lib.csb_event_session(event))
        self.cwd: str | None = text_or_none(lib.csb_event_cwd(event))
        """Where Claude works, in the machine."""
        self.tool: str | None = text_or_none(lib.csb_event_tool(event))
        """Such as "Bash"."""
        self.message: str | None = text_or_none(lib.csb_event_message(event))
        """A Notification's text."""
        self.title: str | None = text_or_none(lib.csb_event_title(event))
        self.notification_type: str | None = text_or_none(lib.csb_event_notification_type(event))
        """Such as "permission_prompt" or "idle_prompt"."""
        self.lost: int = lib.csb_event_lost(event)
        """How many events were lost right before this one, because the listener was too slow."""
        length = ffi.new("size_t *")
        self.json: bytes = bytes(ffi.buffer(lib.csb_event_json(event, length), length[0]))
        """All of it as it came, one JSON object in UTF-8."""

    def __repr__(self) -> str:
        return f"<Event {self.name!r} of {self.vm}{f', {self.tool!r}' if self.tool else ''}>"

    def __del__(self) -> None:
        self._listener.send(self)

    @property
    def data(self) -> dict[str, Any]:
        """All of it, as Python has it."""
        data: dict[str, Any] = json.loads(self.json)
        return data

    @property
    def tool_input(self) -> dict[str, Any]:
        """What the tool is called with; {} where there is none."""
        found = self.data.get("tool_input")
        return found if isinstance(found, dict) else {}

    @property
    def is_waiting(self) -> bool:
        """Whether Claude waits for the answer still."""
        return self._listener.is_waiting(self)

    # -- the answer --

    def allow(self) -> None:
        """Has Claude do what it asks for, without asking the user: PreToolUse, PermissionRequest."""
        self._listener.say(self, lib.csb_reply_allow)

    def deny(self, reason: str | None = None) -> None:
        """Refuses it; Claude is told the reason: PreToolUse, PermissionRequest."""
        self._listener.say(self, lib.csb_reply_deny, reason)

    def ask(self, reason: str | None = None) -> None:
        """Has the user asked, who is shown the reason: PreToolUse. Without a user (a prompt) this refuses it."""
        self._listener.say(self, lib.csb_reply_ask, reason)

    def block(self, reason: str) -> None:
        """Stops Claude from going on as it would: a Stop from ending the turn (mind ``data["stop_hook_active"]``,
        else it never ends), a UserPromptSubmit from being sent; also SubagentStop, UserPromptExpansion,
        PostToolUse, PostToolBatch, PreCompact, ConfigChange, and PreToolUse, where it is deny()."""
        self._listener.say(self, lib.csb_reply_block, reason)

    def context(self, text: str) -> None:
        """Tells Claude something besides: SessionStart, Setup, SubagentStart, UserPromptSubmit,
        UserPromptExpansion, PreToolUse, PostToolUse, PostToolUseFailure, PostToolBatch."""
        self._listener.say(self, lib.csb_reply_context, text)

    def replace_input(self, tool_input: dict[str, Any]) -> None:
        """Has the tool called with this instead: PreToolUse."""
        self._listener.say(self, lib.csb_reply_input, json.dumps(tool_input))

    def hold(self) -> None:
        """The loop goes on without an answer: it is given later, with send(), from any thread or task. Claude waits
        for 10 minutes at most, or less where the hook's own time limit ends before. An event that nobody has any
        more is sent by itself.

        Raises NotSupportedError, where there is nothing to answer.
        """
        with self._listener.lock:
            self._listener.check(self)
            self._held = self._can_wait

    def send(self) -> bool:
        """Gives the answer now. False when Claude did not wait for it any more, or it was sent before."""
        return self._listener.send(self)


@ffi.def_extern()   # type: ignore[untyped-decorator, unused-ignore]
def csb_py_hook(event: Any, reply: Any, userdata: Any) -> int:
    ffi.from_handle(userdata).hear(event, reply)
    return 1    # one at a time: the others wait in the library


class Listener:
    """A csb_hooks with a context of its own. Its calls don't block, but for opening it."""

    def __init__(self, settings: Settings, policy: Policy | None, watch: bool) -> None:
        self._settings, self._policy, self._watch = settings, policy, watch
        self._failure: BaseException | None = None
        self.lock = threading.RLock()
        self._lane: Lane | None = None
        self._hooks: Any = ffi.NULL
        self._heard: deque[Event] = deque()
        self._numbers = itertools.count()
        self._unsent: dict[int | None, Any] = {}    # by the numbers of events
        self.closed = False

    # -- its life --

    def opening(self) -> tuple[Lane, Any]:
        """A lane, and the call to be made on it."""
        lane = Lane(self._settings)

        def work(err: Any) -> int:
            made = ffi.new("csb_hooks **")
            options = ffi.new("csb_hooks_options *", {
                "size": ffi.sizeof("csb_hooks_options"), "flags": lib.CSB_HOOKS_WATCH if self._watch else 0})
            self._handle = ffi.new_handle(self)
            code: int = lib.csb_hooks_open(lane.ctx, options, lib.csb_py_hook, self._handle, made, err)
            if code == 0:
                with self.lock:
                    self._lane, self._hooks = lane, made[0]
            return code
        return lane, work

    def is_open(self) -> bool:
        return bool(self._hooks != ffi.NULL)

    def fd(self) -> int:
        with self.lock:
            return int(lib.csb_hooks_fd(self._hooks)) if self.is_open() else -1

    def wake(self) -> None:
        """Whoever waits sees that it is to end."""
        with self.lock:
            self.closed = True
            if self.is_open():
                lib.csb_hooks_wakeup(self._hooks)

    def close(self) -> None:
        with self.lock:
            while self._unsent:     # one that is collected meanwhile sends itself
                lib.csb_reply_send(self._unsent.popitem()[1], ffi.NULL)
            self._heard.clear()
            hooks, self._hooks = self._hooks, ffi.NULL
            lib.csb_hooks_close(hooks)
            if self._lane:
                self._lane.close()
            self._lane = self._handle = None

    # -- events --

    def hear(self, event: Any, reply: Any) -> None:
        """From within dispatch()."""
        heard = Event(event, self)
        heard._number = next(self._numbers)
        self._heard.append(heard)
        if self._policy and not self._watch:
            self._unsent[heard._number] = reply
            try:
                self._policy(heard)
            except BaseException as error:      # it can't pass through C
                self._failure = error
                # What made it fail may be what it is there to forbid.
                heard._said |= lib.csb_reply_deny(reply, b"the policy failed", ffi.NULL) == 0
            del self._unsent[heard._number]
            heard._why_not = lib.CSB_ESTATE
        if not heard._said:
            self._hold(heard, reply)

    def _hold(self, heard: Event, reply: Any) -> None:
        held = ffi.new("csb_reply **")
        heard._why_not = lib.csb_reply_hold(reply, held, ffi.NULL)
        if heard._why_not == 0:
            self._unsent[heard._number] = held[0]
            heard._can_wait = True

    def take(self) -> Event | None:
        """One that has arrived.

        Raises NotFoundError and others when the server has ended.
        """
        with self.lock:
            if not self._heard:
                err = ffi.new("csb_error **")
                code = lib.csb_hooks_dispatch(self._hooks, 0, err)
                if code in (lib.CSB_EUSER, lib.CSB_ECANCELED):
                    lib.csb_error_free(err[0])
                else:
                    _errors.checked(code, err)
            if self._failure:
                failure, self._failure = self._failure, None
                raise failure
            return self._heard.popleft() if self._heard else None

    # -- answers --

    def check(self, event: Event) -> Any:
        """The reply, which is there as long as the answer can be given."""
        reply = self._unsent.get(event._number)
        if reply is None:
            raise _errors.make(event._why_not, f"{event.name} takes no answer" if event._why_not ==
                               lib.CSB_ENOTSUP else "the answer can't be given any more")
        return reply

    def say(self, event: Event, function: Any, *words: str | None) -> None:
        with self.lock:
            reply, err = self.check(event), ffi.new("csb_error **")
            args = [ffi.NULL if word is None else ffi.new("char[]", encoded(word)) for word in words]
            _errors.checked(function(reply, *args, err), err)
            event._said = True

    def is_waiting(self, event: Event) -> bool:
        with self.lock:
            reply = self._unsent.get(event._number)
            return reply is not None and (not event._can_wait or bool(lib.csb_reply_waits(reply)))

    def send(self, event: Event) -> bool:
        with self.lock:
            reply = self._unsent.pop(event._number, None) if event._can_wait else None
            if reply is None:
                return False
            event._why_not = lib.CSB_ESTATE
            return bool(lib.csb_reply_send(reply, ffi.NULL) == 0)

    def went_on(self, event: Event) -> None:
        """The loop did, past this event."""
        if not event._held:
            self.send(event)


class Hooks:
    """The events of all machines of a state directory, as they happen: for a ``for`` or an ``async for`` loop, which
    has no end but break and close(). From Context.hooks().

    Several programs may listen at the same time and answer. Of what they say at once, to deny or block beats to ask,
    which beats to allow; and it settles the matter for all who answer later, as a loop does. Who wants to forbid
    something in any case does so in a ``policy``, which is called before the loop has the event. One that raises denies
    what can be denied, and the loop raises the same.

    When the program ends that has the machines' sockets, another takes its place.
    """

    def __init__(self, settings: Settings, policy: Policy | None, watch: bool) -> None:
        self._listener = Listener(settings, policy, watch)
        self._again_until = 0.0

    def __del__(self) -> None:
        if hasattr(self, "_listener"):
            self._listener.close()      # which the library's handle keeps alive

    def close(self) -> None:
        """Ends the loop, from any thread or task; what is held is sent."""
        self._listener.wake()

    def open(self) -> Hooks:
        """Listens from now on, and not only from when the loop begins.

        Raises NotFoundError (watch, and nobody listens), BusyError, SystemCallError.
        """
        if not self._listener.is_open():
            lane, work = self._listener.opening()
            lane.call(work)
        return self

    async def open_async(self) -> Hooks:
        """As open()."""
        if not self._listener.is_open():
            lane, work = self._listener.opening()
            await lane.call_async(work)
        return self

    def _must_pause(self, error: _errors.Error) -> None:
        """When the server ended somebody else may follow; then we do."""
        if isinstance(error, _errors.InvalidArgumentError) or time.monotonic() >= self._again_until:
            raise error

    def _take(self) -> Event | None:
        """An event; None when there is none now, or nobody to hear it from."""
        try:
            return self._listener.take()
        except (_errors.NotFoundError, _errors.BusyError, _errors.ProtocolError):
            self._listener.close()
            self._again_until = time.monotonic() + AGAIN_SECONDS
            return None

    def __iter__(self) -> Iterator[Event]:
        self._again_until = 0.0
        try:
            while not self._listener.closed:
                try:
                    self.open()
                except _errors.Error as error:
                    self._must_pause(error)
                    time.sleep(PAUSE)
                    continue
                event = self._take()
                if event:
                    try:
                        yield event
                    finally:
                        self._listener.went_on(event)
                else:
                    self._wait()
        finally:
            self._listener.close()

    def _wait(self) -> None:
        fd = self._listener.fd()
        if fd >= 0 and not self._listener.closed:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(_signals.milliseconds(None))

    async def __aiter__(self) -> AsyncIterator[Event]:
        self._again_until = 0.0
        try:
            while not self._listener.closed:
                try:
                    await self.open_async()
                except _errors.Error as error:
                    self._must_pause(error)
                    await asyncio.sleep(PAUSE)
                    continue
                event = self._take()
                if event:
                    try:
                        yield event
                    finally:
                        self._listener.went_on(event)
                elif not self._listener.closed:     # whose waking may just have been taken
                    await readable(self._listener.fd())
        finally:
            self._listener.close()


async def readable(fd: int) -> None:
    """Until the descriptor is."""
    if fd < 0:
        return
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def is_readable() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(fd, is_readable)
    try:
        await ready
    finally:
        with contextlib.suppress(OSError, ValueError):
            loop.remove_reader(fd)
