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


# -- the last resort --


def only_tmux(hooks: Hooks) -> Hooks:
    (hooks.bin / "notify-send").unlink()
    (hooks.bin / "tmux").symlink_to(shutil.which("tmux") or "tmux")
    return hooks.start(PATH=str(hooks.bin))


def test_without_a_desktop_the_terminal_tells(hooks: Hooks) -> None:
    with terminal(hooks, "web"):
        only_tmux(hooks)
        hooks.post({**ASKS, "hook_event_name": "Notification", "message": "look; \x1b]0;x\x07here\n\x9c"})
        screen = hooks.screen       # type: ignore[attr-defined]
        wanted = "\a\x1b]9;Claude [café]: look; ?]0;x?here ?\x1b\\".encode()
        until(lambda: wanted in screen, "it rings")
        assert hooks.status()["notifier"] == "terminal" and hooks.status()["lost"] == 0
        # Another VM's terminal is none of ours.
        hooks.add_vm("other", "/home/ann/other")
        paths = until(lambda: len(hooks.sockets()) == 2 and hooks.sockets(), "both have a socket")
        for path in paths:
            hooks.post(STOP, path)
        until(lambda: (hooks.status()["lost"], hooks.status()["notified"]) == (1, 2), "all are accounted for")
        assert screen.count(b"]9;") == 2 and b"[other]" not in screen


def test_terminals_of_nobody(hooks: Hooks) -> None:
    """What tmux names is looked at before it is written to."""
    only_tmux(hooks)
    victim = hooks.root / "victim"
    victim.write_text("precious")
    (hooks.bin / "tmux").unlink()
    (hooks.bin / "tmux").write_text(f"#!/bin/sh\nprintf '%s\\n' {victim} /dev/null /dev/../{victim} /dev/tty ''\n")
    (hooks.bin / "tmux").chmod(0o755)
    hooks.post(STOP)
    until(lambda: hooks.status()["lost"] == 1, "nothing was good enough")
    assert victim.read_text() == "precious"


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


# -- answers --


DESKTOP = """
import json, sys, dbus, dbus.mainloop.glib, dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.Notifications"

class Notifications(dbus.service.Object):
    last = 0
    @dbus.service.method(NAME, in_signature="", out_signature="as")
    def GetCapabilities(self):
        return sys.argv[2].split()
    @dbus.service.method(NAME, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, replaces, icon, title, body, actions, hints, expire):
        if not replaces:
            self.last += 1
        note({"id": int(replaces) or self.last, "replaces": int(replaces), "title": title, "body": body,
              "actions": list(actions), "expire": int(expire), "urgency": int(hints["urgency"])})
        if actions and "eager" in sys.argv[2]:
            GLib.idle_add(lambda: self.ActionInvoked(self.last, actions[0]))
        return int(replaces) or self.last
    @dbus.service.method(NAME, in_signature="u", out_signature="")
    def CloseNotification(self, id):
        note({"closed": int(id)})
    @dbus.service.signal(NAME, signature="us")
    def ActionInvoked(self, id, key):
        pass
    @dbus.service.signal(NAME, signature="uu")
    def NotificationClosed(self, id, reason):
        pass

def note(what):
    with open(sys.argv[1], "a") as f:
        f.write(json.dumps(what) + "\\n")

def on_line(source, condition):
    words = sys.stdin.readline().split()
    if not words:
        sys.exit()
    if words[0] == "click":
        service.ActionInvoked(int(words[1]), words[2])
    else:
        service.NotificationClosed(int(words[1]), 2)
    return True

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = sys.argv[3] != "no" and dbus.service.BusName(NAME, bus)
service = Notifications(bus, "/org/freedesktop/Notifications")
GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, on_line)
print("ready", flush=True)
GLib.MainLoop().run()
"""


class Desktop:
    """A notification service that notes, and does what a user does."""

    def __init__(self, hooks: Hooks, capabilities: str, owns_the_name: bool = True) -> None:
        self.hooks, self.notes = hooks, hooks.root / f"desktop-{owns_the_name}"
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", DESKTOP, str(self.notes), capabilities, "yes" if owns_the_name else "no"],
            env=hooks.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        if self.process.stdout.readline() != "ready\n":
            self.close()
            pytest.skip("no python3-dbus and python3-gi for a notification service")

    def noted(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []

    def shown(self) -> list[dict[str, Any]]:
        return [note for note in self.noted() if "title" in note]

    def closed(self) -> list[int]:
        return [note["closed"] for note in self.noted() if "closed" in note]

    def asks(self, count: int = 1) -> list[dict[str, Any]]:
        """The notifications with buttons, once there are so many."""
        return until(lambda: len(found := [n for n in self.shown() if n["actions"]]) >= count and found, "it is asked")

    def tell(self, *words: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def key(self, note: dict[str, Any], label: str) -> str:
        return note["actions"][note["actions"].index(label) - 1]

    def click(self, note: dict[str, Any], label: str, request: Request) -> dict[str, Any]:
        """As a user who means it: a click that comes too soon does not count."""
        until(lambda: (self.tell("click", note["id"], self.key(note, label)), request.is_over())[1], "it counts")
        return request.answer()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


class Request:
    """Claude, waiting for what its hook answers."""

    def __init__(self, hooks: Hooks, event: dict[str, Any], path: Path | None = None) -> None:
        self.process = subprocess.Popen(
            ["curl", "-q", "-s", "-f", "--max-time", "60", "--unix-socket", path or hooks.socket(), "-d", json.dumps(event),
             "http://localhost/hook"], stdout=subprocess.PIPE)
        hooks.requests.append(self)     # type: ignore[attr-defined]

    def is_over(self) -> bool:
        return self.process.poll() is not None

    def answer(self) -> dict[str, Any]:
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return json.loads(out)


ALLOW = {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}}


@contextlib.contextmanager
def desktop(hooks: Hooks, capabilities: str = "body actions") -> Iterator[Desktop]:
    if b"sd_bus_call_async" not in Path(hooks.program).read_bytes():
        pytest.skip("built without libsystemd")
    if not shutil.which("dbus-daemon"):
        pytest.skip("no dbus-daemon")
    hooks.requests = []     # type: ignore[attr-defined]
    bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE,
                           text=True, env=hooks.env)
    assert bus.stdout
    hooks.env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
    made = None
    try:
        made = Desktop(hooks, capabilities)
        yield made
    finally:
        if made:
            made.close()
        for request in hooks.requests:      # type: ignore[attr-defined]
            request.process.kill()
            request.process.communicate()
        bus.kill()
        bus.wait()
        bus.stdout.close()


def outwait_reaction() -> None:
    """Until every click counts that may: else what is shown not to count might not for that reason."""
    time.sleep(0.5)


def test_a_click_allows(hooks: Hooks) -> None:
    with desktop(hooks, "body body-markup actions") as d:
        hooks.start()
        request = Request(hooks, {**ASKS, "tool_input": {"command": "make <b> && \\\n  rm -rf x"}})
        note, = d.asks()
        assert note["title"] == "Claude [café], VM web"
        assert note["body"] == "Claude asks for permission to use Bash: make &lt;b&gt; &amp;&amp; \\ ⏎ rm -rf x"
        assert note["actions"][1::2] == ["Allow", "Deny"] and note["expire"] == 0
        assert not request.is_over(), "Claude waits"
        assert d.click(note, "Allow", request) == ALLOW
        until(lambda: d.closed() == [note["id"]], "it is withdrawn")
        told = hooks.status()
        assert (told["open"], told["allowed"], told["denied"]) == (0, 1, 0)
        assert "allowed with a click, in the VM web: " in server_log(hooks)


def test_a_click_denies(hooks: Hooks) -> None:
    with desktop(hooks) as d:
        hooks.start()
        request = Request(hooks, ASKS)
        answer = d.click(d.asks()[0], "Deny", request)
        assert answer["hookSpecificOutput"]["decision"]["behavior"] == "deny"


def test_a_click_reaches_claude_through_its_hook(hooks: Hooks) -> None:
    """And that waits longer than for the other events, where a person sits in front of Claude."""
    with desktop(hooks) as d:
        hooks.start()
        hook = subprocess.Popen(["/bin/sh", hooks.hook, "PermissionRequest"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, env={**hooks.env, "CLAUDE_CODE_SESSION_ATTENDED": "1",
                                                             "CLAUDE_HOOKS_SOCKET": str(hooks.socket())})
        assert hook.stdin and hook.stdout
        hook.stdin.write(json.dumps(ASKS).encode())
        hook.stdin.close()
        note, = d.asks()
        until(lambda: (d.tell("click", note["id"], d.key(note, "Allow")), hook.poll() is not None)[1], "it counts")
        assert json.loads(hook.stdout.read()) == ALLOW
        hook.stdout.close()


def test_a_click_that_was_on_its_way_already_does_not_count(hooks: Hooks) -> None:
    """It was meant for what was there before."""
    with desktop(hooks, "body actions eager") as d:
        hooks.start()
        request = Request(hooks, ASKS)
        note, = d.asks()
        hooks.post({**STOP, "session_id": "t"})
        until(lambda: hooks.status()["notified"] == 2, "what came behind the click is known")
        assert hooks.status()["open"] == 1 and not request.is_over()
        assert d.click(note, "Deny", request) != ALLOW


def test_without_a_click_nothing_is_said(hooks: Hooks) -> None:
    with desktop(hooks) as d:
        hooks.start()
        request = Request(hooks, ASKS)
        note, = d.asks()
        d.tell("close", note["id"])
        assert request.answer() == {}
        request = Request(hooks, ASKS)
        d.asks(2)
        assert hooks.run("stop").returncode == 0
        request.process.communicate(timeout=60)     # an answer without words, or none
        assert d.closed() == [2]


@pytest.mark.parametrize("name, tool", [("PostToolUse", "Bash"), ("PostToolUseFailure", "Bash"), ("Stop", None),
                                        ("StopFailure", None), ("UserPromptSubmit", None), ("SessionEnd", None),
                                        ("PermissionDenied", "Bash")])
def test_a_session_that_goes_on_withdraws_it(hooks: Hooks, name: str, tool: str | None) -> None:
    settings(hooks, "events: {Stop: no, StopFailure: no}")
    with desktop(hooks) as d:
        hooks.start()
        request = Request(hooks, ASKS)
        note, = d.asks()
        for other in ({"hook_event_name": name, "session_id": "t", "tool_name": tool},
                      {"hook_event_name": "PostToolUse", "session_id": "s", "tool_name": "Read"},
                      {"hook_event_name": "PreToolUse", "session_id": "s", "tool_name": "Bash"}):
            hooks.post(other)
        assert hooks.status()["open"] == 1 and not d.closed()
        hooks.post({"hook_event_name": name, "session_id": "s", "tool_name": tool})
        assert request.answer() == {}
        until(lambda: d.closed() == [note["id"]], "it is withdrawn")


def test_who_does_not_wait_any_more_withdraws_it(hooks: Hooks) -> None:
    with desktop(hooks) as d:
        hooks.start()
        request = Request(hooks, ASKS)
        note, = d.asks()
        request.process.kill()
        until(lambda: d.closed() == [note["id"]], "it is withdrawn")
        assert hooks.status()["open"] == 0


def test_buttons_answer_what_they_were_shown_with(hooks: Hooks) -> None:
    hooks.add_vm("other", "/home/ann/café")
    with desktop(hooks) as d:
        hooks.start()
        paths = until(lambda: len(hooks.sockets()) == 2 and hooks.sockets(), "both have a socket")
        first = Request(hooks, ASKS, paths[0])
        d.asks()
        second = Request(hooks, ASKS, paths[1])
        one, two = d.asks(2)
        assert one["id"] != two["id"] and one["replaces"] == two["replaces"] == 0
        outwait_reaction()
        assert {one["title"], two["title"]} == {"Claude [café], VM web", "Claude [café], VM other"}
        for id_, key in ((one["id"], d.key(two, "Allow")), (two["id"], d.key(one, "Allow")), (one["id"], "default"),
                         (one["id"], "allow"), (99, d.key(one, "Allow")), (one["id"], d.key(one, "Allow") + "0")):
            for _ in range(3):
                d.tell("click", id_, key)
        # What its session says besides has a notification of its own.
        hooks.post({**ASKS, "hook_event_name": "Notification", "message": "look"}, paths[0])
        until(lambda: d.shown()[-1]["body"] == "look", "it is shown")
        assert d.shown()[-1]["id"] not in (one["id"], two["id"]) and not d.closed()
        assert not first.is_over() and not second.is_over()
        assert d.click(two, "Allow", second) == ALLOW
        assert not first.is_over()
        assert d.click(one, "Deny", first) != ALLOW


def test_only_the_desktop_clicks(hooks: Hooks) -> None:
    """Anybody on the bus can say that something was clicked."""
    with desktop(hooks) as d:
        hooks.start()
        request = Request(hooks, ASKS)
        note, = d.asks()
        liar = Desktop(hooks, "", owns_the_name=False)
        try:
            outwait_reaction()
            for _ in range(100):
                liar.tell("click", note["id"], d.key(note, "Allow"))
            d.tell("close", 12345)
            hooks.post(STOP | {"session_id": "t"})
            until(lambda: len(d.shown()) == 2, "the bus has carried all that")
        finally:
            liar.close()
        assert not request.is_over() and hooks.status()["open"] == 1
        assert d.click(note, "Allow", request) == ALLOW


@pytest.mark.parametrize("capabilities", ["body", ""])
def test_a_desktop_without_buttons_keeps_nobody_waiting(hooks: Hooks, capabilities: str) -> None:
    with desktop(hooks, capabilities) as d:
        hooks.start()
        assert Request(hooks, ASKS).answer() == {}
        until(lambda: d.shown(), "it is shown")
        assert d.shown()[0]["actions"] == [] and "make test" in d.shown()[0]["body"]


def test_no_desktop_keeps_nobody_waiting(hooks: Hooks) -> None:
    hooks.requests = []     # type: ignore[attr-defined]
    hooks.start()
    assert Request(hooks, ASKS).answer() == {}
    assert until(lambda: hooks.shown(), "it is shown")[0][1].endswith("Bash: make test")


@pytest.mark.parametrize("event, labels", [
    ({"tool_name": "Bash", "tool_input": {"command": "x" * 1000}}, ["Deny"]),
    ({"tool_name": "mcp__a__b", "tool_input": {"n": 1}}, ["Allow", "Deny"]),
    ({"tool_name": "mcp__a__" + "b" * 110, "tool_input": {"n": 1}}, ["Allow", "Deny"]),
    ({"tool_name": "mcp__a__b", "tool_input": {"query": "harmless", "x": "y" * 400}}, ["Deny"]),
    ({"tool_name": "Bash: true" + " " * 40, "tool_input": {"command": "rm -rf x"}}, []),
    ({"tool_name": "x" * 200, "tool_input": {"command": "true"}}, []),
    ({"tool_name": "AskUserQuestion", "tool_input": {"questions": []}}, []),
    ({"tool_name": "ExitPlanMode", "tool_input": {"plan": "all"}}, []),
    ({"tool_name": "Bash", "tool_input": {"command": ""}, "x": "y" * 70_000}, []),
    ({"tool_name": "Bash"}, []),
    ({"tool_input": {"command": "true"}}, []),
])
def test_what_can_not_be_seen_is_not_allowed(hooks: Hooks, event: dict[str, Any], labels: list[str]) -> None:
    with desktop(hooks) as d:
        hooks.start()
        request = Request(hooks, {"hook_event_name": "PermissionRequest", "session_id": "s", **event})
        note = until(lambda: d.shown(), "it is shown")[0]
        assert note["actions"][1::2] == labels
        if not labels:
            assert request.answer() == {}


def test_not_without_the_users_will(hooks: Hooks) -> None:
    settings(hooks, "answer: no\n")
    with desktop(hooks) as d:
        hooks.start()
        assert Request(hooks, ASKS).answer() == {}
        assert until(lambda: d.shown(), "it is shown")[0]["actions"] == []


def test_many_questions_are_limited(hooks: Hooks) -> None:
    with desktop(hooks) as d:
        hooks.start()
        requests = [Request(hooks, {**ASKS, "session_id": f"s{n}"}) for n in range(7)]
        until(lambda: sum(request.is_over() for request in requests) == 3, "no more than four are open")
        assert len(d.asks(4)) == 4 and hooks.status()["open"] == 4


def test_what_is_asked_is_told_once(hooks: Hooks) -> None:
    with desktop(hooks) as d:
        hooks.start()
        Request(hooks, ASKS)
        d.asks()
        hooks.post({"hook_event_name": "Notification", "session_id": "s", "notification_type": "permission_prompt",
                    "message": "Claude needs your permission"})
        hooks.post({**STOP, "session_id": "t"})
        until(lambda: len(d.shown()) > 1, "the next one is shown")
        assert d.shown()[1]["body"] == "Claude has finished"


def test_another_desktop_takes_over(hooks: Hooks) -> None:
    """Its numbers begin anew; what the one before showed is gone."""
    with desktop(hooks) as d:
        hooks.start()
        request = Request(hooks, ASKS)
        d.asks()
        d.process.kill()
        assert request.answer() == {}


# -- a real notification service, on a real screen --


@contextlib.contextmanager
def dunst(hooks: Hooks) -> Iterator[Callable[..., str]]:
    """On a screen that nobody sees; what `dunstctl` with these words prints."""
    for program in ("dunst", "dunstctl", "Xvfb", "dbus-daemon", "dbus-send"):
        if not shutil.which(program):
            pytest.skip(f"no {program}")
    if b"sd_bus_call_async" not in Path(hooks.program).read_bytes():
        pytest.skip("built without libsystemd")
    hooks.requests = []     # type: ignore[attr-defined]
    choose = hooks.bin / "choose"       # in place of a menu: takes the line that has the word
    choose.write_text(f"#!/bin/sh\nexec /usr/bin/grep -F -f {hooks.root}/word\n")
    choose.chmod(0o755)
    (hooks.root / "dunstrc").write_text(f"[global]\ndmenu = {choose}\nnotification_limit = 20\nmarkup = full\n")
    processes: list[subprocess.Popen[str]] = []

    def begin(*argv: str | Path, fd: int = -1) -> subprocess.Popen[str]:
        processes.append(subprocess.Popen([*map(str, argv)], env=hooks.env, stdout=subprocess.PIPE, text=True,
                                          stderr=subprocess.DEVNULL, pass_fds=[fd] if fd >= 0 else []))
        return processes[-1]

    def ctl(*words: str) -> str:
        return subprocess.run(["dunstctl", *words], env=hooks.env, capture_output=True, text=True, timeout=30,
                              check=False).stdout.strip()

    reader, writer = os.pipe()
    try:
        begin("Xvfb", "-displayfd", str(writer), "-screen", "0", "640x480x24", "-nolisten", "tcp", fd=writer)
        os.close(writer)
        hooks.env["DISPLAY"] = ":" + os.read(reader, 16).decode().strip()
        bus = begin("dbus-daemon", "--session", "--nofork", "--print-address")
        assert bus.stdout
        hooks.env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        begin("dunst", "-conf", hooks.root / "dunstrc")
        # Whoever calls it sooner has the bus begin another one, with settings of its own.
        until(lambda: "boolean true" in subprocess.run(
            ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner",
             "string:org.freedesktop.Notifications"], env=hooks.env, capture_output=True, text=True, check=True).stdout,
            "dunst is there")
        until(lambda: ctl("count", "displayed") == "0", "dunst answers")
        yield ctl
    finally:
        os.close(reader)
        for request in hooks.requests:      # type: ignore[attr-defined]
            request.process.kill()
            request.process.communicate()
        for process in reversed(processes):
            process.terminate()
            process.communicate(timeout=30)


def history(ctl: Callable[..., str]) -> list[dict[str, Any]]:
    """The notifications that dunst has shown and closed, the latest first."""
    return [{key: value["data"] for key, value in entry.items()} for entry in json.loads(ctl("history"))["data"][0]]


def test_dunst_shows_it(hooks: Hooks) -> None:
    with dunst(hooks) as ctl:
        hooks.start()
        for event in ({**STOP, "hook_event_name": "Notification", "message": "1 < 2 & <b>3</b>"}, STOP,
                      {**STOP, "hook_event_name": "StopFailure", "error": "overloaded", "session_id": "t"}):
            assert hooks.post(event) == (200, "{}")
            until(lambda: hooks.status()["merged"] == 0 and hooks.status()["notified"] == hooks.status()["events"],
                  "it is shown")
        assert ctl("count", "displayed") == "2", "the session's second took the place of its first"
        ctl("close-all")
        until(lambda: len(history(ctl)) == 2, "they are history")
        shown = {entry["body"]: entry for entry in history(ctl)}
        assert set(shown) == {"Claude has finished", "Claude has stopped: overloaded"}
        assert {entry["summary"] for entry in shown.values()} == {"Claude [café]"}
        assert {entry["appname"] for entry in shown.values()} == {"Claude"}
        hooks.post({**STOP, "hook_event_name": "Notification", "message": "1 < 2 & <b>3</b>"})
        until(lambda: ctl("count", "displayed") == "1", "it is shown")
        ctl("close-all")
        text = until(lambda: [e["message"] for e in history(ctl) if "3" in e["body"]], "it is history")[0]
        assert "1 &lt; 2 &amp; &lt;b&gt;3&lt;/b&gt;" in text, "as Pango shows it: as it was said"


@pytest.mark.parametrize("word", ["Allow", "Deny"])
def test_dunst_answers(hooks: Hooks, word: str) -> None:
    with dunst(hooks) as ctl:
        hooks.start()
        (hooks.root / "word").write_text(f"{word}\n")

        def answer() -> str:
            """Of a menu's choice; dunst closes what was clicked too soon to count."""
            request = Request(hooks, ASKS)
            until(lambda: ctl("count", "displayed") == "1", "it is shown")
            until(lambda: (ctl("context"), request.is_over())[1], "something comes of it")
            until(lambda: ctl("count", "displayed") == "0", "it is withdrawn")
            return request.answer().get("hookSpecificOutput", {}).get("decision", {}).get("behavior", "")

        assert until(answer, "the choice counts") == word.lower()


def test_dunst_withdraws(hooks: Hooks) -> None:
    settings(hooks, "events: {Stop: no}")
    with dunst(hooks) as ctl:
        hooks.start()
        request = Request(hooks, ASKS)
        until(lambda: ctl("count", "displayed") == "1", "it is shown")
        hooks.post(STOP)
        assert request.answer() == {}
        until(lambda: ctl("count", "displayed") == "0", "it is withdrawn")
        request = Request(hooks, ASKS)
        until(lambda: ctl("count", "displayed") == "1", "it is shown")
        ctl("close")
        assert request.answer() == {}, "closing it is no answer"
