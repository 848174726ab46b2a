"""A Sandbox whose VMs are pretended: tests/fakes stands on PATH as limactl and ssh."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Optional

from sandbox import TESTS, Done, Running, Sandbox, is_alive, kill, until

FAKES = TESTS / "fakes"
BASE = "tools-vm"
TEMPLATE = {"images": [{"location": "fake:image"}], "mounts": [{"location": "~", "writable": True}]}
CLAUDE = """\
#!/bin/sh
# claude of the pretended guest: says what it was told, and shows what it was given.
for word; do printf '%s\\n' "$word"; done
printf 'key=%s base=%s FOO=%s\\n' "$ANTHROPIC_API_KEY" "$ANTHROPIC_BASE_URL" "$FOO"
cat
exit 7
"""
# Scripts come to the guest on standard input, where the fake ssh does not look.
CAT = """\
#!/bin/sh
[ "$*" != /proc/self/mountinfo ] || set -- "$CSB_FAKE_MOUNTINFO"
exec /bin/cat "$@"
"""


class FakeLab(Sandbox):
    timeout = 30.0

    def __init__(self, cli: str) -> None:
        super().__init__(cli)
        self.lima_home = self.state / "lima"
        self.template = self.root / "template.yaml"
        self.template.write_text(json.dumps(TEMPLATE))
        self.log, self.ssh_log = self.root / "limactl.jsonl", self.root / "ssh.jsonl"
        self._make_guest()
        self.env.update({
            "PATH": f"{FAKES}:{os.environ['PATH']}", "CLAUDE_SANDBOX_ENGINE": "lima",
            "FAKE_LIMACTL_MAX_LIFE": "120", "FAKE_LIMACTL_LOG": str(self.log), "FAKE_SSH_LOG": str(self.ssh_log),
            "FAKE_LIMACTL_SCRIPT": str(self.root / "limactl-faults.json"),
            "FAKE_SSH_SCRIPT": str(self.root / "ssh-faults.json"),
            "FAKE_GUEST_ROOT": str(self.guest), "FAKE_GUEST_PATH": str(self.guest / "bin")})

    def _make_guest(self) -> None:
        """All VMs are this directory, with programs that the fakes have not."""
        self.guest = self.root / "guest"
        for name, text in (("claude", CLAUDE), ("cat", CAT)):
            program = self.guest / "bin" / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(text)
            program.chmod(0o755)
        (self.guest / "home").mkdir()
        (self.guest / "home/.profile").write_text(f"PATH='{self.guest}/bin':$PATH\n")

    # -- what a test does to the fakes --

    def faults(self, *faults: dict[str, Any], program: str = "limactl") -> None:
        """From now on; without any, all is well again."""
        (self.root / f"{program}-faults.json").write_text(json.dumps(faults))

    def limactl(self, *argv: str, home: Optional[Path] = None) -> str:
        """As somebody else would use it, unseen by the log."""
        env = {**self.env, "LIMA_HOME": str(home or self.lima_home), "FAKE_LIMACTL_LOG": "", "FAKE_LIMACTL_SCRIPT": ""}
        (home or self.lima_home).mkdir(parents=True, exist_ok=True)
        done = subprocess.run([FAKES / "limactl", *argv], env=env, cwd=self.root, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def foreign(self, name: str, started: bool = False) -> Path:
        """A VM of the user's own, in the same LIMA_HOME."""
        self.limactl("create", "--tty=false", "--name", name, str(self.template))
        if started:
            self.limactl("start", "--tty=false", name)
        return self.lima_home / name

    # -- what a test asks --

    def make(self, project: Path, *more: str, **options: Any) -> Done:
        """A VM of the project, from the template, and a command in it."""
        return self.run("-d", project, "-t", self.template, *more, "shell", "--", "true", **options)

    def begin(self, project: Path, **options: Any) -> Running:
        return self.start("-d", project, "-t", self.template, "shell", "--", "true", **options)

    def calls(self, verb: Optional[str] = None, event: str = "call", log: Optional[Path] = None) -> list[dict[str, Any]]:
        path = log or self.log
        # Whole lines: one of several pages is seen before all of it is there.
        lines = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
        return [call for call in map(json.loads, lines) if call["event"] == event and verb in (None, call["verb"])]

    def instances(self) -> set[str]:
        """What lies in LIMA_HOME."""
        found = self.lima_home.iterdir() if self.lima_home.exists() else ()
        return {p.name for p in found if p.is_dir() and p.name[0] not in "._"}

    def status(self, name: str) -> str:
        return self.limactl("list", "--format", "{{.Status}}", name).strip()

    def nothing_is_left(self) -> None:
        """Not of a machine, nor of the attempt to make one."""
        assert self.instances() == set()
        assert self.records() == {}
        assert list(self.root.rglob("lima.REJECTED.yaml")) == []
        assert [p for p in self.root.rglob("*") if p.name.endswith(".tmp") and p.parent.name == "vms"] == []

    def is_struck(self, program: str = "limactl") -> dict[str, Any]:
        """Waits until a fault has struck: who was struck."""
        log = self.log if program == "limactl" else self.ssh_log
        return until(lambda: self.calls(event="fault", log=log), f"a fault of {program}")[-1]

    def orphans(self) -> list[int]:
        """Calls of the fakes that are not over yet."""
        return [call["pid"] for log in (self.log, self.ssh_log) for call in self.calls(event="fault", log=log)
                if is_alive(call["pid"])]

    def close(self) -> None:
        for pid in self.orphans():
            kill(pid)
        shutil.rmtree(self.lima_home, ignore_errors=True)       # with it, pretended VMs end by themselves
        super().close()
