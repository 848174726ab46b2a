"""The installed command line, run with a home, a state directory and projects of its own.

Nothing here knows an engine: test_fake_lima.py and test_real_vm.py say what the VMs are made with.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, TypeVar, Union

TESTS = Path(__file__).resolve().parent.parent
USAGE, FAILED, INTERRUPTED = 2, 125, 130    # claude-sandbox(1), EXIT STATUS
NAME = re.compile(r"claude-sandbox-[a-z0-9-]*[a-z0-9]-[0-9a-f]{8}")
T = TypeVar("T")
Text = Union[str, Path, bytes]


def until(condition: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """The condition's first true value; the test fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.02)
    return value


def find_cli() -> Optional[str]:
    prefix = os.environ.get("CLAUDE_SANDBOX_PREFIX")
    return shutil.which(os.path.join(prefix, "bin/claude-sandbox") if prefix else "claude-sandbox")


def find_library(cli: str) -> str:
    """The library that was installed with this command line."""
    prefix = Path(cli).resolve().parent.parent
    found = [p for suffix in ("so", "dylib") for p in prefix.glob(f"lib*/**/libclaudesandbox.{suffix}")]
    assert found, f"no libclaudesandbox under {prefix}"
    return str(found[0])


def processes() -> dict[int, str]:
    """Every process of this machine with its arguments."""
    lines = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, check=True).stdout
    # A line may be another one's continuation: arguments may have line breaks.
    rows = (line.split(None, 1) for line in lines.decode(errors="replace").splitlines())
    return {int(row[0]): row[1] for row in rows if len(row) == 2 and row[0].isdigit() and "<defunct>" not in row[1]}


def is_alive(pid: int) -> bool:
    return pid in processes()


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@dataclasses.dataclass
class Done:
    """How a run of the command line ended."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    def lines(self) -> list[str]:
        return self.text.splitlines()

    def expect(self, status: int, *said: str) -> Done:
        """The exit status, and words that standard error must have."""
        assert self.status == status, f"status {self.status}, not {status}\n{self.err}{self.out[-2000:]!r}"
        for words in said:
            assert words in self.err, f"not said: {words}\n{self.err}"
        return self


@dataclasses.dataclass
class Row:
    """A line of ``claude-sandbox status``."""

    name: str
    state: str
    engine: str
    cpus: str
    memory: str
    disk: str
    project: str
    used: str
    since: str


class Running:
    """A command line that is still at work."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes) -> None:
        self.process, self.pid, self._stdin = process, process.pid, stdin

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 60.0) -> Done:
        out, err = self.process.communicate(self._stdin, timeout=seconds)
        return Done(self.process.returncode, out, err.decode(errors="replace"))

    def kill(self) -> None:
        """As if the power of this one process failed."""
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


class Sandbox:
    """One user's world: ``home``, the state directory ``state``, and ``projects``, none inside another."""

    timeout = 60.0      # for one run of the command line

    def __init__(self, cli: str, **env: str) -> None:
        # Short, for sockets lie in it; real, for the paths of mounts are.
        self.root = Path(tempfile.mkdtemp(prefix="csb-", dir="/tmp")).resolve()
        self.cli = cli
        self.home, self.state, self.projects = (self.root / name for name in ("home", "s", "p"))
        self.home.mkdir()
        self.projects.mkdir()
        user = os.environ.get("USER") or os.environ.get("LOGNAME") or "user"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "USER": user, "LOGNAME": user,
                    "LANG": "C.UTF-8", "TERM": "xterm-256color", "CLAUDE_SANDBOX_HOME": str(self.state),
                    # No server or session of a test is to outlive it.
                    "CLAUDE_SANDBOX_HOOKS": "0", "CLAUDE_SANDBOX_TMUX": "0", **env}
        self._started: list[Running] = []

    # -- projects --

    def project(self, name: Text = "project", *parents: str) -> Path:
        made = self.projects.joinpath(*parents, os.fsdecode(name))
        made.mkdir(parents=True, exist_ok=True)
        return made

    # -- the command line --

    def start(self, *argv: Text, cwd: Optional[Path] = None, stdin: bytes = b"",
              env: Optional[dict[str, str]] = None, **more: Any) -> Running:
        """What is on stdin comes, and ends, when the caller waits."""
        process = subprocess.Popen([self.cli, *argv], cwd=cwd or self.projects, env={**self.env, **(env or {})},
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        running = Running(process, stdin)
        self._started.append(running)
        return running

    def run(self, *argv: Text, seconds: Optional[float] = None, **more: Any) -> Done:
        return self.start(*argv, **more).wait(seconds or self.timeout)

    def terminal(self, *argv: Text, cwd: Optional[Path] = None, env: Optional[dict[str, str]] = None,
                 size: tuple[int, int] = (24, 80)) -> Terminal:
        return Terminal([self.cli, *map(os.fsdecode, argv)], cwd or self.projects, {**self.env, **(env or {})}, size)

    def library(self, call: str, env: Optional[dict[str, str]] = None, **arguments: Any) -> dict[str, Any]:
        """What the command line has no option for: library.py, in a process of its own."""
        program = [sys.executable, str(TESTS / "e2e/library.py"), find_library(self.cli), call, json.dumps(arguments)]
        done = subprocess.run(program, cwd=self.projects, env={**self.env, **(env or {})}, capture_output=True,
                              timeout=self.timeout)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return json.loads(done.stdout)

    # -- what there is --

    def rows(self) -> list[Row]:
        head, *lines = self.run("status").expect(0).lines()
        assert head.split("\t") == ["NAME", "STATE", "ENGINE", "CPUS", "MEMORY", "DISK", "PROJECT", "USED", "SINCE"]
        return [Row(*line.split("\t")) for line in lines]

    def row(self, project: Path) -> Row:
        """The project's VM; the test fails when it has none, or two."""
        found = [row for row in self.rows() if row.project == str(project)]
        assert len(found) == 1, found
        return found[0]

    def records(self) -> dict[str, dict[str, Any]]:
        return {path.stem: json.loads(path.read_text()) for path in sorted(self.state.glob("vms/*.json"))}

    def holding(self, needle: Union[str, Path]) -> dict[int, str]:
        """The processes that have this text in an argument; not the test itself."""
        return {pid: args for pid, args in processes().items() if str(needle) in args and pid != os.getpid()}

    # -- the end --

    def close(self) -> None:
        for running in self._started:
            if running.process.poll() is None:
                running.kill()
        for pid in self.holding(self.root):
            kill(pid)
        until(lambda: not self.holding(self.root), "the processes of this test end")
        _make_removable(self.root)
        shutil.rmtree(self.root)


def _make_removable(root: Path) -> None:
    for directory, names, _ in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)


class Terminal:
    """The command line on a terminal, as a person has it."""

    def __init__(self, argv: list[str], cwd: Path, env: dict[str, str], size: tuple[int, int]) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.modes = termios.tcgetattr(self.slave)
        self.seen = self.everything = b""
        self.process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        start_new_session=True, preexec_fn=_take_terminal)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 65536):
                self.seen += data
                self.everything += data

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def expect(self, pattern: bytes, seconds: float = 60.0) -> None:
        """Until that has been seen; what came before it is forgotten."""
        deadline, over = time.monotonic() + seconds, False
        while not (match := re.search(pattern, self.seen)):
            if not over and self.process.poll() is not None:
                over, deadline = True, time.monotonic() + 1     # its last words are on their way
            assert time.monotonic() < deadline, f"{pattern!r} was not seen in {self.seen[-3000:]!r}"
            time.sleep(0.02)
        self.seen = self.seen[match.end():]

    def wait(self, seconds: float = 60.0) -> int:
        return self.process.wait(seconds)

    def modes_are_back(self) -> bool:
        return termios.tcgetattr(self.slave) == self.modes

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self.slave)
        os.close(self.master)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def sampling(look: Callable[[], None]) -> Iterator[None]:
    """Looks again and again while the block runs."""
    over = threading.Event()

    def loop() -> None:
        while not over.is_set():
            look()
            over.wait(0.01)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
