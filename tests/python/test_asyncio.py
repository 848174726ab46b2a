"""The same with asyncio. Each test is one asyncio.run()."""
from __future__ import annotations

import asyncio
import functools
import subprocess
import threading
from typing import Any, Awaitable, Callable

import claudesandbox as cs
import pytest
from conftest import Web
from fakelab import FakeLab
from sandbox import is_alive
from test_hooks import BASH, STOP, decision
from test_process import SLEEP, lines, pid_of, write_claude

__all__ = ["lines"]


def run_async(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **more: Any) -> None:
        async def all_of_it() -> None:
            await asyncio.wait_for(test(*args, **more), 120)
        asyncio.run(all_of_it())
    return run


async def running(ctx: cs.AsyncContext, lab: FakeLab, base: str) -> cs.AsyncVM:
    vm = await ctx.clone(base, project_dir=lab.project())
    await vm.start()
    return vm


@run_async
async def test_the_life_of_a_machine(lab: FakeLab, base: str) -> None:
    async with cs.Context() as ctx:
        assert (await ctx.engine()).name == "lima" and await ctx.clean() == []
        vm = await running(ctx, lab, base)
        assert vm.state is cs.State.RUNNING and (await ctx.for_project(lab.project())).name == vm.name
        await vm.refresh()
        await vm.stop()
        assert await vm.configure(cpus=2) is False
        await vm.rename("other")
        await vm.protect()
        assert (await ctx.open("other")).is_protected
        await vm.protect(False)
        await vm.delete()
        assert await ctx.vms() == []
        with pytest.raises(cs.NotFoundError):
            await ctx.open("other")
    with pytest.raises(ValueError, match="closed"):
        await vm.refresh()


@run_async
async def test_the_loop_goes_on_meanwhile(lab: FakeLab, base: str) -> None:
    """Two starts that wait for ever, a third task that cancels them."""
    async with cs.Context() as ctx:
        vms = [await ctx.clone(base, name) for name in ("a", "b")]
        lab.faults({"verb": "start", "hang": True})
        starts = [asyncio.ensure_future(vm.start()) for vm in vms]
        while len(lab.calls(event="fault")) < 2:
            await asyncio.sleep(0.02)
        for start in starts:
            start.cancel()
        for start in starts:
            with pytest.raises(asyncio.CancelledError):
                await start
        assert lab.orphans() == []      # it is undone, and not only asked for
        lab.faults()
        await vms[0].start()
        with pytest.raises(cs.TimedOutError):
            lab.faults({"verb": "start", "hang": True})
            await vms[1].start(timeout=0.5)
        await no_threads()


async def no_threads() -> None:
    """All that were ours have ended."""
    while threading.active_count() > 1:
        await asyncio.sleep(0.02)


@run_async
async def test_programs(lab: FakeLab, base: str) -> None:
    async with cs.Context() as ctx:
        vm = await running(ctx, lab, base)
        done = await vm.run(["sh", "-c", "cat; echo err >&2; exit 3"], input="in", capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (3, "in", "err\n")
        data = b"x" * (1 << 20)
        assert (await vm.run(["cat"], input=data, capture_output=True)).stdout == data
        await vm.run(["true"], input=data, check=True)
        with pytest.raises(subprocess.CalledProcessError):
            await vm.run(["false"], check=True)
        async with await vm.spawn(["sh", "-c", "read x; echo \"<$x>\"; exit 4"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE) as process:
            assert process.stdin and process.stdout
            process.stdin.write(b"one\n")
            assert await process.stdout.readline() == b"<one>\n"
            assert await asyncio.gather(process.wait(), process.wait()) == [4, 4]
        process = await vm.spawn(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert await process.communicate(b"x") == (b"x", None)


@run_async
async def test_programs_that_are_ended(lab: FakeLab, base: str) -> None:
    async with cs.Context() as ctx:
        vm = await running(ctx, lab, base)
        with pytest.raises(cs.TimedOutError) as caught:
            await vm.run(SLEEP, capture_output=True, timeout=2)
        assert not is_alive(pid_of(caught.value.output))
        pid_file = lab.root / "pid"
        task = asyncio.ensure_future(vm.run(["sh", "-c", f"echo $$ >{pid_file}; exec sleep 300"]))
        while not pid_file.exists() or not pid_file.read_text():
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_alive(int(pid_file.read_text()))
        process = await vm.spawn(SLEEP)
        process.terminate()
        assert await process.wait() == 143


@run_async
async def test_claude(lab: FakeLab, base: str, lines: list[dict[str, Any]]) -> None:
    async with cs.Context() as ctx:
        vm = await running(ctx, lab, base)
        work = vm.claude("do it")
        assert [message.raw async for message in work] == lines
        assert work.result and work.result.text == "done" and work.returncode == 0 and work.stderr == "oops\n"
        assert (await vm.claude("do it")).num_turns == 2
        write_claude(lab, "echo no login >&2; exit 1\n")
        with pytest.raises(cs.ClaudeError, match="no login"):
            await vm.claude("do it")
        write_claude(lab, f"echo $$ >{lab.guest}/pid; head -n1 {lab.guest}/said; exec sleep 300\n")
        first = asyncio.ensure_future(collect(vm.claude("do it")))
        while not (lab.guest / "pid").exists():
            await asyncio.sleep(0.02)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not is_alive(int((lab.guest / "pid").read_text()))
        with pytest.raises(cs.TimedOutError):
            await vm.claude("do it", timeout=1)


async def collect(work: cs.Claude) -> list[cs.Message]:
    return [message async for message in work]


def test_claude_of_a_machine_that_is_not_asyncs(vm: cs.VM, lines: list[dict[str, Any]]) -> None:
    assert len(asyncio.run(collect(vm.claude("do it")))) == len(lines)


@run_async
async def test_hooks(lab: FakeLab, web: Web) -> None:
    async with cs.Context() as ctx:
        posting = web.posting(**BASH)
        held: list[cs.Event] = []
        async for event in ctx.hooks():
            if event.name == "Stop":
                break
            event.hold()
            held.append(event)
            asyncio.get_running_loop().call_later(0.1, functools.partial(deny, event))
            asyncio.get_running_loop().call_later(0.2, functools.partial(web.posting, **STOP))
        assert decision(posting.answer()) == "deny" and held
    await no_threads()


def deny(event: cs.Event) -> None:
    event.deny("not today")
    assert event.send()


@run_async
async def test_a_loop_over_hooks_is_cancelled_or_closed(lab: FakeLab, web: Web) -> None:
    async def listen(hooks: cs.Hooks) -> int:
        return len([event async for event in hooks])

    async with cs.Context() as ctx:
        one, two = ctx.hooks(), ctx.hooks()
        tasks = [asyncio.ensure_future(listen(hooks)) for hooks in (one, two)]
        while not one._listener.is_open() or not two._listener.is_open():
            await asyncio.sleep(0.02)
        two.close()
        assert await tasks[1] == 0
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        await no_threads()
        assert not list(web.socket_dir.glob("*.sock"))
