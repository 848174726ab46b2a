"""Two of the examples in C, on the real VM: a newcomer's first program, and one that answers Claude's hooks."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from realvm import Lab
from sandbox import TESTS, until

sys.path.insert(0, str(TESTS / "support"))

from installed import ROOT, Installed, find_prefix  # noqa: E402


@pytest.fixture
def installed(cli: str) -> Installed:
    return Installed(find_prefix() or Path(cli).resolve().parent.parent)


def begin(lab: Lab, installed: Installed, tmp_path: Path, name: str, *argv: object) -> "subprocess.Popen[str]":
    """What the user gave to the command line, the example has from the environment too."""
    program = installed.compile(ROOT / f"examples/c/{name}.c", tmp_path / name, "-pthread")
    libraries: dict[str, Any] = {key: installed.env[key] for key in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")}
    return subprocess.Popen([program, *map(str, argv)], env={**lab.env, **libraries}, cwd=lab.projects, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_run(lab: Lab, installed: Installed, tmp_path: Path) -> None:
    program = begin(lab, installed, tmp_path, "run", lab.dir, "sh", "-c", "pwd; uname -s; exit 3")
    out, err = program.communicate(timeout=900)
    assert (program.returncode, out) == (3, f"{lab.dir}\nLinux\n"), err
    assert lab.vm().state == "running"


def test_guard(lab: Lab, installed: Installed, tmp_path: Path) -> None:
    """Claude wants to push, and is refused."""
    guard = begin(lab, installed, tmp_path, "guard")
    try:
        until(lambda: list((lab.state / "run/hooks").glob("*.sock")) or guard.poll() is not None, "it listens")
        done = lab.claude("-p", "[[bash git push; touch pushed]]").expect(0)
        assert not (lab.dir / "pushed").exists(), done.text
        guard.send_signal(signal.SIGINT)
        out, err = guard.communicate(timeout=60)
    finally:
        guard.kill()
        guard.wait(10)
    assert (guard.returncode, out, err) == (0, f"{lab.vm().name}: refused to push\n", "")


def test_embed(lab: Lab, installed: Installed, tmp_path: Path) -> None:
    """What Claude prints and what its hooks tell, in one program."""
    embed = begin(lab, installed, tmp_path, "embed", lab.dir, "[[bash echo hi > said]]")
    out, err = embed.communicate(timeout=900)
    assert (embed.returncode, err) == (0, f"embed: a tool is used in {lab.vm().name}\n"), out
    assert out.strip() and (lab.dir / "said").read_text() == "hi\n"
