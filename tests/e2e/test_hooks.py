"""claude-hooks-server and the hook that goes into a VM, as installed, with real sockets and curl.

No VM is needed: the server takes for a VM what has a record, and hook.sh runs here as it does there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest

from sandbox import is_alive, kill, processes, until

NOTIFY_SEND = """#!/bin/sh
# Notes its arguments, a line of JSON each time, and how many of us there are.
echo x >>"$NOTES.alive"
[ -z "$NOTIFY_SLEEP" ] || sleep "$NOTIFY_SLEEP"
exec %s -c 'import json, os, sys
os.write(os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
         (json.dumps(sys.argv[1:]) + "\\n").encode())' "$@"
"""
STOP = {"hook_event_name": "Stop", "session_id": "s", "cwd": "/home/dev/elsewhere"}


class Hooks:
    """A state directory with a VM "web" in it, the server's program, and a desktop that only notes."""

    def __init__(self, cli: str) -> None:
        self.program = str(Path(cli).parent / "claude-hooks-server")
        self.hook = Path(cli).resolve().parent.parent / "share/claudesandbox/guest/hook.sh"
        self.root = Path(tempfile.mkdtemp(prefix="csb-", dir="/tmp")).resolve()
        self.state, self.notes, self.bin = self.root / "s", self.root / "notes", self.root / "bin"
        self.bin.mkdir()
        self.env = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.root), "LANG": "C.UTF-8",
                    "CLAUDE_SANDBOX_HOME": str(self.state), "NOTES": str(self.notes),
                    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}
        notify_send = self.bin / "notify-send"
        notify_send.write_text(NOTIFY_SEND % sys.executable)
        notify_send.chmod(0o755)
        self.add_vm("web", "/home/ann/café")

    def add_vm(self, name: str, project: str) -> None:
        vms = self.state / "vms"
        vms.mkdir(parents=True, exist_ok=True)
        record = {"schema": 1, "name": name, "engine": "qemu", "engine_home": "", "created": 1, "complete": True,
                  "project_dir": project, "cpus": 0, "memory": 0, "disk": 0, "mounts": [], "ports": []}
        (vms / f"{name}.tmp").write_text(json.dumps(record))
        (vms / f"{name}.tmp").rename(vms / f"{name}.json")

    # -- the server --

    def run(self, *verb: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.program, *verb], env={**self.env, **env}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)

    def start(self, **env: str) -> Hooks:
        done = self.run("start", **env)
        assert done.returncode == 0, done.stderr
        return self

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("status", "--json").stdout)

    def pid(self) -> int:
        return self.status()["pid"]

    def sockets(self) -> list[Path]:
        return sorted((self.state / "run/hooks").glob("*.sock"))

    def socket(self) -> Path:
        """The one VM's."""
        return until(lambda: self.sockets(), "the VM's socket is there")[0]

    # -- what comes of it --

    def post(self, body: Any, path: Optional[Path] = None, *more: str) -> tuple[int, str]:
        """Status (0 without an answer) and answer, as curl has it."""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        done = subprocess.run(["curl", "-q", "-s", "--max-time", "20", "-w", "\n%{http_code}", "--unix-socket",
                               path or self.socket(), "--data-binary", "@-", *more, "http://localhost/hook"],
                              input=data, capture_output=True, timeout=60)
        text, _, code = done.stdout.decode(errors="replace").rpartition("\n")
        return int(code), text

    def raw(self, data: bytes, path: Optional[Path] = None) -> bytes:
        """Bytes as they are, and all that is answered."""
        with self.connect(path) as s:
            with contextlib.suppress(BrokenPipeError):
                s.sendall(data)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while data := s.recv(65536):
                    answer += data
            return answer

    def connect(self, path: Optional[Path] = None) -> socket.socket:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(str(path or self.socket()))
        return s

    def log(self) -> list[dict[str, Any]]:
        files = sorted((self.state / "log").glob("events-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def shown(self) -> list[tuple[str, str]]:
        """(title, text) of each notification."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [tuple(json.loads(line)[-2:]) for line in lines]      # type: ignore[misc]

    def hook_sh(self, payload: bytes, shell: str = "/bin/sh", **env: str) -> subprocess.CompletedProcess[bytes]:
        given = {**self.env, "CLAUDE_HOOKS_SOCKET": str(self.state / "run/hooks/none.sock"), **env}
        return subprocess.run([shell, str(self.hook)], env=given, input=payload, capture_output=True, timeout=60)

    def servers(self) -> list[int]:
        """Those of this state directory; other tests have theirs at the same time."""
        return [pid for pid, args in processes().items() if args.startswith(self.program) and self.is_ours(pid)]

    def is_ours(self, pid: int) -> bool:
        try:
            return os.fsencode(f"CLAUDE_SANDBOX_HOME={self.state}") in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    def close(self) -> None:
        self.run("stop")
        for pid, args in processes().items():
            if str(self.root) in args:
                kill(pid)
        shutil.rmtree(self.root)


@pytest.fixture
def hooks(cli: str) -> Iterator[Hooks]:
    made = Hooks(cli)
    try:
        yield made
    finally:
        made.close()


# -- one server, whose files are its own --


def test_one_runs(hooks: Hooks) -> None:
    assert hooks.run("status").returncode == 1
    first = hooks.run("start")
    assert (first.returncode, len(first.stdout.splitlines() + first.stderr.splitlines())) == (0, 1)
    pid = hooks.pid()
    second = hooks.run("start")
    assert second.returncode == 0 and "already" in second.stdout + second.stderr
    assert hooks.run("run").returncode == 125
    assert hooks.pid() == pid and hooks.post(STOP) == (200, "{}")
    assert hooks.run("restart").returncode == 0
    assert hooks.pid() != pid and not is_alive(pid)
    assert hooks.post(STOP) == (200, "{}")
    assert hooks.run("stop").returncode == 0
    assert hooks.run("status").returncode == 1 and hooks.sockets() == []
    assert "not running" in hooks.run("stop").stdout


def test_many_starts_make_one(hooks: Hooks) -> None:
    starts = [subprocess.Popen([hooks.program, "start"], env=hooks.env, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL) for _ in range(8)]
    assert [start.wait(60) for start in starts] == [0] * 8
    assert hooks.post(STOP) == (200, "{}")
    until(lambda: len(hooks.servers()) == 1, "one of them stays")
    hooks.run("stop")
    until(lambda: not hooks.servers(), "all of them end")


def test_others_are_kept_out(hooks: Hooks) -> None:
    os.umask(0)
    try:
        hooks.start()
    finally:
        os.umask(0o022)
    hooks.post(STOP)
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in hooks.state.rglob("*") if "vms" not in path.parts}
    assert modes.pop("hooks") == modes.pop("run") == modes.pop("log") == 0o700
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(hooks: Hooks, number: int) -> None:
    hooks.start()
    pid, path = hooks.pid(), hooks.socket()
    os.kill(pid, number)
    until(lambda: not is_alive(pid), "the server ends")
    assert not path.exists() and hooks.run("status").returncode == 1


def test_what_a_killed_one_leaves_is_no_obstacle(hooks: Hooks) -> None:
    hooks.start()
    pid, path = hooks.pid(), hooks.socket()
    kill(pid)
    until(lambda: not is_alive(pid), "the server is gone")
    assert path.exists() and hooks.run("status").returncode == 1
    hooks.start()
    assert hooks.post(STOP) == (200, "{}")


def test_no_pid_in_a_file_is_believed(hooks: Hooks) -> None:
    innocent = subprocess.Popen(["sleep", "60"])
    try:
        for name in ("hooks-server.pid", "run/claude-hooks-server.pid"):
            (hooks.state / name).parent.mkdir(parents=True, exist_ok=True)
            (hooks.state / name).write_text(f"{innocent.pid}\n")
        hooks.start()
        kill(hooks.pid())
        assert hooks.run("stop").returncode == 0
        assert hooks.run("restart").returncode == 0
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_files_of_others_stay(hooks: Hooks) -> None:
    hooks.start()
    path = hooks.socket()
    hooks.run("stop")
    path.write_text("precious")
    hooks.add_vm("other", "/home/ann/other")
    hooks.start()
    assert path.read_text() == "precious"
    sockets = [p for p in hooks.sockets() if p != path]
    assert hooks.post(STOP, sockets[0]) == (200, "{}")      # one VM's trouble is not the others'
    assert "in the way" in (hooks.state / "log/claude-hooks-server.log").read_text()


def test_a_long_path_is_told(hooks: Hooks) -> None:
    done = hooks.run("start", CLAUDE_SANDBOX_HOME=str(hooks.root / ("x" * 100)))
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1 and "CLAUDE_SANDBOX_HOME" in done.stderr


def test_vms_are_noticed(hooks: Hooks) -> None:
    hooks.start()
    first = hooks.socket()
    hooks.add_vm("second", "/home/ann/b")
    until(lambda: len(hooks.sockets()) == 2, "the new VM has a socket")
    second = next(path for path in hooks.sockets() if path != first)
    assert hooks.post({**STOP, "vm": "web", "vm_name": "web"}, second) == (200, "{}")
    assert [entry["vm"] for entry in hooks.log()] == ["second"]     # by the socket, whatever it says
    (hooks.state / "vms/web.json").unlink()
    until(lambda: hooks.sockets() == [second], "the deleted VM's socket goes")


# -- requests --


def test_a_silent_client_blocks_nobody(hooks: Hooks) -> None:
    hooks.start()
    with hooks.connect() as silent, hooks.connect() as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        assert [hooks.post(STOP) for _ in range(5)] == [(200, "{}")] * 5
        assert silent.fileno() >= 0


def test_a_burst_is_delivered(hooks: Hooks) -> None:
    hooks.start()
    path = hooks.socket()
    curls = [subprocess.Popen(["curl", "-q", "-s", "-f", "--max-time", "50", "--unix-socket", path, "-o", "/dev/null",
                               "-d", json.dumps({"hook_event_name": "PreToolUse", "n": n}), "http://localhost/"])
             for n in range(128)]
    assert [curl.wait(60) for curl in curls] == [0] * 128
    assert sorted(entry["event"]["n"] for entry in hooks.log()) == list(range(128))


def test_connections_at_the_same_time(hooks: Hooks) -> None:
    """All connect before any says a word: what a listener's backlog is for."""
    hooks.start()
    path, body = hooks.socket(), json.dumps(STOP).encode()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(200)]
        for client in clients:
            client.setblocking(False)
            client.connect(str(path))       # as curl does: EAGAIN where there is no room
        for client in clients:
            client.setblocking(True)
            client.settimeout(60)
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        assert [client.recv(100).split()[1] for client in clients] == [b"200"] * 200


BAD_LENGTHS = ["-1", "+5", "7_3", "abc", "1e3", "", "5, 5", "0x5", "5\r\nContent-Length: 6", "5\r\nContent-Length: 5",
               "5\r\nTransfer-Encoding: chunked"]


@pytest.mark.parametrize("length", BAD_LENGTHS)
def test_odd_lengths_are_refused(hooks: Hooks, length: str) -> None:
    hooks.start()
    answer = hooks.raw(f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\nhello".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert hooks.post(STOP) == (200, "{}")


@pytest.mark.parametrize("request_, status", [
    (b"POST / HTTP/1.1\r\n\r\n", 411),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411),
    (b"GET / HTTP/1.1\r\n\r\n", 405),
    (b"garbage\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nX: " + b"x" * 70000 + b"\r\n\r\n", 431),
    (b"POST / HTTP/1.1\r\nContent-Length: 10000000000\r\n\r\n", 413),
    (b"POST / HTTP/1.1\r\nContent-Length: 10000000000000000000000\r\n\r\n", 413),
])
def test_requests_get_their_status(hooks: Hooks, request_: bytes, status: int) -> None:
    hooks.start()
    assert hooks.raw(request_).startswith(b"HTTP/1.1 %d " % status)
    assert hooks.log() == []


@pytest.mark.parametrize("body", [
    b'{"a":', b"", b'{"a":"\n"}', b'{"a":"\xff"}', b"[" * 100000 + b"]" * 100000,
    b'{"a":' * 100000 + b"1" + b"}" * 100000, b"[]", b"5", b"null", b'"x"', b"\xef\xbb\xbf{}", b'{"a":NaN}',
    '{"a":1}'.encode("utf-16"), b'{"a":"\0"}',
], ids=range(14))
def test_what_is_no_event_is_refused(hooks: Hooks, body: bytes) -> None:
    hooks.start()
    assert hooks.post(body)[0] == 400
    assert hooks.post(STOP) == (200, "{}")
    assert hooks.status()["events"] == 1


def test_a_huge_body_is_refused_and_costs_nothing(hooks: Hooks) -> None:
    hooks.start()
    huge = hooks.root / "huge"
    with open(huge, "wb") as file:
        file.truncate(1 << 30)
    done = subprocess.run(["curl", "-q", "-s", "--max-time", "50", "-o", "/dev/null", "-w", "%{http_code}",
                           "--unix-socket", hooks.socket(), "-T", huge, "-X", "POST", "http://localhost/"],
                          capture_output=True, text=True, timeout=60)
    assert done.stdout == "413"
    # The same by somebody who sends all the same.
    answer = hooks.raw(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (1 << 30) + b"x" * (1 << 26))
    assert answer.startswith(b"HTTP/1.1 413 ") or answer == b""
    if sys.platform == "linux":
        peak = Path(f"/proc/{hooks.pid()}/status").read_text().split("VmHWM:")[1].split()[0]
        assert int(peak) < 16 * 1024, "KiB"
    assert hooks.post(STOP) == (200, "{}")


def test_large_events_are_taken(hooks: Hooks) -> None:
    hooks.start()
    text = "é" * 2_000_000
    assert hooks.post({**STOP, "text": text}) == (200, "{}")
    entry, = hooks.log()
    assert entry["event"]["text"] == "é" * 128 + "..." and entry["bytes"] > 4_000_000
    assert hooks.post({**STOP, "text": "x" * (8 << 20)})[0] == 413


def test_what_is_cut_ends_where_it_ended(hooks: Hooks) -> None:
    hooks.start()
    for tail in ('"', "\\", '\\"', '\\\\"\\\\', "\u001b", "é\\"):
        assert hooks.post({**STOP, "text": "x" * 300 + tail * 40, "after": tail}) == (200, "{}")
        entry = hooks.log()[-1]
        assert entry["event"]["text"] == "x" * 256 + "..." and entry["event"]["after"] == tail


def test_a_client_that_leaves_early(hooks: Hooks) -> None:
    hooks.start()
    body = json.dumps(STOP).encode()
    for cut in (0, 10, 60):
        with hooks.connect() as s:
            s.sendall((b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))[:cut])
    with hooks.connect() as s:
        s.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert hooks.post(STOP) == (200, "{}")
    until(lambda: hooks.status()["events"] == 2, "both whole events are heard")


def test_one_vms_flood_is_not_anothers(hooks: Hooks) -> None:
    hooks.add_vm("quiet", "/home/ann/q")
    hooks.start()
    until(lambda: len(hooks.sockets()) == 2, "both have a socket")
    over, path = threading.Event(), hooks.sockets()[0]

    def flood() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                hooks.raw(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", path)

    floods = [threading.Thread(target=flood) for _ in range(4)]
    for thread in floods:
        thread.start()
    try:
        quiet, body = hooks.sockets()[1], json.dumps(STOP).encode()
        for _ in range(20):
            began = time.monotonic()
            assert hooks.raw(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
                             quiet).startswith(b"HTTP/1.1 200 ")
            assert time.monotonic() - began < 5     # 0.1 s is meant, on a machine with nothing else to do
    finally:
        over.set()
        for thread in floods:
            thread.join()


# -- notifications and the log --


def test_what_is_shown(hooks: Hooks) -> None:
    hooks.start()
    for n, event in enumerate([{"hook_event_name": "Notification", "message": "Größe: \"<b>\" & \\074\n$(id) `id`"},
                               {"hook_event_name": "Stop"}, {"hook_event_name": "PreToolUse"},
                               {"hook_event_name": "StopFailure", "error": "server_error"},
                               {"hook_event_name": "PermissionRequest", "tool_name": "Bash"},
                               {"hook_event_name": "Notification", "message": {"a": 1}}]):
        assert hooks.post({**event, "session_id": f"s{n}", "cwd": "/home/ann/another"}) == (200, "{}")
    until(lambda: len(hooks.shown()) == 5, "five notifications")
    assert hooks.shown() == [("Claude [café]", text) for text in (
        "Größe: \"‹b›\" ＆ ＼074 $(id) `id`", "Claude has finished", "Claude has stopped: server_error",
        "Claude asks for permission to use Bash", "Claude wants to tell you something")]
    argv = json.loads(hooks.notes.read_text().splitlines()[0])
    assert argv[:-2] == ["-a", "Claude", "-u", "normal", "-h", "string:sound-name:message-new-instant",
                         "-h", "string:desktop-entry:claude-sandbox", "--"]


def test_texts_are_harmless_and_short(hooks: Hooks) -> None:
    hooks.start()
    hooks.post({"hook_event_name": "Notification", "message": "-x \x1b]0;title\x07\u202e" + "ü" * 3_000_000})
    title, text = until(lambda: hooks.shown(), "it is shown")[0]
    assert text.startswith("-x ?]0;title??ü") and text.endswith("ü...") and len(text.encode()) < 1000


def test_a_slow_notifier_holds_nobody_up(hooks: Hooks) -> None:
    hooks.start(NOTIFY_SLEEP="2")
    for n in range(20):
        assert hooks.post({**STOP, "session_id": f"s{n % 4}"}) == (200, "{}")
    assert len(processes_of(hooks)) <= 1
    assert Path(f"{hooks.notes}.alive").read_text().count("x") <= 2
    until(lambda: len(hooks.shown()) >= 4, "each session's latest is shown", 60)
    until(lambda: sum(hooks.status()[key] for key in ("notified", "merged")) == 20, "all are accounted for")
    assert any(text.startswith("Claude has finished (and ") for _, text in hooks.shown())
    # None is left behind as a corpse.
    assert "defunct" not in subprocess.run(["ps", "-o", "stat=,args=", "--ppid", str(hooks.pid())],
                                           capture_output=True, text=True, check=False).stdout


def processes_of(hooks: Hooks) -> list[str]:
    return [args for args in processes().values() if str(hooks.bin / "notify-send") in args]


def test_no_notifier_is_no_disaster(hooks: Hooks) -> None:
    (hooks.bin / "notify-send").unlink()
    hooks.start(PATH=str(hooks.bin))
    for _ in range(5):
        assert hooks.post(STOP) == (200, "{}")
    until(lambda: hooks.status()["lost"] + hooks.status()["merged"] == 5, "all are accounted for")
    log = (hooks.state / "log/claude-hooks-server.log").read_text()
    assert log.count("a notification was not shown") == 1


def test_notify_test(hooks: Hooks) -> None:
    done = hooks.run("notify-test")
    assert done.returncode == 1 and "start" in done.stderr
    hooks.start()
    assert hooks.run("notify-test").returncode == 0
    assert until(lambda: hooks.shown(), "it is shown")[0][0] == "Claude [test]"


def test_the_log_says_what_came(hooks: Hooks) -> None:
    hooks.start()
    hooks.post(b'{\n  "hook_event_name": "New\\u0007Event",\n  "x": [1, {"y": null}]\n}')
    hooks.post({**STOP, "many": list(range(5000))})
    first, second = hooks.log()
    assert first["vm"] == "web" and first["event"] == {"hook_event_name": "New\x07Event", "x": [1, {"y": None}]}
    assert second["event"] is None and second["bytes"] > 8192
    file, = (hooks.state / "log").glob("events-*.jsonl")
    assert b"\x07" not in file.read_bytes()


def test_the_log_is_limited(hooks: Hooks) -> None:
    log = hooks.state / "log"
    log.mkdir(parents=True)
    for day in range(1, 29):
        (log / f"events-2020-01-{day:02}.jsonl").write_text("{}\n")
    hooks.start()
    hooks.post(STOP)
    files = sorted(path.name for path in log.glob("events-*"))
    assert len(files) == 14 and "events-2020-01-28.jsonl" in files and "events-2020-01-10.jsonl" not in files
    today = log / files[-1]
    with open(today, "ab") as file:
        file.truncate(8 << 20)
    hooks.run("restart")
    hooks.post(STOP)
    assert today.stat().st_size < 8192 and (log / today.name.replace(".jsonl", ".1.jsonl")).stat().st_size == 8 << 20


# -- the hook in the guest --


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/dash", "/bin/bash"])
def test_the_hook_delivers(hooks: Hooks, shell: str) -> None:
    if not Path(shell).exists():
        pytest.skip(f"no {shell}")
    hooks.start()
    event = {"hook_event_name": "Notification", "message": "a\\nb\n\t\\\\ \"é\" $(id) `id` %s", "nothing": None}
    done = hooks.hook_sh(json.dumps(event).encode(), shell, CLAUDE_HOOKS_SOCKET=str(hooks.socket()))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [entry["event"] for entry in hooks.log()] == [event]


@pytest.mark.parametrize("size", [200_000, 3_000_000])
def test_the_hook_takes_any_size(hooks: Hooks, size: int) -> None:
    hooks.start()
    done = hooks.hook_sh(json.dumps({**STOP, "x": "y" * size}).encode(), CLAUDE_HOOKS_SOCKET=str(hooks.socket()))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [entry["bytes"] > size for entry in hooks.log()] == [True]


def test_the_hook_without_a_host(hooks: Hooks) -> None:
    payload = json.dumps({**STOP, "x": "y" * 1_000_000}).encode()
    stale = hooks.root / "stale.sock"
    socket.socket(socket.AF_UNIX).bind(str(stale))
    for path in (hooks.root / "none.sock", stale):
        done = hooks.hook_sh(payload, CLAUDE_HOOKS_SOCKET=str(path))
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_hook_without_curl(hooks: Hooks) -> None:
    for name in ("cat", "id", "find"):
        (hooks.bin / name).symlink_to(shutil.which(name) or name)
    with serving(hooks.root / "s.sock", None):
        hook = subprocess.Popen(["/bin/sh", hooks.hook], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={
            "PATH": str(hooks.bin), "CLAUDE_HOOKS_SOCKET": str(hooks.root / "s.sock")})
        assert hook.stdin and hook.stdout
        hook.stdin.write(b"x" * 1_000_000)     # EPIPE where nobody reads it
        hook.stdin.close()
        assert hook.wait(60) == 0
        hook.stdout.close()


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"])
def test_a_hook_that_is_ended_asks_no_more(hooks: Hooks, shell: str) -> None:
    """As Claude does it when its user has answered the dialog with Esc."""
    if not Path(shell).exists():
        pytest.skip(f"no {shell}")
    place, tmp = hooks.root / "s.sock", hooks.root / "tmp"
    tmp.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(1)
        listener.settimeout(30)
        hook = subprocess.Popen([shell, hooks.hook, "PermissionRequest"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                env={**hooks.env, "CLAUDE_CODE_SESSION_ATTENDED": "1", "TMPDIR": str(tmp),
                                     "CLAUDE_HOOKS_SOCKET": str(place)})
        assert hook.stdin and hook.stdout
        hook.stdin.write(b"{}")
        hook.stdin.close()
        with listener.accept()[0] as asked:
            asked.settimeout(30)
            heard = b""
            while not heard.endswith(b"\r\n\r\n{}"):
                heard += asked.recv(65536)
            hook.terminate()
            assert asked.recv(1) == b"", "it hangs up"
        assert (hook.wait(30), hook.stdout.read()) == (0, b"")
        hook.stdout.close()
    assert list(tmp.iterdir()) == []


def test_the_hook_looks_whose_place_it_is(hooks: Hooks) -> None:
    """In /dev/shm anybody can make anything. The directory is somebody else's: root's, of another name."""
    hook = hooks.root / "hook.sh"
    place = hooks.root / "place"
    place.mkdir()
    answer = b'HTTP/1.1 200 X\r\nContent-Length: 7\r\nConnection: close\r\n\r\n{"a":1}'

    def said(directory: Path) -> bytes:
        hook.write_text(hooks.hook.read_text().replace("/dev/shm/claude-sandbox-$uid", str(directory)))
        env = {key: value for key, value in hooks.env.items() if key != "CLAUDE_HOOKS_SOCKET"}
        return subprocess.run(["/bin/sh", hook], env=env, input=b"{}", capture_output=True, timeout=60).stdout

    with serving(place / "hooks.sock", answer):
        assert said(place) == b'{"a":1}\n'
        (hooks.root / "link").symlink_to(place)
        assert said(hooks.root / "link") == b""
        find = hooks.bin / "find"       # as if it were somebody else's, which only root can arrange
        find.write_text(f"#!/bin/sh\nshift; exec /usr/bin/find {place} \"$1\" \"$2\" \"$3\" \"$4\" 0\n")
        find.chmod(0o755)
        assert said(place) == b""


@contextlib.contextmanager
def serving(path: Path, answer: Optional[bytes]) -> Iterator[None]:
    """Somebody who takes connections and says this, or nothing."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(5)
    kept: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                kept.append(listener.accept()[0])
                if answer is not None:
                    kept[-1].recv(65536)
                    kept[-1].sendall(answer)
                    kept[-1].close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in kept:
            client.close()


def test_the_hook_does_not_wait_for_ever(hooks: Hooks) -> None:
    path = hooks.root / "hung.sock"
    with serving(path, None):
        done = hooks.hook_sh(b"{}", CLAUDE_HOOKS_SOCKET=str(path), CLAUDE_HOOKS_TIMEOUT="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("status, body, printed", [
    (200, b'{"decision":"block","reason":"a\\nb \\\\ %s $HOME"}', b'{"decision":"block","reason":"a\\nb \\\\ %s $HOME"}\n'),
    (200, b"{}", b""), (200, b"ok", b""), (200, b"", b""), (200, b"[1]", b""), (200, b"<html></html>", b""),
    (500, b'{"decision":"block"}', b""), (413, b'{"error":"Content Too Large"}', b""),
])
def test_the_hook_prints_answers_only(hooks: Hooks, status: int, body: bytes, printed: bytes) -> None:
    path = hooks.root / "answers.sock"
    answer = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)
    with serving(path, answer):
        done = hooks.hook_sh(b"{}", CLAUDE_HOOKS_SOCKET=str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, b"")


# -- over the session bus --


MOCK = """
import json, sys, dbus, dbus.mainloop.glib, dbus.service
from gi.repository import GLib

class Notifications(dbus.service.Object):
    last = 0
    @dbus.service.method("org.freedesktop.Notifications", in_signature="", out_signature="as")
    def GetCapabilities(self):
        return sys.argv[2].split()
    @dbus.service.method("org.freedesktop.Notifications", in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, replaces, icon, title, body, actions, hints, expire):
        self.last += 1
        with open(sys.argv[1], "a") as f:
            f.write(json.dumps({"app": app, "replaces": int(replaces), "title": title, "body": body,
                                "urgency": int(hints["urgency"]), "sound": hints["sound-name"]}) + "\\n")
        return int(replaces) or self.last

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName("org.freedesktop.Notifications", bus)
service = Notifications(bus, "/org/freedesktop/Notifications")
print("ready", flush=True)
GLib.MainLoop().run()
"""


@contextlib.contextmanager
def session_bus(hooks: Hooks, capabilities: Optional[str]) -> Iterator[Path]:
    """A bus of our own, and with capabilities somebody on it who notes notifications."""
    if not shutil.which("dbus-daemon"):
        pytest.skip("no dbus-daemon")
    notes = hooks.root / "bus-notes"
    bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE,
                           text=True, env=hooks.env)
    mock = None
    try:
        assert bus.stdout
        hooks.env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        if capabilities is not None:
            mock = subprocess.Popen(["/usr/bin/python3", "-c", MOCK, str(notes), capabilities], env=hooks.env,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            assert mock.stdout
            if mock.stdout.readline() != "ready\n":
                pytest.skip("no python3-dbus and python3-gi for a notification service")
        yield notes
    finally:
        for process in (mock, bus):
            if process:
                process.kill()
                process.wait()
                assert process.stdout
                process.stdout.close()


def has_sd_bus(hooks: Hooks) -> bool:
    return b"sd_bus_call_async" in Path(hooks.program).read_bytes()


@pytest.mark.parametrize("capabilities, text", [("body body-markup", "1 &lt; 2 &amp; 3"), ("body", "1 < 2 & 3")])
def test_notifications_over_the_bus(hooks: Hooks, capabilities: str, text: str) -> None:
    if not has_sd_bus(hooks):
        pytest.skip("built without libsystemd")
    with session_bus(hooks, capabilities) as notes:
        hooks.start()
        events = [{"hook_event_name": "Notification", "message": "1 < 2 & 3", "session_id": "a"},
                  {"hook_event_name": "StopFailure", "session_id": "b"}, {"hook_event_name": "Stop", "session_id": "a"}]
        for n, event in enumerate(events):
            hooks.post(event)
            until(lambda: notes.exists() and notes.read_text().count("\n") == n + 1, "it is shown")
        until(lambda: hooks.status()["notified"] == 3, "the service answered")
        assert hooks.status()["notifier"] == "session bus" and hooks.shown() == []
    first, second, third = map(json.loads, notes.read_text().splitlines())
    assert first == {"app": "Claude", "replaces": 0, "title": "Claude [café]", "body": text, "urgency": 1,
                     "sound": "message-new-instant"}
    assert (second["replaces"], second["urgency"]) == (0, 2)
    assert third["replaces"] == 1       # of the same session


def test_a_bus_without_a_desktop(hooks: Hooks) -> None:
    if not has_sd_bus(hooks):
        pytest.skip("built without libsystemd")
    with session_bus(hooks, None):
        hooks.start()
        assert hooks.post(STOP) == (200, "{}")
        until(lambda: hooks.shown(), "it is shown in the next way")
        until(lambda: hooks.status()["notified"] == 1 and hooks.status()["lost"] == 0, "it is counted")
    assert hooks.post(STOP) == (200, "{}")      # the bus is gone
    until(lambda: len(hooks.shown()) == 2, "it is shown")
