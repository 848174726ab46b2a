"""Machines and errors, as a program of somebody else sees them."""
from __future__ import annotations

import gc
import logging
import math
import os
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import Callable

import claudesandbox as cs
import pytest
from claudesandbox import _errors
from claudesandbox._native import ffi, lib
from conftest import Web
from fakelab import FakeLab
from sandbox import until


# ---- errors ------------------------------------------------------------------------------------------------

def test_each_code_has_an_exception() -> None:
    codes = range(-1, -100, -1)
    known = {code for code in codes if ffi.string(lib.csb_error_name(code)) != b"UNKNOWN"}
    assert set(_errors.BY_CODE) == known
    assert len(set(_errors.BY_CODE.values())) == len(known)
    for code, kind in _errors.BY_CODE.items():
        error = _errors.make(code)
        assert type(error) is kind and getattr(cs, kind.__name__) is kind and kind.__name__ in cs.__all__
        assert (error.code, error.name) == (code, ffi.string(lib.csb_error_name(code)).decode())
        assert error.name in (kind.__doc__ or "") and str(error)


@pytest.mark.parametrize("kind, builtin", [
    (cs.NotFoundError, FileNotFoundError), (cs.ExistsError, FileExistsError), (cs.TimedOutError, TimeoutError),
    (cs.InvalidArgumentError, ValueError), (cs.OutOfMemoryError, MemoryError), (cs.SystemCallError, OSError)])
def test_an_exception_is_also_pythons(kind: type[cs.Error], builtin: type[Exception]) -> None:
    assert issubclass(kind, builtin)


def test_an_error_tells_what_the_library_tells(ctx: cs.Context) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        ctx.open("nobody")
    error = caught.value
    assert isinstance(error, cs.NotFoundError)
    assert (error.name, error.code, error.errno, error.exit_status) == ("ENOTFOUND", lib.CSB_ENOTFOUND, None, None)
    assert "nobody" in error.message and str(error).startswith(error.message)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cs.NotFoundError and str(again) == str(error) and again.__dict__ == error.__dict__


def test_an_error_of_the_engine_has_its_words(lab: FakeLab, ctx: cs.Context, base: str) -> None:
    lab.faults({"verb": "clone", "stderr": "no room left", "exit": 3})
    with pytest.raises(cs.EngineError) as caught:
        ctx.clone(base, "one")
    assert caught.value.exit_status == 3 and "no room left" in caught.value.detail + caught.value.message


@pytest.mark.parametrize("wrong", [
    lambda ctx: ctx.create(), lambda ctx: ctx.create("a/b"), lambda ctx: ctx.create("a\0b"),
    lambda ctx: ctx.create("a", cpus=-1), lambda ctx: ctx.create("a", cpus=1 << 40),
    lambda ctx: ctx.create("a", memory="lots"), lambda ctx: ctx.create("a", memory=-5),
    lambda ctx: ctx.create("a", disk=1 << 80), lambda ctx: ctx.create("a", ports=[(0, 80)]),
    lambda ctx: ctx.create("a", ports=[(80, 65536)]), lambda ctx: ctx.create("a", ports=[(80, 1), (80, 2)]),
    lambda ctx: ctx.create("a", mounts=[cs.Mount("/nonexistent")]),
    lambda ctx: ctx.create("a", template="/nonexistent"),
    lambda ctx: cs.Context(engine="xen"), lambda ctx: cs.Context(timeout=0), lambda ctx: cs.Context(timeout=-1),
    lambda ctx: cs.Context(timeout=math.nan)])
def test_wrong_arguments(ctx: cs.Context, wrong: Callable[[cs.Context], object]) -> None:
    with pytest.raises(cs.InvalidArgumentError):
        wrong(ctx)


# ---- machines ----------------------------------------------------------------------------------------------

def test_the_life_of_a_machine(lab: FakeLab, ctx: cs.Context, base: str) -> None:
    project = lab.project()
    vm = ctx.clone(base, project_dir=project, cpus=2, memory="2GiB", ports=[cs.Port(18080, 80)])
    assert vm.state is cs.State.STOPPED and vm.state == "stopped" and vm.started is None
    assert (vm.project_dir, vm.engine, vm.cpus, vm.memory) == (project, "lima", 2, 2 << 30)
    assert vm.created and abs(vm.created.timestamp() - time.time()) < 3600
    vm.start()
    assert vm.state is cs.State.RUNNING and vm.ssh_config and vm.ssh_config.is_file() and vm.ssh_host
    with pytest.raises(cs.StateError):
        vm.delete()
    assert ctx.for_project(str(project)).name == ctx.open(vm.name).name == vm.name
    with pytest.raises(cs.NotSupportedError, match="lima engine can't keep"):
        vm.stop(suspend=True)
    assert vm.state is cs.State.RUNNING
    vm.stop()
    assert vm.configure(cpus=3) is False
    name = vm.name
    vm.rename("other")
    assert vm.name == "other" and [one.name for one in ctx.vms()] == ["other"] != [name]
    vm.protect()
    assert vm.is_protected
    with pytest.raises(cs.StateError):
        vm.delete(force=True)
    vm.protect(False)
    vm.delete()
    assert ctx.vms() == [] and project.is_dir()
    with pytest.raises(cs.NotFoundError):
        vm.refresh()
    assert repr(vm).startswith("<VM other ")


def test_one_of_the_list_can_be_used(ctx: cs.Context, base: str) -> None:
    for name in ("b", "a"):
        ctx.clone(base, name)
    a, b = ctx.vms()
    assert (a.name, b.name, a.state) == ("a", "b", "stopped")
    a.start()
    assert [vm.state for vm in ctx.vms()] == [cs.State.RUNNING, cs.State.STOPPED]
    b.delete()
    with pytest.raises(cs.ExistsError):
        ctx.clone(base, "a")


def test_engine_and_template(lab: FakeLab, ctx: cs.Context) -> None:
    engine = ctx.engine()
    assert engine.name == "lima" and "lima" in engine.reason
    assert ctx.template.is_file() and ctx.state_dir == lab.state


def test_what_guests_need_is_in_the_package(lab: FakeLab) -> None:
    package = Path(cs.__file__).parent
    assert cs.Context().template == package / "guest/tools-vm.yaml"
    if os.uname().sysname == "Linux":
        assert os.access(package / "guest/csb-guest", os.X_OK) and (package / "guest/image/build").is_file()
    assert cs.Context(guest_dir=lab.root).template == lab.root / "tools-vm.yaml"


def test_what_was_left_behind_is_removed(lab: FakeLab, ctx: cs.Context, base: str) -> None:
    vm = ctx.clone(base, "gone")
    lab.limactl("delete", "--force", vm.name)
    found = ctx.clean(dry_run=True)
    assert found and found == ctx.clean() and ctx.clean() == []
    assert all(one.error is None and isinstance(one.path, Path) for one in found)


def test_home_directories_are_understood(lab: FakeLab, ctx: cs.Context, base: str) -> None:
    project = lab.home / "project"
    project.mkdir()
    assert ctx.clone(base, project_dir="~/project").project_dir == project


# ---- being told --------------------------------------------------------------------------------------------

def test_progress_and_log(lab: FakeLab, base: str, caplog: pytest.LogCaptureFixture) -> None:
    steps: list[tuple[int, int, str]] = []
    caplog.set_level(logging.DEBUG, "claudesandbox")
    with cs.Context(progress=lambda *step: steps.append(step)) as ctx:
        ctx.clone(base, "one").start()
    assert steps and all(text for _, _, text in steps)
    assert [record for record in caplog.records if record.name == "claudesandbox"]


def test_what_progress_raises_ends_the_call(lab: FakeLab, base: str) -> None:
    class Enough(Exception):
        pass

    def progress(step: int, steps: int, text: str) -> None:
        raise Enough

    with cs.Context(progress=progress) as ctx:
        with pytest.raises(Enough):
            ctx.clone(base, "one").start()
    with cs.Context() as ctx:
        assert ctx.vms() == []


# ---- ending calls ------------------------------------------------------------------------------------------

@pytest.fixture
def hanging(lab: FakeLab, ctx: cs.Context, base: str) -> cs.VM:
    """Its start takes for ever."""
    vm = ctx.clone(base, "one")
    lab.faults({"verb": "start", "hang": True})
    return vm


def when(condition: Callable[[], object], act: Callable[[], None]) -> threading.Thread:
    """In another thread."""
    def wait() -> None:
        until(condition, "its moment")
        act()
    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c(lab: FakeLab, hanging: cs.VM) -> None:
    thread = when(lab.is_struck, interrupt)
    with pytest.raises(KeyboardInterrupt):
        hanging.start()
    thread.join()
    until(lambda: not lab.orphans(), "what was called has ended")
    lab.faults()
    hanging.start()
    assert hanging.state is cs.State.RUNNING


def test_a_handler_that_raises_nothing_ends_nothing(lab: FakeLab, ctx: cs.Context, base: str) -> None:
    seen: list[int] = []
    vm = ctx.clone(base, "one")
    lab.faults({"verb": "start", "delay": 1})
    old = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        thread = when(lab.is_struck, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        vm.start()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert seen == [signal.SIGUSR1] and vm.state is cs.State.RUNNING


def test_a_handler_of_another_signal_ends_it_too(lab: FakeLab, hanging: cs.VM) -> None:
    def raising(number: int, frame: object) -> None:
        raise LookupError

    old = signal.signal(signal.SIGALRM, raising)
    try:
        when(lab.is_struck, lambda: os.kill(os.getpid(), signal.SIGALRM))
        with pytest.raises(LookupError):
            hanging.start()
    finally:
        signal.signal(signal.SIGALRM, old)


@pytest.mark.parametrize("in_main_thread", [True, False])
def test_timeout(hanging: cs.VM, in_main_thread: bool) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        with pytest.raises(TimeoutError, match="0.5 s") as caught:
            hanging.start(timeout=0.5)
        errors.append(caught.value)

    if in_main_thread:
        start()
    else:
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
    assert isinstance(errors[0], cs.TimedOutError)


def test_timeout_of_a_context(lab: FakeLab, hanging: cs.VM) -> None:
    with cs.Context(timeout=0.5) as ctx, pytest.raises(cs.TimedOutError):
        ctx.open("one").start()


def test_cancelled_by_another_thread(lab: FakeLab, hanging: cs.VM) -> None:
    thread = when(lab.is_struck, hanging.cancel)
    with pytest.raises(cs.CanceledError):
        hanging.start()
    thread.join()


def test_a_context_cancels_all(lab: FakeLab, ctx: cs.Context, hanging: cs.VM) -> None:
    thread = when(lab.is_struck, ctx.cancel)
    with pytest.raises(cs.CanceledError):
        hanging.start()
    thread.join()
    hanging.cancel()        # nothing runs: it is not kept for the next call
    hanging.refresh()


def test_one_that_waits_for_its_turn_leaves_the_other_alone(lab: FakeLab, hanging: cs.VM) -> None:
    """Ctrl-C is for the call of the main thread."""
    ends: list[str] = []

    def start() -> None:
        with pytest.raises(cs.CanceledError):
            hanging.start()
        ends.append("cancelled")

    first = threading.Thread(target=start)
    first.start()
    lab.is_struck()
    when(lambda: len(hanging._own_lane()._queue) == 1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        hanging.refresh()
    assert first.is_alive() and ends == []
    hanging.cancel()
    first.join()
    assert ends == ["cancelled"]


def test_a_cancel_that_comes_too_late_is_not_for_the_next_call(vm: cs.VM) -> None:
    lane = vm._own_lane()
    lib.csb_ctx_cancel(lane.ctx)
    lane.is_late()
    vm.stop()
    lib.csb_ctx_cancel(lane.ctx)    # but this one is
    with pytest.raises(cs.CanceledError):
        vm.start()


def test_closing_cancels(lab: FakeLab, hanging: cs.VM) -> None:
    thread = when(lab.is_struck, hanging.close)
    with pytest.raises(cs.CanceledError):
        hanging.start()
    thread.join()
    with pytest.raises(ValueError, match="closed"):
        hanging.start()


# ---- threads and handles -----------------------------------------------------------------------------------

def test_different_machines_at_the_same_time(lab: FakeLab, ctx: cs.Context, base: str) -> None:
    """Each start waits until the other has begun."""
    for name in ("a", "b"):
        ctx.clone(base, name)
    lab.faults({"verb": "start", "hang": True})
    threads = [threading.Thread(target=lambda vm=vm: pytest.raises(cs.CanceledError, vm.start)) for vm in ctx.vms()]
    for thread in threads:
        thread.start()
    until(lambda: len(lab.calls(event="fault")) == 2, "both are being started")
    ctx.cancel()
    for thread in threads:
        thread.join()


def test_one_machine_from_many_threads(ctx: cs.Context, vm: cs.VM) -> None:
    failures: list[BaseException] = []

    def use() -> None:
        try:
            for _ in range(3):
                vm.refresh()
                assert vm.state is cs.State.RUNNING and vm.ssh_config
                assert [one.name for one in ctx.vms()] == [vm.name]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def resident() -> int:
    """In bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


Measure = Callable[..., None]


@pytest.fixture
def measured() -> Measure:
    """Does it many times; neither descriptors nor memory may grow by it, handles of C least of all."""
    def measure(cycle: Callable[[], None], times: int = 10_000) -> None:
        for _ in range(times // 10):        # until pools are filled and caches are warm
            cycle()
        gc.collect()
        before, files = resident(), len(os.listdir("/proc/self/fd"))
        for _ in range(times):
            cycle()
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == files
        assert resident() - before < 2 << 20
    return measure


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="measured in /proc")
class TestLeaks:
    def test_contexts(self, lab: FakeLab, measured: Measure) -> None:
        def cycle() -> None:
            with cs.Context(progress=print) as ctx:
                assert ctx.state_dir
        measured(cycle)

    def test_contexts_that_nobody_closes(self, lab: FakeLab, measured: Measure) -> None:
        measured(lambda: cs.Context() and None)

    def test_machines(self, ctx: cs.Context, web: Web, measured: Measure) -> None:
        """Of an engine that needs no program to tell of them."""
        def cycle() -> None:
            with ctx.open("web") as vm:
                assert vm.name == "web"
        measured(cycle)

    def test_hooks(self, ctx: cs.Context, web: Web, measured: Measure) -> None:
        measured(lambda: ctx.hooks().open() and None, 500)

    def test_errors(self, ctx: cs.Context, measured: Measure) -> None:
        def cycle() -> None:
            with pytest.raises(cs.InvalidArgumentError):
                ctx.create("a/b", mounts=[cs.Mount("/usr")], ports=[(1, 1)])
        measured(cycle)
