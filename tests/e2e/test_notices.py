"""What claude-hooks-server shows, to whom and how: its settings, floods, and the ways to a user."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from sandbox import until
from test_hooks import STOP, Hooks, hooks    # noqa: F401 - the fixture

ASKS = {"hook_event_name": "PermissionRequest", "session_id": "s", "tool_name": "Bash",
        "tool_input": {"command": "make test"}}


def settings(hooks: Hooks, text: str) -> None:
    """In one step, as editors do it."""
    hooks.state.mkdir(exist_ok=True)
    (hooks.state / "new").write_text(text)
    (hooks.state / "new").rename(hooks.state / "hooks-server.yaml")


def server_log(hooks: Hooks) -> str:
    return (hooks.state / "log/claude-hooks-server.log").read_text()


def argv(hooks: Hooks) -> list[list[str]]:
    return [json.loads(line) for line in hooks.notes.read_text().splitlines()] if hooks.notes.exists() else []


def show(hooks: Hooks, event: dict[str, Any]) -> list[str]:
    """The arguments of the notifier that an event has."""
    before = len(argv(hooks))
    assert hooks.post(event) == (200, "{}")
    return until(lambda: argv(hooks)[before:], "it is shown")[0]


# -- settings --


def test_events_are_shown_as_set(hooks: Hooks) -> None:
    settings(hooks, "events:\n  Stop: no\n  SessionEnd: yes\n  StopFailure: {sound: none, urgency: low}\n")
    hooks.start()
    assert hooks.post(STOP) == (200, "{}")
    shown = show(hooks, {**STOP, "hook_event_name": "SessionEnd"})
    assert shown[-1] == "The session has ended", "and Stop was not shown"
    shown = show(hooks, {**STOP, "hook_event_name": "StopFailure"})
    assert shown[shown.index("-u") + 1] == "low" and "boolean:suppress-sound:true" in shown
    told = hooks.status()
    assert told["settings"] == str(hooks.state / "hooks-server.yaml") and told["settings_state"] == "in use"


def test_settings_are_read_again(hooks: Hooks) -> None:
    hooks.start()
    assert hooks.status()["settings_state"] == "not there, defaults in use"
    show(hooks, STOP)
    settings(hooks, "events: {Stop: {urgency: critical}}")
    assert "critical" in show(hooks, STOP)
    (hooks.state / "hooks-server.yaml").unlink()
    assert "critical" not in show(hooks, STOP)


def test_a_typo_is_told_and_harms_nobody(hooks: Hooks) -> None:
    settings(hooks, "events:\n  Stop: {urgency: critical}\n  Stopp: no\n")
    hooks.start()
    assert "normal" in show(hooks, STOP), "the defaults hold"
    assert hooks.status()["settings_state"].startswith('line 3: there is no "Stopp" here, but: ')
    settings(hooks, "events:\n  Stop: {urgency: critical}\n")
    assert "critical" in show(hooks, STOP)
    settings(hooks, "events: [")
    assert "critical" in show(hooks, STOP), "the last good ones hold"
    assert hooks.status()["settings_state"].startswith("line 2: this is no YAML")
    said = [line for line in server_log(hooks).splitlines() if "the settings from before stay" in line]
    assert len(said) == 2, "each once"


@pytest.mark.parametrize("kind", ["directory", "fifo", "huge"])
def test_a_file_that_is_none(hooks: Hooks, kind: str) -> None:
    path = hooks.state / "hooks-server.yaml"
    if kind == "directory":
        path.mkdir(parents=True)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_text("# " + "x" * 70_000)
    hooks.start()
    show(hooks, STOP)
    assert hooks.status()["settings_state"] in ("is no file", "is larger than 64 KiB")


def test_quiet_hours(hooks: Hooks) -> None:
    settings(hooks, "quiet-hours: {from: 00:00, to: 23:59}\n")
    hooks.start(TZ="XXX12:00")
    now = time.gmtime(time.time() - 12 * 3600)
    if (now.tm_hour, now.tm_min) >= (23, 57):
        pytest.skip("the day is about to end")
    assert hooks.post(STOP) == (200, "{}")
    assert "critical" in show(hooks, {**STOP, "hook_event_name": "StopFailure"}), "comes through"
    assert hooks.status()["quiet"] == 1 and len(argv(hooks)) == 1
    # An hour ago, and in an hour, as that user's clock has it.
    settings(hooks, f"quiet-hours: {{from: {(now.tm_hour + 1) % 24}:00, to: {(now.tm_hour + 3) % 24}:00}}\n")
    show(hooks, STOP)


def test_whole_events_in_the_log(hooks: Hooks) -> None:
    settings(hooks, "log: {bodies: yes, file-mib: 1}\n")
    hooks.start()
    text = "\x7fé" * 100_000
    for n in range(4):
        assert hooks.post({**STOP, "text": text, "many": list(range(5000))}) == (200, "{}")
    assert {entry["event"]["text"] for entry in hooks.log()} == {text}
    names = sorted(path.name for path in (hooks.state / "log").glob("events-*"))
    assert len(names) == 2, "a full one was put aside"
    settings(hooks, "log: {field-bytes: 16}\n")
    hooks.post({**STOP, "text": text})
    assert hooks.log()[-1]["event"]["text"] == "\x7fé" * 5 + "\x7f..."


# -- where the user looks already --


@contextlib.contextmanager
def terminal(hooks: Hooks, session: str, *options: str) -> Iterator[Callable[[bytes], None]]:
    """A tmux client on a session; what it is given comes from its terminal. hooks.screen: what went there."""
    if not shutil.which("tmux"):
        pytest.skip("no tmux")
    hooks.env["TMUX_TMPDIR"] = str(hooks.root)
    tmux = ["tmux", "-f", "/dev/null", "new-session", "-d", "-s", session, "sleep 600"]
    subprocess.run([*tmux, *options], env=hooks.env, check=True)
    pid, terminal_fd = pty.fork()
    if pid == 0:
        os.execvpe("tmux", ["tmux", "attach-session", "-t", f"={session}"], {**hooks.env, "TERM": "xterm-256color"})
    screen = bytearray()

    def watch() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(terminal_fd, 65536):
                screen.extend(data)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    hooks.screen = screen       # type: ignore[attr-defined]
    try:
        until(lambda: clients(hooks), "the client is there")
        yield lambda data: (os.write(terminal_fd, data), None)[1]
    finally:
        subprocess.run(["tmux", "kill-server"], env=hooks.env, check=False)
        os.waitpid(pid, 0)
        watcher.join(10)
        os.close(terminal_fd)


def clients(hooks: Hooks) -> str:
    return subprocess.run(["tmux", "list-clients", "-F", "#{client_flags}"], env=hooks.env, capture_output=True,
                          text=True, check=False).stdout


def test_not_where_the_user_looks(hooks: Hooks) -> None:
    settings(hooks, "unless-focused: yes\n")
    with terminal(hooks, "web", ";", "set-option", "-s", "focus-events", "on") as types:
        hooks.start()
        assert "focused" in clients(hooks)
        assert hooks.post(STOP) == (200, "{}")
        until(lambda: hooks.status()["seen"] == 1, "tmux has answered")
        types(b"\x1b[O")
        until(lambda: "focused" not in clients(hooks), "the user looks elsewhere")
        show(hooks, STOP)
        types(b"\x1b[I")
        until(lambda: "focused" in clients(hooks), "the user is back")
        assert hooks.post(STOP) == (200, "{}")
        until(lambda: hooks.status()["seen"] == 2, "tmux has answered")
        hooks.add_vm("other", "/home/ann/other")
        paths = until(lambda: len(hooks.sockets()) == 2 and hooks.sockets(), "both have a socket")
        for path in paths:
            hooks.post({**STOP, "session_id": "t"}, path)
        until(lambda: len(argv(hooks)) == 2, "the other VM's is shown")
        assert hooks.status()["seen"] == 3 and hooks.shown()[-1][0] == "Claude [other]"


def test_who_can_not_be_asked_is_told(hooks: Hooks) -> None:
    """Without focus-events tmux takes every client for focused."""
    settings(hooks, "unless-focused: yes\n")
    hooks.env["TMUX_TMPDIR"] = str(hooks.root)
    hooks.start()
    show(hooks, STOP)
    with terminal(hooks, "web"):
        show(hooks, STOP)


# -- floods --


def test_one_vms_flood_leaves_room_for_another(hooks: Hooks) -> None:
    hooks.add_vm("quiet", "/home/ann/quiet")
    hooks.start()
    paths = until(lambda: len(hooks.sockets()) == 2 and hooks.sockets(), "both have a socket")
    hooks.post(STOP, paths[0])
    until(lambda: hooks.log(), "it is known which one is whose")
    loud, quiet = paths if hooks.log()[0]["vm"] == "web" else paths[::-1]
    for n in range(200):
        assert hooks.post({**STOP, "session_id": f"s{n}"}, loud) == (200, "{}")
    assert hooks.post(STOP, quiet) == (200, "{}")
    titles = until(lambda: "Claude [quiet]" in [title for title, _ in hooks.shown()] and
                   [title for title, _ in hooks.shown()], "the quiet one's turn comes")
    assert titles.count("Claude [café]") < 60, "a user has but one screen"
    told = hooks.status()
    assert told["lost"] == 0 and told["merged"] > 100
