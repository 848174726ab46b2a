"""The same for asyncio. When a task is cancelled while it waits here, the call is, and what it had half done is
undone, before CancelledError comes. Calls of the library that have no descriptor to wait for run in a thread."""
from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from typing import Any, Iterable, Literal, Mapping, Sequence, overload

from . import _errors
from ._claude import Claude
from ._context import Cleaning, Engine, Home, Leftover, Listing, Making
from ._convert import Memory, Path, Size, Word, encoded, host_path
from ._hooks import Hooks, Policy, readable
from ._native import ffi, lib
from ._process import (
    POLL_SECONDS, Deadline, Handle, Start, Stream, Streams, as_bytes, captured, exec_options, finished, run_streams)
from ._vm import Activity, Machine, Mount, Options, ports_to_c, stop_flags


class AsyncProcess:
    """A program that runs in a guest, much as an asyncio.subprocess.Process. Leaving its ``async with`` block ends
    it."""

    def __init__(self, handle: Handle, args: Sequence[Word]) -> None:
        self._handle, self.args = handle, args
        self._ending: asyncio.Future[int] | None = None
        self._transports: list[asyncio.BaseTransport] = []
        self.stdin: asyncio.StreamWriter | None = None
        """What it reads, where stdin was PIPE; close it for the program to see the end."""
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None

    async def _connect(self) -> None:
        self.stdin = await self._writer(self._handle.fds[0])
        self.stdout, self.stderr = [await self._reader(fd) for fd in self._handle.fds[1:]]

    async def _reader(self, fd: int | None) -> asyncio.StreamReader | None:
        if fd is None:
            return None
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb"))
        self._transports.append(transport)
        return reader

    async def _writer(self, fd: int | None) -> asyncio.StreamWriter | None:
        if fd is None:
            return None
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "wb"))
        self._transports.append(transport)
        return asyncio.StreamWriter(transport, protocol, None, loop)

    async def __aenter__(self) -> AsyncProcess:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            self._handle.end_later()

    @property
    def returncode(self) -> int | None:
        """As Process.returncode."""
        return self._handle.returncode

    def poll(self) -> int | None:
        """As Process.poll()."""
        return self._handle.poll()

    async def _end(self) -> int:
        while (status := self.poll()) is None:
            if self._handle.end_fd >= 0:
                await readable(self._handle.end_fd)
            else:
                await asyncio.sleep(POLL_SECONDS)
        return status

    async def wait(self) -> int:
        """Waits for its end; its output is read meanwhile, some of it. When the waiting is cancelled it goes on.

        Raises EngineError (the connection broke: what was left of it in the guest is being ended).
        """
        if not self._ending:
            self._ending = asyncio.ensure_future(self._end())
        return await asyncio.shield(self._ending)

    async def communicate(self, input: bytes | None = None) -> tuple[bytes | None, bytes | None]:
        """As Process.communicate()."""
        talk = Talk(self)
        await talk.run(input or b"")
        return talk.said()

    def send_signal(self, number: int) -> None:
        """As Process.send_signal()."""
        self._handle.send_signal(number)

    def terminate(self) -> None:
        """SIGTERM"""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL"""
        self.send_signal(signal.SIGKILL)

    async def close(self) -> None:
        """As Process.close()."""
        for transport in self._transports:
            transport.close()
        if self._ending and not self._ending.done():
            self._ending.cancel()
        await self._handle.end_async()


class Talk:
    """Writes and reads all pipes of a program at the same time."""

    def __init__(self, process: AsyncProcess) -> None:
        self._process = process
        self._said = (bytearray(), bytearray())

    async def run(self, input: bytes) -> None:
        p = self._process
        tasks = [asyncio.ensure_future(work) for work in (
            self._write(input), self._read(p.stdout, self._said[0]), self._read(p.stderr, self._said[1]))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        await p.wait()

    async def _write(self, input: bytes) -> None:
        stdin = self._process.stdin
        if stdin:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):    # it does not want it
                stdin.write(input)
                await stdin.drain()
            stdin.close()

    @staticmethod
    async def _read(stream: asyncio.StreamReader | None, said: bytearray) -> None:
        while stream and (data := await stream.read(1 << 16)):
            said += data

    def said(self) -> tuple[bytes | None, bytes | None]:
        p = self._process
        return bytes(self._said[0]) if p.stdout else None, bytes(self._said[1]) if p.stderr else None


async def spawn_async(start: Start, args: Sequence[Word]) -> AsyncProcess:
    try:
        await start.lane.call_async(start.work)
    except BaseException:
        start.failed()
        raise
    process = AsyncProcess(start.handle(), args)
    try:
        await process._connect()
    except BaseException:
        await process.close()
        raise
    return process


class AsyncVM(Machine):
    """A machine of ours, from an AsyncContext: VM, with calls that are awaited."""

    async def __aenter__(self) -> AsyncVM:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _call(self, function: Any, *args: Any, timeout: float | None = None) -> None:
        await self._own_lane().call_async(self._work(function, *args), timeout)

    async def refresh(self) -> None:
        """As VM.refresh()."""
        await self._call(lib.csb_vm_refresh)

    async def start(self, *, timeout: float | None = None) -> None:
        """As VM.start()."""
        await self._call(lib.csb_vm_start, timeout=timeout)

    async def stop(self, *, force: bool = False, suspend: bool = False, timeout: float | None = None) -> None:
        """As VM.stop()."""
        await self._call(lib.csb_vm_stop, stop_flags(force, suspend), timeout=timeout)

    async def delete(self, *, force: bool = False, timeout: float | None = None) -> None:
        """As VM.delete()."""
        await self._call(lib.csb_vm_delete, lib.CSB_DELETE_FORCE if force else 0, timeout=timeout)

    async def rename(self, name: str, *, replace: bool = False, dry_run: bool = False) -> None:
        """As VM.rename()."""
        flags = (lib.CSB_RENAME_REPLACE if replace else 0) | (lib.CSB_RENAME_CHECK if dry_run else 0)
        await self._call(lib.csb_vm_rename, encoded(name), flags)

    async def protect(self, on: bool = True) -> None:
        """As VM.protect()."""
        await self._call(lib.csb_vm_protect, int(on))

    async def configure(self, *, cpus: int | None = None, memory: Size | None = None, disk: Size | None = None,
                        settings_dir: Path | None = None, settings_writable: bool | None = None) -> bool:
        """As VM.configure()."""
        memory_of_c, later = Memory(), ffi.new("int *")
        options = Options(cpus=cpus, memory=memory, disk=disk, settings_dir=settings_dir,
                          settings_writable=settings_writable).to_c(memory_of_c)
        await self._call(lib.csb_vm_configure, options, later)
        return bool(later[0])

    async def set_ports(self, ports: Iterable[tuple[int, int]]) -> None:
        """As VM.set_ports()."""
        memory = Memory()
        await self._call(lib.csb_vm_set_ports, *ports_to_c(ports, memory))

    async def carry_socket(self, path: Path, name: str) -> None:
        """As VM.carry_socket()."""
        await self._call(lib.csb_vm_carry_socket, host_path(path), encoded(name))

    async def activity(self) -> Activity:
        """As VM.activity()."""
        found = ffi.new("int *")
        await self._call(lib.csb_vm_activity, found)
        return Activity(found[0])

    # -- programs --

    async def spawn(self, args: Sequence[Word], *, cwd: Word | None = None, env: Mapping[str, str] | None = None,
                    stdin: Stream = None, stdout: Stream = None, stderr: Stream = None, login: bool = False,
                    tty: bool = False) -> AsyncProcess:
        """As VM.spawn()."""
        streams = Streams(stdin, stdout, stderr)
        start = self._start(streams, lib.csb_vm_spawn, exec_options(args, cwd, env, login, tty, streams))
        return await spawn_async(start, args)

    @overload
    async def run(self, args: Sequence[Word], *, cwd: Word | None = None, env: Mapping[str, str] | None = None,
                  input: str | bytes | None = None, stdin: Stream = None, stdout: Stream = None,
                  stderr: Stream = None, capture_output: bool = False, text: Literal[False] = False,
                  timeout: float | None = None, check: bool = False, login: bool = False,
                  tty: bool = False) -> subprocess.CompletedProcess[bytes]: ...

    @overload
    async def run(self, args: Sequence[Word], *, cwd: Word | None = None, env: Mapping[str, str] | None = None,
                  input: str | bytes | None = None, stdin: Stream = None, stdout: Stream = None,
                  stderr: Stream = None, capture_output: bool = False, text: Literal[True],
                  timeout: float | None = None, check: bool = False, login: bool = False,
                  tty: bool = False) -> subprocess.CompletedProcess[str]: ...

    async def run(self, args: Sequence[Word], *, cwd: Word | None = None, env: Mapping[str, str] | None = None,
                  input: str | bytes | None = None, stdin: Stream = None, stdout: Stream = None,
                  stderr: Stream = None, capture_output: bool = False, text: bool = False,
                  timeout: float | None = None, check: bool = False, login: bool = False,
                  tty: bool = False) -> subprocess.CompletedProcess[Any]:
        """As VM.run()."""
        streams = run_streams(input, stdin, stdout, stderr, capture_output)
        start = self._start(streams, lib.csb_vm_spawn, exec_options(args, cwd, env, login, tty, streams))
        deadline = Deadline(timeout)
        async with await spawn_async(start, args) as process:
            talk = Talk(process)
            try:
                await deadline.within(talk.run(as_bytes(input) or b""))
            except _errors.TimedOutError as error:
                error.output, error.stderr = (captured(data, text) for data in talk.said())
                raise
            return finished(args, await process.wait(), talk.said(), text, check)

    def claude(self, prompt: str, *, args: Sequence[Word] = (), permission_mode: str | None = None,
               env: Mapping[str, str] | None = None, host_login: bool = False,
               timeout: float | None = None) -> Claude:
        """As VM.claude(): ``async for message in vm.claude(...)``, or ``result = await vm.claude(...)``."""
        return self._claude(prompt, args, permission_mode, env, host_login, timeout)


class AsyncContext(Home):
    """Context, with calls that are awaited: what ``async with Context() as ctx`` gives."""

    async def _make(self, making: Making, timeout: float | None = None) -> AsyncVM:
        await making.lane.call_async(making.work, timeout)
        return self._opened(AsyncVM(*making.parts()))

    def _opened(self, vm: AsyncVM) -> AsyncVM:
        self._open.add(vm)
        return vm

    async def engine(self) -> Engine:
        """As Context.engine()."""
        found: list[Engine] = []
        await self._lane.call_async(self._engine(found))
        return found[-1]

    async def create(self, name: str | None = None, *, template: Path | None = None, project_dir: Path | None = None,
                     settings_dir: Path | None = None, settings_writable: bool | None = None,
                     cpus: int | None = None, memory: Size | None = None, disk: Size | None = None,
                     mounts: Iterable[Mount] = (), ports: Iterable[tuple[int, int]] = (), force_mount: bool = False,
                     timeout: float | None = None) -> AsyncVM:
        """As Context.create()."""
        options = Options(name, project_dir, settings_dir, settings_writable, cpus, memory, disk, mounts, ports,
                          force_mount)
        return await self._make(self._create(template, options), timeout)

    async def clone(self, base: str, name: str | None = None, *, project_dir: Path | None = None,
                    settings_dir: Path | None = None, settings_writable: bool | None = None, cpus: int | None = None,
                    memory: Size | None = None, disk: Size | None = None, mounts: Iterable[Mount] = (),
                    ports: Iterable[tuple[int, int]] = (), force_mount: bool = False,
                    timeout: float | None = None) -> AsyncVM:
        """As Context.clone()."""
        options = Options(name, project_dir, settings_dir, settings_writable, cpus, memory, disk, mounts, ports,
                          force_mount)
        return await self._make(self._clone(base, options), timeout)

    async def open(self, name: str) -> AsyncVM:
        """As Context.open()."""
        return await self._make(self._making(lib.csb_vm_open, encoded(name)))

    async def for_project(self, project_dir: Path) -> AsyncVM:
        """As Context.for_project()."""
        return await self._make(self._making(lib.csb_vm_for_project, host_path(project_dir)))

    async def vms(self) -> list[AsyncVM]:
        """As Context.vms()."""
        listing = Listing(self._lane)
        await self._lane.call_async(listing.work)
        return [self._opened(AsyncVM(self._settings, facts)) for facts in listing.facts]

    async def clean(self, *, dry_run: bool = False) -> list[Leftover]:
        """As Context.clean()."""
        cleaning = Cleaning(self._lane, dry_run)
        await self._lane.call_async(cleaning.work)
        return cleaning.found

    def hooks(self, *, policy: Policy | None = None, watch: bool = False) -> Hooks:
        """As Context.hooks(): ``async for event in ctx.hooks()``."""
        return Hooks(self._settings, policy, watch)
