"""Where machines are made and found."""
from __future__ import annotations

import os
import pathlib
import weakref
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple

from . import _errors
from ._convert import Memory, Path, Size, encoded, host_path, milliseconds
from ._hooks import Hooks, Policy
from ._lane import Lane, Progress, Settings, Work
from ._native import ffi, lib
from ._vm import VM, Facts, Mount, Options

if TYPE_CHECKING:
    from ._aio import AsyncContext

GUEST_FILES = pathlib.Path(__file__).absolute().parent / "guest"


def version() -> str:
    """Of the library that is inside of this package, such as "0.1.0"."""
    return _errors.text_of(lib.csb_version())


class Engine(NamedTuple):
    """What new machines are made with."""

    name: str
    """ "lima" or "qemu"."""
    reason: str
    """One line that says why."""


class Leftover(NamedTuple):
    """Something that belongs to no machine any more."""

    what: str
    path: pathlib.Path
    size: int
    """In bytes, on the disk; 0 where that is nothing, or unknown."""
    error: _errors.Error | None
    """Why it could not be removed."""


@ffi.def_extern()   # type: ignore[untyped-decorator, unused-ignore]
def csb_py_clean(what: Any, path: Any, size: int, failure: Any, userdata: Any) -> None:
    error = None if failure == ffi.NULL else _errors.from_c(lib.csb_error_code(failure), failure)
    ffi.from_handle(userdata).append(
        Leftover(_errors.text_of(what), pathlib.Path(_errors.text_of(path)), size, error))


def guest_files(given: Path | None) -> bytes | None:
    """None leaves the choice to the library."""
    if given is not None:
        return host_path(given)
    return host_path(GUEST_FILES) if GUEST_FILES.is_dir() and not os.environ.get("CLAUDE_SANDBOX_GUEST_DIR") else None


class Making:
    """One call that ends in a machine."""

    def __init__(self, settings: Settings, function: Any, *args: Any) -> None:
        self.lane = Lane(settings)
        self._settings, self._function, self._args = settings, function, args
        self.facts: Facts | None = None

    def work(self, err: Any) -> int:
        made = ffi.new("csb_vm **")
        code: int = self._function(self.lane.ctx, *self._args, made, err)
        if code == 0:
            self.lane.vm = made[0]
            self.facts = Facts.of(made[0])
        return code

    def parts(self) -> tuple[Settings, Facts, Lane]:
        assert self.facts
        return self._settings, self.facts, self.lane


class Listing:
    """The call that lists all machines."""

    def __init__(self, lane: Lane) -> None:
        self._lane, self.facts = lane, list[Facts]()

    def work(self, err: Any) -> int:
        made = ffi.new("csb_vm_list **")
        code: int = lib.csb_vm_list_new(self._lane.ctx, made, err)
        if code == 0:
            try:
                self.facts = [Facts.of(lib.csb_vm_list_get(made[0], i))
                              for i in range(lib.csb_vm_list_count(made[0]))]
            finally:
                lib.csb_vm_list_free(made[0])
        return code


class Cleaning:
    """The call that removes what was left behind."""

    def __init__(self, lane: Lane, dry_run: bool) -> None:
        self._lane, self._flags = lane, lib.CSB_CLEAN_DRY_RUN if dry_run else 0
        self.found = list[Leftover]()

    def work(self, err: Any) -> int:
        found: list[Leftover] = []
        handle = ffi.new_handle(found)
        code: int = lib.csb_ctx_clean(self._lane.ctx, self._flags, lib.csb_py_clean, handle, err)
        self.found = found
        return code


class Home:
    """What Context and AsyncContext share: the settings, and whatever was made with them."""

    def __init__(self, settings: Settings, lane: Lane) -> None:
        self._settings, self._lane = settings, lane
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        self._state_dir = _errors.text_of(lib.csb_ctx_state_dir(lane.ctx))
        self._template = _errors.text_of(lib.csb_ctx_template(lane.ctx))

    @property
    def state_dir(self) -> pathlib.Path:
        """The directory that holds everything of ours."""
        return pathlib.Path(self._state_dir)

    @property
    def template(self) -> pathlib.Path:
        """The template of the tools VM, which comes with this package."""
        return pathlib.Path(self._template)

    def _making(self, function: Any, *args: Any) -> Making:
        making = Making(self._settings, function, *args)
        self._open.add(making.lane)
        return making

    def _create(self, template: Path | None, options: Options) -> Making:
        memory = Memory()
        path = memory.string(None if template is None else host_path(template))
        return self._making(_keeping(memory, lib.csb_vm_create), path, options.to_c(memory))

    def _clone(self, base: str, options: Options) -> Making:
        memory = Memory()
        return self._making(_keeping(memory, lib.csb_vm_clone), encoded(base), options.to_c(memory))

    def _engine(self, found: list[Engine]) -> Work:
        def work(err: Any) -> int:
            name, why = ffi.new("char *[1]"), ffi.new("char *[1]")
            code: int = lib.csb_ctx_engine(self._lane.ctx, ffi.cast("const char **", name),
                                           ffi.cast("const char **", why), err)
            if code == 0:
                found.append(Engine(_errors.text_of(name[0]), _errors.text_of(why[0])))
            return code
        return work

    def cancel(self) -> None:
        """Ends all calls that run on it and on its machines, with CanceledError. From any thread."""
        for one in [self._lane, *self._open]:
            one.cancel_running() if isinstance(one, Lane) else one.cancel()

    def close(self) -> None:
        """Closes it and the handles that were made from it; no machine is touched."""
        for one in [*self._open, self._lane]:
            one.close()


def _keeping(memory: Memory, function: Any) -> Any:
    """A function that has its arguments' memory with it."""
    def call(*args: Any) -> Any:
        assert memory
        return function(*args)
    return call


class Context(Home):
    """Where machines are kept, and with what they are made. To begin with: ``with Context() as ctx``.

    state_dir: default $CLAUDE_SANDBOX_HOME, else ~/.claude-sandbox.
    engine: "lima" or "qemu"; default $CLAUDE_SANDBOX_ENGINE, else what works here.
    limactl: its path; default: found on PATH.
    guest_dir: the guest image's recipe; default $CLAUDE_SANDBOX_GUEST_DIR, else as it comes with this package.
    timeout: for each call that works on a machine, in seconds; None: the call's own, math.inf: none.
    progress: called as progress(step, steps, text) when long work enters a new phase; 0 of 0 where that is not
        known. It may be called in another thread than yours. What it raises ends the call.

    Warnings and debugging talk go to the logger "claudesandbox".

    Everything that blocks can be interrupted: with Ctrl-C, or by what any other signal handler of yours raises,
    the call is cancelled, what it had half done is undone, and the exception comes. ``timeout`` of a call does
    the same, with TimedOutError. Any thread may use it; calls on different machines run at the same time.

    Raises InvalidArgumentError (a path or an engine that can't be), NotSupportedError (you are root).

    With ``async with`` it is an AsyncContext, whose calls are awaited.
    """

    def __init__(self, *, state_dir: Path | None = None, engine: str | None = None, limactl: Path | None = None,
                 guest_dir: Path | None = None, timeout: float | None = None,
                 progress: Progress | None = None) -> None:
        settings = Settings({
            "state_dir": None if state_dir is None else host_path(state_dir),
            "engine": None if engine is None else encoded(engine),
            "limactl": None if limactl is None else host_path(limactl),
            "guest_dir": guest_files(guest_dir)}, milliseconds(timeout), progress)
        super().__init__(settings, Lane(settings))

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self, making: Making, timeout: float | None = None) -> VM:
        making.lane.call(making.work, timeout)
        return self._opened(VM(*making.parts()))

    def _opened(self, vm: VM) -> VM:
        self._open.add(vm)
        return vm

    def engine(self) -> Engine:
        """What new machines are made with, decided on the first call: the engine asked for, else lima where it is
        usable, else qemu.

        Raises NoEngineError, whose ``hint`` says what to install.
        """
        found: list[Engine] = []
        self._lane.call(self._engine(found))
        return found[-1]

    def create(self, name: str | None = None, *, template: Path | None = None, project_dir: Path | None = None,
               settings_dir: Path | None = None, settings_writable: bool | None = None, cpus: int | None = None,
               memory: Size | None = None, disk: Size | None = None, mounts: Iterable[Mount] = (),
               ports: Iterable[tuple[int, int]] = (), force_mount: bool = False,
               timeout: float | None = None) -> VM:
        """Makes a machine, which is stopped then. The very first one of the qemu engine makes its image, too, which
        takes minutes.

        template: a Lima template (YAML); None: the engine's own image (qemu), or ``ctx.template`` (lima).
        The rest is as in Options; it needs a name or a project_dir.

        Raises InvalidArgumentError (options or a template that can't be; a directory that another machine can
        write), ExistsError (the name or the project has a machine), NoEngineError, EngineError,
        NotSupportedError, BusyError, TimedOutError. Nothing is left then.
        """
        options = Options(name, project_dir, settings_dir, settings_writable, cpus, memory, disk, mounts, ports,
                          force_mount)
        return self._make(self._create(template, options), timeout)

    def clone(self, base: str, name: str | None = None, *, project_dir: Path | None = None,
              settings_dir: Path | None = None, settings_writable: bool | None = None, cpus: int | None = None,
              memory: Size | None = None, disk: Size | None = None, mounts: Iterable[Mount] = (),
              ports: Iterable[tuple[int, int]] = (), force_mount: bool = False, timeout: float | None = None) -> VM:
        """Makes a machine as a copy of another, which must be stopped and stays as it is.

        base: the name of one of ours, or (lima) of any in the same LIMA_HOME.
        The rest is as in create(); sizes that are None are the base's.

        Raises what create() does, and NotFoundError (no such base), StateError (it is not stopped).
        """
        options = Options(name, project_dir, settings_dir, settings_writable, cpus, memory, disk, mounts, ports,
                          force_mount)
        return self._make(self._clone(base, options), timeout)

    def open(self, name: str) -> VM:
        """One of our machines.

        Raises NotFoundError, InvalidArgumentError (that is no name), EngineError.
        """
        return self._make(self._making(lib.csb_vm_open, encoded(name)))

    def for_project(self, project_dir: Path) -> VM:
        """The machine of a project. Symbolic links are followed; a directory that is gone is looked up, too.

        Raises NotFoundError when it has none, else as open().
        """
        return self._make(self._making(lib.csb_vm_for_project, host_path(project_dir)))

    def vms(self) -> list[VM]:
        """All machines that we made, on every engine, sorted by name. One whose engine does not answer is
        State.BROKEN."""
        listing = Listing(self._lane)
        self._lane.call(listing.work)
        return [self._opened(VM(self._settings, facts)) for facts in listing.facts]

    def clean(self, *, dry_run: bool = False) -> list[Leftover]:
        """Removes what belongs to no machine any more, such as what interrupted creations left, and says what that
        was. What somebody works on is left alone.

        dry_run: only says what there is.

        Raises BusyError (a machine is half renamed), TimedOutError.
        """
        cleaning = Cleaning(self._lane, dry_run)
        self._lane.call(cleaning.work)
        return cleaning.found

    def hooks(self, *, policy: Policy | None = None, watch: bool = False) -> Hooks:
        """What Claude Code in all machines of the state directory reports, as it happens: see Hooks.

        policy: called with each event as it arrives, and has to be quick, for all others wait; what it answers is
            answered at once. What it raises, the loop raises.
        watch: only looks: no answers, and Claude waits for none; somebody else has to listen already.
        """
        return Hooks(self._settings, policy, watch)

    async def __aenter__(self) -> AsyncContext:
        from ._aio import AsyncContext
        self._async = AsyncContext(self._settings, self._lane)
        return self._async

    async def __aexit__(self, *_: object) -> None:
        self._async.close()
