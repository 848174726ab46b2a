"""Our servers, run as the command line runs them: in the background, one per state directory."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any, Optional

from sandbox import Done, Sandbox, is_alive, kill, until


class Server:
    """One of our servers in the world of a Sandbox."""

    def __init__(self, sandbox: Sandbox, name: str, **env: str) -> None:
        self.sandbox, self.name = sandbox, name
        self.program = str(Path(sandbox.cli).with_name(name))
        self.env = {**sandbox.env, "PATH": os.environ["PATH"], **env}
        self.run_dir, self.log = sandbox.state / "run", sandbox.state / "log" / f"{name}.log"
        self.control, self.lock = self.run_dir / f"{name}.ctl", self.run_dir / f"{name}.lock"
        self.pids: set[int] = set()

    def begin(self, *argv: str, **env: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([self.program, *argv], env={**self.env, **env}, cwd=self.sandbox.root,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self, process: subprocess.Popen[bytes], seconds: float = 30.0) -> Done:
        out, err = process.communicate(timeout=seconds)
        self.pids.update(map(int, re.findall(rb"pid (\d+)", out)))
        return Done(process.returncode, out, err.decode(errors="replace"))

    def run(self, *argv: str, **env: str) -> Done:
        return self.end(self.begin(*argv, **env))

    def start(self, **env: str) -> int:
        """In the background: its pid."""
        said = self.run("start", **env).expect(0).text
        found = re.fullmatch(rf"{self.name}: started, pid (\d+)\n", said)
        assert found, said
        return int(found[1])

    def status(self) -> Optional[dict[str, Any]]:
        """None when it is not running."""
        done = self.run("status", "--json")
        told = json.loads(done.text)
        assert told["schema"] == 1 and told["name"] == self.name
        assert done.status == (0 if told["running"] else 1)
        return told if told["running"] else None

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def close(self) -> None:
        for pid in self.pids:
            kill(pid, signal.SIGCONT)
        self.run("stop")
        for pid in self.pids:
            kill(pid)
        until(lambda: not any(map(is_alive, self.pids)), "the servers of this test end")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def connect(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.connect(str(path))     # with patience, where many wait
    made.settimeout(30)
    return made


def read_all(connection: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):     # of what it has not read
        while piece := connection.recv(65536):
            data += piece
    return data
