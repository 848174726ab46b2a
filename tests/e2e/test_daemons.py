"""What our servers have in common, shown by the one that needs least: starting, being found, ending."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from sandbox import FAILED, USAGE, Sandbox, is_alive, kill, until
from servers import Server, connect, mode, read_all

NOT_RUNNING = 1


@pytest.fixture
def server(sandbox: Sandbox) -> Iterator[Server]:
    made = Server(sandbox, "claude-audio-server")
    try:
        yield made
    finally:
        made.close()


def test_life(server: Server) -> None:
    before = int(time.time())
    assert server.status() is None
    assert not server.sandbox.state.exists(), "a question makes nothing"
    pid = server.start()
    told = server.status()
    assert told and told["pid"] == pid and before <= told["since"] <= time.time() and told["version"]
    assert f"pid: {pid}" in server.run("status").expect(0).lines()
    assert server.run("stop").expect(0).text == "claude-audio-server: stopped\n"
    assert not is_alive(pid)
    assert not server.control.exists()
    assert server.run("status").expect(NOT_RUNNING).text == "claude-audio-server: not running\n"
    assert "not running" in server.run("stop").expect(0).text


def test_only_its_user_gets_near(server: Server) -> None:
    old = os.umask(0)
    try:
        server.start()
    finally:
        os.umask(old)
    assert mode(server.run_dir) == 0o700
    assert mode(server.control) == 0o600
    assert mode(server.lock) == 0o600
    assert mode(server.log) == 0o600


def test_directory_that_was_open_is_closed(server: Server) -> None:
    server.run_dir.mkdir(parents=True)
    server.run_dir.chmod(0o777)
    server.start()
    assert mode(server.run_dir) == 0o700


def test_directory_that_is_a_link_is_refused(server: Server) -> None:
    elsewhere = server.sandbox.root / "elsewhere"
    elsewhere.mkdir()
    server.sandbox.state.mkdir()
    server.run_dir.symlink_to(elsewhere)
    server.run("start").expect(FAILED, "run is not a directory of yours alone")
    assert list(elsewhere.iterdir()) == []


def test_second_start_finds_the_first(server: Server) -> None:
    pid = server.start()
    assert server.run("start").expect(0).text == f"claude-audio-server: runs already, pid {pid}\n"
    server.run("run").expect(FAILED, "runs already", str(pid))
    told = server.status()
    assert told and told["pid"] == pid


def test_many_starts_at_once_make_one(server: Server) -> None:
    said = [server.end(one).expect(0).text for one in [server.begin("start") for _ in range(12)]]
    assert sum("started" in text for text in said) == 1, said
    assert len(server.pids) == 1, said
    assert is_alive(server.pids.pop())


def test_restart(server: Server) -> None:
    first = server.start()
    assert "started" in server.run("restart").expect(0).text
    told = server.status()
    assert told and told["pid"] != first
    assert not is_alive(first)


def test_restart_starts_where_none_runs(server: Server) -> None:
    assert "started" in server.run("restart").expect(0).text
    assert server.status()


def test_in_the_foreground(server: Server) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        running = server.begin("run")
        until(server.status, "the server answers")
        running.send_signal(number)
        server.end(running).expect(0)
        assert not server.control.exists()


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="systemd is of Linux")
@pytest.mark.parametrize("abstract", [False, True])
def test_a_service_manager_hears_when_it_is_ready(server: Server, abstract: bool) -> None:
    path = f"csb-{os.getpid()}" if abstract else str(server.sandbox.root / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + path if abstract else path)
        manager.settimeout(30)
        running = server.begin("run", NOTIFY_SOCKET="@" + path if abstract else path)
        assert manager.recv(100) == b"READY=1"
        assert server.status(), "it is"
        # Whoever comes second is not ready, and is no reason to try again and again.
        server.run("run", NOTIFY_SOCKET="@" + path if abstract else path).expect(FAILED, "runs already")
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        running.send_signal(signal.SIGTERM)
        server.end(running).expect(0)


def test_the_unit_is_one(sandbox: Sandbox) -> None:
    prefix = Path(sandbox.cli).parent.parent
    unit = prefix / "lib/systemd/user/claude-hooks-server.service"
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    assert f"ExecStart={prefix}/bin/claude-hooks-server run\n" in unit.read_text()
    done = subprocess.run(["systemd-analyze", "--user", "verify", "--man=no", unit], capture_output=True, text=True,
                          timeout=60, env={**sandbox.env, "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(sandbox.root)},
                          check=False)
    said = [line for line in done.stderr.splitlines() if "claude-hooks-server" in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_without_a_verb_it_runs(server: Server) -> None:
    running = server.begin()
    until(server.status, "the server answers")
    server.run("stop").expect(0)
    server.end(running).expect(0)


def test_killed_and_started_again(server: Server) -> None:
    kill(server.start())
    until(lambda: server.status() is None, "it is gone")
    assert server.control.is_socket(), "what it left is what the next one has to cope with"
    server.start()
    assert server.status()


def test_pid_in_a_file_means_nothing(server: Server) -> None:
    """The lock is held by nobody, whatever is written in it."""
    server.run_dir.mkdir(parents=True, mode=0o700)
    server.lock.write_text(f"{os.getpid()}\n")
    assert server.status() is None
    server.run("stop").expect(0)
    server.start()


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_is_not_ours_stays(server: Server, kind: str) -> None:
    server.run_dir.mkdir(parents=True, mode=0o700)
    target = server.sandbox.root / "target"
    if kind == "file":
        server.control.write_text("precious")
    elif kind == "link":
        socket.socket(socket.AF_UNIX).bind(str(target))
        server.control.symlink_to(target)
    else:
        server.control.mkdir()
    before = server.control.lstat()
    server.run("start").expect(FAILED, "in the way")
    assert server.control.lstat() == before
    assert kind != "link" or target.is_socket()
    assert server.status() is None


def test_one_that_hangs_is_ended(server: Server) -> None:
    pid = server.start()
    os.kill(pid, signal.SIGSTOP)
    assert "by force" in server.run("stop").expect(0).text
    until(lambda: not is_alive(pid), "it ends")
    server.start()


def test_lock_that_nobody_answers_for(server: Server) -> None:
    server.run_dir.mkdir(parents=True, mode=0o700)
    with server.lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        server.run("start").expect(FAILED, "does not answer")
        server.run("status").expect(FAILED)


def test_state_directory_too_long(server: Server) -> None:
    deep = server.sandbox.root / ("d" * 100)
    server.run("start", CLAUDE_SANDBOX_HOME=str(deep)).expect(FAILED, "too long", "CLAUDE_SANDBOX_HOME")


def test_state_directory_that_can_not_be_made(server: Server) -> None:
    (server.sandbox.root / "file").touch()
    done = server.run("start", CLAUDE_SANDBOX_HOME=str(server.sandbox.root / "file/state"))
    done.expect(FAILED)
    assert len(done.err.splitlines()) == 1, done.err


@pytest.mark.parametrize("argv", [["nonsense"], ["start", "x"], ["status", "--jso"], ["--jso"], ["stop", ""], ["serve"]])
def test_bad_usage(server: Server, argv: list[str]) -> None:
    server.run(*argv).expect(USAGE)
    assert not server.sandbox.state.exists()


def test_help_and_version(server: Server) -> None:
    text = server.run("--help").expect(0).text
    assert all(verb in text for verb in ("run", "start", "stop", "restart", "status", "serve"))
    assert server.run("--version").expect(0).text.startswith("claude-audio-server ")


def test_background_is_the_background(server: Server) -> None:
    """Nothing of whoever started it: no terminal, no pipe, no directory."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        started = subprocess.run([server.program, "start"], env=server.env, cwd=server.sandbox.root, close_fds=False,
                                 stdout=subprocess.PIPE, timeout=30, check=True)
        pid = int(started.stdout.split()[-1])
        server.pids.add(pid)
        assert os.getsid(pid) != os.getsid(0)
        os.close(writer)
        writer = -1
        assert select.select([reader], [], [], 10)[0], "the server holds the pipe open"
        if os.path.exists("/proc/self"):
            assert os.readlink(f"/proc/{pid}/cwd") == "/"
            assert os.readlink(f"/proc/{pid}/fd/2") == str(server.log)
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="no /proc")
def test_logins_are_not_kept(server: Server) -> None:
    """Whoever starts it has them, as the command line does; it runs for days."""
    pid = server.start(ANTHROPIC_API_KEY="sk-secret-1", CLAUDE_CODE_OAUTH_TOKEN="secret-2", ANTHROPIC="stays")
    kept = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"secret" not in kept and b"\0ANTHROPIC=stays\0" in kept and b"CLAUDE_SANDBOX_HOME=" in kept


def test_closed_streams(server: Server) -> None:
    """The files it opens don't land in the place of standard streams."""
    subprocess.run(["sh", "-c", f"exec '{server.program}' start <&- >&- 2>&-"], env=server.env, timeout=30, check=False)
    told = server.status()
    assert told
    server.pids.add(told["pid"])


def test_odd_talk_on_the_control_socket(server: Server) -> None:
    server.start()
    silent = [connect(server.control) for _ in range(8)]     # as many as there are places
    with connect(server.control) as long:
        long.sendall(b"x" * 5000)
    with connect(server.control) as unknown:
        unknown.sendall(b"format c:\n")
        assert read_all(unknown).startswith(b"failed\n")
    for one in silent:
        assert one.recv(1) == b"", "who says nothing is hung up on"
        one.close()
    assert server.status()


def test_log_stays_small(server: Server) -> None:
    server.log.parent.mkdir(parents=True)
    server.log.write_bytes(b"old line\n" * 200_000)
    server.start()
    assert server.log.stat().st_size < 100_000
    assert server.log.with_name(server.log.name + ".1").stat().st_size > 1_000_000
