#!/usr/bin/env python3
"""Carries out operations of the library with calls that fail (faults.c), against tests/fakes.

Usage: run.py FAULTS [-s] [-d DEPTH] [-n EVERY] [OPERATION ...]
"""
from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FAKES = Path(__file__).resolve().parent.parent / "fakes"
# Those that take longest come first.
OPERATIONS = ["start", "create", "copy", "replace", "rename", "exec", "delete", "stop", "configure", "protect", "clean",
              "hooks", "list"]
TEMPLATE = """\
images: [{location: "fake:image"}]
cpus: 2
env: {A_B: c}
provision:
- mode: user
  script: "true"
"""
# Scripts come to the guest on standard input, where the fake ssh does not look.
CAT = """\
#!/bin/sh
[ "$*" != /proc/self/mountinfo ] || set -- "$CSB_FAKE_MOUNTINFO"
exec /bin/cat "$@"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def world(root: Path) -> dict[str, str]:
    """Everything of its own: a home, a state directory, a project, a guest."""
    for name in ("home", "project", "settings", "guest/home", "guest/bin"):
        (root / name).mkdir(parents=True)
    (root / "template.yaml").write_text(TEMPLATE)
    (root / "home/.gitconfig").write_text("[user]\n\tname = A. U. Thor\n\temail = a@example.com\n")
    (root / "guest/bin/cat").write_text(CAT)
    (root / "guest/bin/cat").chmod(0o755)
    sanitizers = {k: v for k, v in os.environ.items() if k.endswith("_OPTIONS") or k.endswith("SYMBOLIZER_PATH")}
    return {
        **sanitizers, "PATH": f"{FAKES}:{os.environ['PATH']}", "HOME": str(root / "home"), "LANG": "C.UTF-8",
        "USER": os.environ.get("USER", "user"), "CLAUDE_SANDBOX_HOME": str(root / "s"), "CLAUDE_SANDBOX_ENGINE": "lima",
        "FAKE_LIMACTL_MAX_LIFE": "900", "FAKE_GUEST_ROOT": str(root / "guest"),
        "FAKE_GUEST_PATH": str(root / "guest/bin"), "TMPDIR": str(root),
        "FAULTS_PROJECT": str(root / "project"), "FAULTS_SETTINGS": str(root / "settings"),
        "FAULTS_TEMPLATE": str(root / "template.yaml"), "FAULTS_PORT": str(free_port()),
        **({"FAULTS_VERBOSE": "1"} if os.environ.get("FAULTS_VERBOSE") else {})}


def with_names(program: str, text: str) -> str:
    """The program's frames as functions and lines."""
    def name(match: re.Match[str]) -> str:
        place = f"0x{int(match[1], 16) - 1:x}"      # of the call, not of what it comes back to
        found = subprocess.run(["addr2line", "-sfpie", program, place], capture_output=True, text=True, check=False)
        return "    " + found.stdout.strip().replace("\n", "\n    ")
    return re.sub(rf"^{re.escape(program)}\(\+(0x[0-9a-f]+)\)\S*$", name, text, flags=re.M)


def run(program: str, options: list[str], operation: str) -> tuple[int, str]:
    root = Path(tempfile.mkdtemp(prefix="csb-faults-"))
    try:
        done = subprocess.run([program, *options, operation], env=world(root), cwd=root, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, with_names(program, done.stdout.decode(errors="replace"))
    finally:
        shutil.rmtree(root, ignore_errors=True)     # with it, pretended VMs end by themselves


def main() -> int:
    program, *rest = sys.argv[1:]
    options = []
    while rest and rest[0].startswith("-"):
        options += [rest.pop(0)] if rest[0] == "-s" else [rest.pop(0), rest.pop(0)]
    bad = []
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        for operation, job in [(o, pool.submit(run, program, options, o)) for o in rest or OPERATIONS]:
            status, text = job.result()
            print(text, end="" if text.endswith("\n") else "\n", flush=True)
            bad += [operation] if status else []
    print(f"FAILED: {', '.join(bad)}" if bad else "all errors were clean ones")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
