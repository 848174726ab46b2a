"""Machines."""
from __future__ import annotations

import dataclasses
import datetime
import enum
import pathlib
import subprocess
from typing import Any, Callable, Iterable, Literal, Mapping, NamedTuple, Sequence, overload

from . import _errors
from ._claude import STREAM, Claude, claude_options
from ._convert import Memory, Path, Size, Word, argv, encoded, host_path, path_from, size
from ._lane import Lane, Settings, Work
from ._native import ffi, lib
from ._pool import Pool, opened
from ._process import (
    Process, Start, Stream, Streams, as_bytes, captured, exec_options, finished, run_streams, spawn)


class State(str, enum.Enum):
    """What a machine is doing. Equal to the words, too: ``vm.state == "running"``."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BROKEN = "broken"
    SUSPENDED = "suspended"


def stop_flags(force: bool, suspend: bool) -> int:
    return (lib.CSB_STOP_FORCE if force else 0) | (lib.CSB_STOP_SUSPEND if suspend else 0)


class Activity(enum.IntEnum):
    """What Claude Code in a machine does, the most of all its sessions."""

    NONE = lib.CSB_ACTIVITY_NONE
    """There is no session."""
    IDLE = lib.CSB_ACTIVITY_IDLE
    """Its turn is over."""
    WAITING = lib.CSB_ACTIVITY_WAITING
    """For the user: a question is on the screen."""
    BUSY = lib.CSB_ACTIVITY_BUSY


class Port(NamedTuple):
    """A port of the guest's loopback that is reached on the host's. Any pair of numbers will do."""

    host: int
    guest: int


@dataclasses.dataclass(frozen=True)
class Mount:
    """A directory of the host that a machine sees."""

    host: Path
    guest: Path | None = None
    """Absolute; None: the same as on the host."""
    writable: bool = False
    """Else it is read-only, which the host enforces."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What a new machine is like. Sizes are bytes, or text such as "4GiB"; None: the base's, the template's, or
    a default that fits this computer."""

    name: str | None = None
    """None: made from project_dir."""
    project_dir: Path | None = None
    """Mounted writable at the same path; None: none, then it needs a name."""
    settings_dir: Path | None = None
    """Claude's settings, mounted too."""
    settings_writable: bool | None = None
    """Whether the machine may write there; None: yes."""
    cpus: int | None = None
    memory: Size | None = None
    disk: Size | None = None
    mounts: Iterable[Mount] = ()
    ports: Iterable[tuple[int, int]] = ()
    force_mount: bool = False
    """Lets project_dir be your home directory, with all your keys and passwords."""

    def to_c(self, memory: Memory) -> Any:
        def path(value: Path | None) -> Any:
            return memory.string(None if value is None else host_path(value))

        ports, n_ports = ports_to_c(self.ports, memory)
        mounts = [{"host_path": path(m.host), "writable": m.writable,
                   "guest_path": memory.string(None if m.guest is None else encoded(m.guest))} for m in self.mounts]
        mode = {None: 0, True: lib.CSB_SETTINGS_RW, False: lib.CSB_SETTINGS_RO}[self.settings_writable]
        return memory.keep(ffi.new("csb_vm_options *", {
            "size": ffi.sizeof("csb_vm_options"),
            "name": memory.string(None if self.name is None else encoded(self.name)),
            "project_dir": path(self.project_dir), "settings_dir": path(self.settings_dir), "settings_mode": mode,
            "cpus": number(self.cpus or 0, "processors", 0, 0x7FFFFFFF), "memory_bytes": size(self.memory),
            "disk_bytes": size(self.disk), "flags": lib.CSB_VM_FORCE_MOUNT if self.force_mount else 0,
            "mounts": memory.array("csb_mount[]", mounts), "n_mounts": len(mounts),
            "ports": ports, "n_ports": n_ports}))


def number(value: int, what: str, least: int, most: int) -> int:
    if not least <= value <= most:
        raise _errors.make(lib.CSB_EINVAL, f"{what}: {value} can't be, only {least} to {most}")
    return value


def ports_to_c(ports: Iterable[tuple[int, int]], memory: Memory) -> tuple[Any, int]:
    pairs = [tuple(number(n, "a port", 1, 65535) for n in (host, guest)) for host, guest in ports]
    return memory.array("csb_port[]", pairs), len(pairs)


def moment(seconds: int) -> datetime.datetime | None:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc) if seconds else None


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a handle tells, taken at once: a handle is for one thread at a time, and these for any."""

    name: str
    engine: str
    state: State
    state_reason: str
    project_dir: pathlib.Path | None
    is_protected: bool
    cpus: int | None
    memory: int | None
    disk: int | None
    disk_used: int | None
    created: datetime.datetime | None
    started: datetime.datetime | None
    ssh_config: pathlib.Path | None
    ssh_host: str | None

    @classmethod
    def of(cls, vm: Any) -> Facts:
        return cls(
            name=_errors.text_of(lib.csb_vm_name(vm)), engine=_errors.text_of(lib.csb_vm_engine(vm)),
            state=State(_errors.text_of(lib.csb_vm_state_name(vm))),
            state_reason=_errors.text_of(lib.csb_vm_state_reason(vm)),
            project_dir=path_from(lib.csb_vm_project_dir(vm)), is_protected=bool(lib.csb_vm_is_protected(vm)),
            cpus=lib.csb_vm_cpus(vm) or None, memory=lib.csb_vm_memory_bytes(vm) or None,
            disk=lib.csb_vm_disk_bytes(vm) or None, disk_used=lib.csb_vm_disk_used_bytes(vm) or None,
            created=moment(lib.csb_vm_created(vm)), started=moment(lib.csb_vm_started(vm)),
            ssh_config=path_from(lib.csb_vm_ssh_config(vm)),
            ssh_host=_errors.text_of(lib.csb_vm_ssh_host(vm)) or None)


class Machine:
    """What VM and AsyncVM share: what is known of a machine, and its lane.

    The properties are as of the last call that asked or changed something; refresh() asks.
    """

    def __init__(self, settings: Settings, facts: Facts, lane: Lane | None = None) -> None:
        self._settings, self._facts, self._lane = settings, facts, lane
        self._pool = Pool(settings)
        self._closed = False

    def _own_lane(self) -> Lane:
        """One of a list has none until something is done to it."""
        if self._closed:
            raise ValueError("it is closed")
        if not self._lane:
            self._lane = Lane(self._settings)
        return self._lane

    def _work(self, function: Any, *args: Any) -> Work:
        """A call of function(vm, *args, err) on the machine, which is opened before where it is not."""
        lane = self._own_lane()

        def work(err: Any) -> int:
            code = opened(lane, self._facts.name, err)
            if code == 0:
                code = function(lane.vm, *args, err)
                self._facts = Facts.of(lane.vm)
                if self.state is not State.RUNNING:
                    self._pool.drop()
            return code
        return work

    def _start(self, streams: Streams, function: Any, options: Callable[[Memory], Any]) -> Start:
        """A program of it, about to be started."""
        if self._closed:
            streams.close(True)
            raise ValueError("it is closed")
        return Start(self.name, self._pool, streams, function, options)

    def _claude(self, prompt: str, args: Sequence[Word], permission_mode: str | None, env: Mapping[str, str] | None,
                host_login: bool, timeout: float | None) -> Claude:
        def start(streams: Streams) -> Start:
            return self._start(streams, lib.csb_vm_spawn_claude, claude_options(
                [*STREAM, *argv(args)], prompt, permission_mode, env, host_login, False, streams))
        return Claude(start, timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.state.value}>"

    @property
    def name(self) -> str:
        return self._facts.name

    @property
    def engine(self) -> str:
        """ "lima" or "qemu"."""
        return self._facts.engine

    @property
    def state(self) -> State:
        return self._facts.state

    @property
    def state_reason(self) -> str:
        """Why it is broken, or ""."""
        return self._facts.state_reason

    @property
    def project_dir(self) -> pathlib.Path | None:
        """The real path of its project, on the host and in the guest; None where it has none."""
        return self._facts.project_dir

    @property
    def is_protected(self) -> bool:
        return self._facts.is_protected

    @property
    def cpus(self) -> int | None:
        return self._facts.cpus

    @property
    def memory(self) -> int | None:
        """In bytes; None, here and below, where it is not known."""
        return self._facts.memory

    @property
    def disk(self) -> int | None:
        """Its size in bytes, as the guest sees it."""
        return self._facts.disk

    @property
    def disk_used(self) -> int | None:
        """What it takes up on the host, in bytes."""
        return self._facts.disk_used

    @property
    def created(self) -> datetime.datetime | None:
        """In UTC, as an aware datetime."""
        return self._facts.created

    @property
    def started(self) -> datetime.datetime | None:
        """When it was last started, in UTC; None when it is stopped."""
        return self._facts.started

    @property
    def ssh_config(self) -> pathlib.Path | None:
        """For ``ssh -F CONFIG HOST``; None before the first start."""
        return self._facts.ssh_config

    @property
    def ssh_host(self) -> str | None:
        return self._facts.ssh_host

    def cancel(self) -> None:
        """Ends the call that changes or asks it, with CanceledError in whoever made it; from any thread. Programs go
        on."""
        if self._lane:
            self._lane.cancel_running()

    def close(self) -> None:
        """Frees the handle; the machine is not touched. A call that runs on it is cancelled."""
        self._closed = True
        self._pool.drop()
        if self._lane:
            self._lane.close()


class VM(Machine):
    """A machine of ours, from a Context. Its methods block; see Context for what they have in common.

    Use it from any thread; calls that change the machine come one after the other.
    """

    def __enter__(self) -> VM:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, function: Any, *args: Any, timeout: float | None = None) -> None:
        self._own_lane().call(self._work(function, *args), timeout)

    def refresh(self) -> None:
        """Asks the engine anew.

        Raises NotFoundError when there is no such machine any more, EngineError.
        """
        self._call(lib.csb_vm_refresh)

    def start(self, *, timeout: float | None = None) -> None:
        """Starts it, or joins whoever is starting it, and returns when programs can be run in it. One that runs
        stays as it is.

        Raises EngineError (it did not come up; ``detail`` has the end of its console), ProtocolError (it came up
        with other mounts than asked, and was stopped), BusyError, TimedOutError, NotFoundError.
        """
        self._call(lib.csb_vm_start, timeout=timeout)

    def stop(self, *, force: bool = False, suspend: bool = False, timeout: float | None = None) -> None:
        """Stops it; one that is stopped stays so.

        force: pulls the plug instead of shutting it down.
        suspend: keeps its memory; its own programs go on at the next start (qemu only).

        Raises EngineError, BusyError (a program uses the project, which can't be kept), NotSupportedError,
        TimedOutError.
        """
        self._call(lib.csb_vm_stop, stop_flags(force, suspend), timeout=timeout)

    def delete(self, *, force: bool = False, timeout: float | None = None) -> None:
        """Deletes it with its disk, for good. The project is not touched.

        force: also one that runs, or whose engine can't tell.

        Raises StateError (it runs, or is protected), else as stop().
        """
        self._call(lib.csb_vm_delete, lib.CSB_DELETE_FORCE if force else 0, timeout=timeout)

    def rename(self, name: str, *, replace: bool = False, dry_run: bool = False) -> None:
        """Gives a stopped machine another name.

        replace: one of ours that has the name, and is stopped, is deleted for it, also a protected one.
        dry_run: only raises what would be in the way.

        Raises InvalidArgumentError, ExistsError, StateError, NotSupportedError, BusyError, EngineError.
        """
        flags = (lib.CSB_RENAME_REPLACE if replace else 0) | (lib.CSB_RENAME_CHECK if dry_run else 0)
        self._call(lib.csb_vm_rename, encoded(name), flags)

    def protect(self, on: bool = True) -> None:
        """Has delete() refuse it, with force too, until protect(False)."""
        self._call(lib.csb_vm_protect, int(on))

    def configure(self, *, cpus: int | None = None, memory: Size | None = None, disk: Size | None = None,
                  settings_dir: Path | None = None, settings_writable: bool | None = None) -> bool:
        """Changes what it is like from its next start; what is None stays as it is.

        Returns whether it runs, and so goes on as it was until it is stopped and started.

        Raises InvalidArgumentError (sizes or a directory that can't be; a disk smaller than it is), BusyError.
        """
        memory_of_c, later = Memory(), ffi.new("int *")
        options = Options(cpus=cpus, memory=memory, disk=disk, settings_dir=settings_dir,
                          settings_writable=settings_writable).to_c(memory_of_c)
        self._call(lib.csb_vm_configure, options, later)
        return bool(later[0])

    def set_ports(self, ports: Iterable[tuple[int, int]]) -> None:
        """Says which ports of the guest the host can reach from now on, at its own loopback, instead of those said
        before: (host, guest) each. At once when it runs, and at every later start.

        Raises InvalidArgumentError, BusyError (somebody has one of the host's ports; nothing is changed then).
        """
        memory = Memory()
        self._call(lib.csb_vm_set_ports, *ports_to_c(ports, memory))

    def carry_socket(self, path: Path, name: str) -> None:
        """Lets programs in the guest connect to a unix socket of the host, until it stops: at
        /dev/shm/claude-sandbox-UID/NAME.sock, UID being the guest's user. Give each machine a socket of its own.

        name: 1 to 32 lower case letters, digits and "-".

        Raises InvalidArgumentError, StateError (it does not run), EngineError, ProtocolError.
        """
        self._call(lib.csb_vm_carry_socket, host_path(path), encoded(name))

    def activity(self) -> Activity:
        """Asks the guest what Claude does there now.

        Raises StateError (it does not run), EngineError (the connection failed), ProtocolError.
        """
        found = ffi.new("int *")
        self._call(lib.csb_vm_activity, found)
        return Activity(found[0])

    # -- programs --

    def spawn(self, args: Sequence[Word], *, cwd: Word | None = None, env: Mapping[str, str] | None = None,
              stdin: Stream = None, stdout: Stream = None, stderr: Stream = None, login: bool = False,
              tty: bool = False) -> Process:
        """Starts a program in the guest, as the user who owns the project, and does not wait for it. It does not
        outlive this process.

        args: the program and its arguments; they pass unchanged. With login they may be [], for the shell itself.
        cwd: absolute, in the guest; None: the project, else the home directory.
        env: for the program, besides what it has there; stands in no argument list and in no file.
        stdin, stdout, stderr: as in subprocess; None: ours.
        login: in the environment of a login shell. tty: on a terminal in the guest; stdin should be one here.

        Raises StateError (it does not run), EngineError (the connection failed), InvalidArgumentError.
        """
        streams = Streams(stdin, stdout, stderr)
        return spawn(self._start(streams, lib.csb_vm_spawn, exec_options(args, cwd, env, login, tty, streams)), args)

    @overload
    def run(self, args: Sequence[Word], *, cwd: Word | None = None, env: Mapping[str, str] | None = None,
            input: str | bytes | None = None, stdin: Stream = None, stdout: Stream = None, stderr: Stream = None,
            capture_output: bool = False, text: Literal[False] = False, timeout: float | None = None,
            check: bool = False, login: bool = False, tty: bool = False) -> subprocess.CompletedProcess[bytes]: ...

    @overload
    def run(self, args: Sequence[Word], *, cwd: Word | None = None, env: Mapping[str, str] | None = None,
            input: str | bytes | None = None, stdin: Stream = None, stdout: Stream = None, stderr: Stream = None,
            capture_output: bool = False, text: Literal[True], timeout: float | None = None,
            check: bool = False, login: bool = False, tty: bool = False) -> subprocess.CompletedProcess[str]: ...

    def run(self, args: Sequence[Word], *, cwd: Word | None = None, env: Mapping[str, str] | None = None,
            input: str | bytes | None = None, stdin: Stream = None, stdout: Stream = None, stderr: Stream = None,
            capture_output: bool = False, text: bool = False, timeout: float | None = None,
            check: bool = False, login: bool = False, tty: bool = False) -> subprocess.CompletedProcess[Any]:
        """Runs a program in the guest and waits for it: subprocess.run() with a machine in it. What is interrupted,
        or takes more than timeout seconds, is ended.

        text: what is captured is text, in UTF-8. The rest is as in spawn().

        Returns a subprocess.CompletedProcess, with the exit status as a shell says it: 126 and 127 where there is no
        such program, 128 + the signal's number where a signal ended it.

        Raises TimedOutError (with ``output`` and ``stderr`` until then), subprocess.CalledProcessError (check), else
        as spawn().
        """
        streams = run_streams(input, stdin, stdout, stderr, capture_output)
        start = self._start(streams, lib.csb_vm_spawn, exec_options(args, cwd, env, login, tty, streams))
        with spawn(start, args) as process:
            try:
                said = process.communicate(as_bytes(input), timeout)
            except _errors.TimedOutError as error:
                error.output, error.stderr = captured(error.output, text), captured(error.stderr, text)
                raise
            return finished(args, process.wait(), said, text, check)

    def claude(self, prompt: str, *, args: Sequence[Word] = (), permission_mode: str | None = None,
               env: Mapping[str, str] | None = None, host_login: bool = False,
               timeout: float | None = None) -> Claude:
        """Claude Code at work on a prompt, in the project's directory: a loop over it gives its messages as they
        come, finish() the last one.

        args: for claude, such as ["--model", "opus"] or ["--resume", session_id].
        permission_mode: None: bypassPermissions, unless args choose one.
        env: besides what is passed by itself: Claude's credentials and endpoint (ANTHROPIC_API_KEY, ...).
        host_login: takes the login of your own Claude Code into the guest where there are no other credentials.
        timeout: for all of it, in seconds.
        """
        return self._claude(prompt, args, permission_mode, env, host_login, timeout)
