"""What Claude reports, and the answers, with real sockets."""
from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import claudesandbox as cs
import pytest
from conftest import Posting, Web
from fakelab import FakeLab
from sandbox import until

BASH = {"hook_event_name": "PreToolUse", "session_id": "s", "cwd": "/x", "tool_name": "Bash",
        "tool_input": {"command": "git push"}}
STOP = {"hook_event_name": "Stop", "session_id": "s", "stop_hook_active": False}


def decision(answer: Any) -> str:
    return str(answer["hookSpecificOutput"]["permissionDecision"])


def test_an_event(ctx: cs.Context, web: Web) -> None:
    posting = web.posting(**BASH, title="é")
    for event in ctx.hooks():
        assert (event.vm, event.project_dir, event.name, event.session) == (
            "web", Path("/home/ann/café"), "PreToolUse", "s")
        assert (event.cwd, event.tool, event.title, event.message, event.lost) == ("/x", "Bash", "é", None, 0)
        assert event.tool_input == {"command": "git push"} and event.data["tool_name"] == "Bash"
        assert json.loads(event.json) == event.data and event.is_waiting
        assert repr(event) == "<Event 'PreToolUse' of web, 'Bash'>"
        break
    assert posting.answer() == {}


@pytest.mark.parametrize("act, path, value", [
    (lambda e: e.allow(), ("hookSpecificOutput", "permissionDecision"), "allow"),
    (lambda e: e.deny("no é"), ("hookSpecificOutput", "permissionDecisionReason"), "no é"),
    (lambda e: e.deny(), ("hookSpecificOutput", "permissionDecision"), "deny"),
    (lambda e: e.ask("sure?"), ("hookSpecificOutput", "permissionDecision"), "ask"),
    (lambda e: e.block("no"), ("hookSpecificOutput", "permissionDecision"), "deny"),
    (lambda e: e.context("by the way"), ("hookSpecificOutput", "additionalContext"), "by the way"),
    (lambda e: e.replace_input({"command": "ls"}), ("hookSpecificOutput", "updatedInput"), {"command": "ls"})])
def test_answers(ctx: cs.Context, web: Web, act: Any, path: tuple[str, str], value: Any) -> None:
    posting = web.posting(**BASH)
    for event in ctx.hooks():
        act(event)
        break
    answer = posting.answer()
    assert answer[path[0]][path[1]] == value


def test_one_after_the_other(ctx: cs.Context, web: Web) -> None:
    """The answer goes when the loop does."""
    postings = [web.posting(**BASH, n=n) for n in range(3)]
    numbers: list[int] = []
    for event in ctx.hooks():
        numbers.append(event.data["n"])
        event.deny(str(numbers[-1]))
        assert postings[numbers[-1]].is_alive()
        if len(numbers) == len(postings):
            break
    assert sorted(numbers) == [0, 1, 2]
    for n, posting in enumerate(postings):
        assert posting.answer()["hookSpecificOutput"]["permissionDecisionReason"] == str(n)


def test_an_answer_that_comes_later(ctx: cs.Context, web: Web) -> None:
    held: list[cs.Event] = []
    first = web.posting(**BASH)
    second: list[Posting] = []
    for event in ctx.hooks():
        if not held:
            event.hold()
            held.append(event)
            second.append(web.posting(**BASH))
            continue
        assert first.is_alive() and held[0].is_waiting
        held[0].allow()
        assert held[0].send() is True and held[0].send() is False and not held[0].is_waiting
        assert decision(first.answer()) == "allow"
        with pytest.raises(cs.StateError):
            held[0].deny()
        break
    assert second[0].answer() == {}


def test_a_held_event_that_is_forgotten(ctx: cs.Context, web: Web) -> None:
    """Claude does not wait for what nobody can say any more."""
    first = web.posting(**BASH)
    last: Posting | None = None
    for event in ctx.hooks():
        if last:
            break
        event.hold()
        last = web.posting(**STOP)
    assert first.answer() == {} and last and last.answer() == {}


def test_events_that_take_no_answer(ctx: cs.Context, web: Web) -> None:
    posting = web.posting(hook_event_name="SessionEnd")
    for event in ctx.hooks():
        for answer in (event.allow, lambda: event.context("x"), event.hold):
            if answer != event.hold:
                with pytest.raises(cs.NotSupportedError):
                    answer()
        break
    assert posting.answer() == {}


def test_two_listeners(ctx: cs.Context, web: Web) -> None:
    """Who forbids at once wins; who watches is not asked."""
    seen: list[str] = []

    def listen(hooks: cs.Hooks, answer: str) -> None:
        for event in hooks:
            if event.name == "Stop":
                break
            seen.append(event.name)
            if answer:
                event.allow()
            else:
                with pytest.raises(cs.StateError):
                    event.allow()       # it has been answered

    def policy(event: cs.Event) -> None:
        if event.name == "PreToolUse":
            event.deny("no")

    first, second = ctx.hooks().open(), ctx.hooks(policy=policy).open()
    watcher = ctx.hooks(watch=True).open()
    threads = [threading.Thread(target=listen, args=pair) for pair in ((first, "allow"), (second, ""))]
    for thread in threads:
        thread.start()
    assert decision(web.posting(**BASH).answer()) == "deny"
    web.posting(**STOP)
    for thread in threads:
        thread.join()
    for event in watcher:
        with pytest.raises(cs.NotSupportedError):
            event.deny()
        with pytest.raises(cs.NotSupportedError):
            event.hold()
        break
    assert seen == ["PreToolUse"] * 2


def test_a_policy_may_say_nothing_or_fail(ctx: cs.Context, web: Web) -> None:
    def policy(event: cs.Event) -> None:
        assert event.is_waiting and not event.send()
        event.hold()
        if event.name == "Stop":
            raise LookupError

    postings = [web.posting(**BASH)]
    with pytest.raises(LookupError):
        for event in ctx.hooks(policy=policy):
            assert event.is_waiting
            event.allow()
            postings.append(web.posting(**STOP))
    assert decision(postings[0].answer()) == "allow" and postings[1].answer() == {}


def test_a_policy_that_fails_denies(ctx: cs.Context, web: Web) -> None:
    def policy(event: cs.Event) -> None:
        event.allow()
        raise LookupError

    posting = web.posting(**BASH)
    with pytest.raises(LookupError):
        next(iter(ctx.hooks(policy=policy)))
    assert decision(posting.answer()) == "deny"


def test_nobody_to_watch(ctx: cs.Context, web: Web) -> None:
    with pytest.raises(cs.NotFoundError):
        ctx.hooks(watch=True).open()
    with pytest.raises(cs.NotFoundError):
        next(iter(ctx.hooks(watch=True)))


def test_the_server_ends_and_another_follows(ctx: cs.Context, web: Web) -> None:
    server, events = ctx.hooks().open(), iter(ctx.hooks().open())
    posting = web.posting(**STOP)
    next(iter(server))      # and with it the loop, and so the server, ends
    assert next(events).name == "Stop"
    posting.join()
    server._listener.close()
    postings = [web.posting(**BASH)]
    assert next(events).name == "PreToolUse"
    events.close()          # type: ignore[attr-defined]
    assert postings[0].answer() == {}


@pytest.mark.parametrize("from_where", ["a thread", "a signal"])
def test_a_loop_is_ended(ctx: cs.Context, web: Web, from_where: str) -> None:
    hooks = ctx.hooks().open()

    def end() -> None:
        time.sleep(0.3)     # in any moment of it
        hooks.close() if from_where == "a thread" else os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=end)
    thread.start()
    if from_where == "a thread":
        assert list(hooks) == []
    else:
        with pytest.raises(KeyboardInterrupt):
            list(hooks)
    thread.join()
    assert until(lambda: not list(web.socket_dir.glob("*.sock")), "nobody listens")


def test_other_calls_go_on(lab: FakeLab, ctx: cs.Context, web: Web) -> None:
    """Listening takes no context away."""
    posting = web.posting(**STOP)
    for event in ctx.hooks():
        assert [vm.name for vm in ctx.vms()] == ["web"]
        event.block("not yet")
        break
    assert posting.answer() == {"decision": "block", "reason": "not yet"}
