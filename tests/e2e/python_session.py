"""What somebody's program does with the Python package, in a real VM: python_session.py PROJECT TEMPLATE BASE

The model is scripted (tests/support/fakeapi.py). Prints what it has seen as JSON, for test_python.py.
"""
from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import claudesandbox as cs

BASH = "[[bash echo hello from $(id -un) >made.txt; cat made.txt]] [[result]]"
PUSH = "[[bash git push]] [[say over]]"


def policy(event: cs.Event) -> None:
    if event.tool == "Bash" and "git push" in str(event.tool_input.get("command")):
        event.deny("the user pushes")


async def listen(ctx: cs.AsyncContext, events: list[tuple[str, str, str | None]]) -> None:
    async for event in ctx.hooks(policy=policy):
        events.append((event.vm, event.name, event.tool))


async def session(ctx: cs.AsyncContext, vm: cs.AsyncVM) -> dict[str, Any]:
    events: list[tuple[str, str, str | None]] = []
    listener = asyncio.ensure_future(listen(ctx, events))
    await vm.start()
    uname = await vm.run(["uname", "-s"], capture_output=True, text=True, check=True)
    async with await vm.spawn(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        said, _ = await cat.communicate(b"there and back")
    work = vm.claude(BASH, timeout=600)
    kinds = [type(message).__name__ async for message in work]
    refused = [block.text async for message in vm.claude(PUSH, timeout=600) if isinstance(message, cs.UserMessage)
               for block in message.content if isinstance(block, cs.ToolResultBlock)]
    activity = await vm.activity()
    listener.cancel()
    assert work.result and said is not None
    return {"uname": uname.stdout, "said": said.decode(), "kinds": kinds, "result": work.result.text,
            "refused": refused, "activity": activity.name, "events": events, "status": work.returncode}


async def main(project: str, template: str, base: str) -> None:
    async with cs.Context(progress=lambda step, steps, text: print(text, file=sys.stderr, flush=True)) as ctx:
        made = None
        if not base:
            made = await ctx.create("base", template=template or None, cpus=2, memory="2GiB")
        vm = await ctx.clone(base or "base", project_dir=project)
        try:
            seen = await session(ctx, vm)
        finally:
            await vm.delete(force=True)
            if made:
                await made.delete()
        print(json.dumps({**seen, "name": vm.name, "left": [one.name for one in await ctx.vms()]}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
