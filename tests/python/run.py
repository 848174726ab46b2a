#!/usr/bin/env python3
"""Makes the Python package's source archive, from that the wheel, and tests that in a clean environment.

Usage: run.py SOURCES WORK [ARGUMENTS OF PYTEST]

The tools come from PyPI (requirements.txt) and are kept in WORK. Exit status 77, the reason in the last line: what
is needed could not be had. CLAUDE_SANDBOX_PREFIX: where the library is installed, whose headers count.
"""
from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SKIPPED = 77
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


class Skip(Exception):
    """Something outside of the sources is missing."""


def run(*argv: str | Path, cwd: Path | None = None, **env: str) -> None:
    print("$ " + shlex.join(map(str, argv)), flush=True)
    subprocess.run([str(a) for a in argv], check=True, cwd=cwd, env={**os.environ, **env})


def emptied(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def environment(place: Path, requirements: Path) -> Path:
    """Without a pip of its own: the distribution's Python may have none to put there."""
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = place / "stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        emptied(place)
        run(sys.executable, "-m", "venv", "--without-pip", place)
        try:
            run(*PIP, "--python", place / "bin/python", "install", "-r", requirements)
        except subprocess.CalledProcessError:
            raise Skip(f"pip could not fetch what is in {requirements.name}") from None
        stamp.write_text(wanted)
    return place / "bin"


def source_archive(sources: Path, work: Path, tools: Path) -> Path:
    """As from a clone: the archive has what git has."""
    if not shutil.which("git"):
        raise Skip("there is no git")
    copy, made = work / "clone", emptied(work / "sdist")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(sources, copy, symlinks=True, ignore=lambda top, names: [
        n for n in names if n in (".git", "__pycache__") or top == str(sources) and re.match("build(-|$)", n)])
    git = ("git", "-c", "user.name=tests", "-c", "user.email=tests@localhost")
    run("git", "init", "--quiet", copy)
    run(*git, "add", "--all", cwd=copy)
    run(*git, "commit", "--quiet", "--message", "all", cwd=copy)
    run(tools / "python", "-c", "import sys, mesonpy; mesonpy.build_sdist(sys.argv[1])", made, cwd=copy,
        PATH=f"{tools}:{os.environ['PATH']}")
    return next(made.glob("*.tar.gz"))


def wheel(archive: Path, work: Path, tools: Path) -> Path:
    made = emptied(work / "wheel")
    run(*PIP, "--python", tools / "python", "wheel", "--no-deps", "--no-build-isolation", "--no-cache-dir",
        "--wheel-dir", made, archive, PATH=f"{tools}:{os.environ['PATH']}")
    return next(made.glob("*.whl"))


def main(argv: list[str]) -> int:
    sources, work = (Path(a).resolve() for a in argv[1:3])
    work.mkdir(parents=True, exist_ok=True)
    try:
        tools = environment(work / "tools", HERE / "requirements.txt")
        clean = environment(work / "clean", HERE / "requirements-clean.txt")
        package = wheel(source_archive(sources, work, tools), work, tools)
        run(*PIP, "--python", clean / "python", "install", "--force-reinstall", package)
    except Skip as skip:
        print(skip)
        return SKIPPED
    except subprocess.CalledProcessError as error:
        print(f"error: {Path(error.cmd[0]).name} ended with {error.returncode}")
        return 1
    env = {**os.environ, "CLAUDE_SANDBOX_TOOLS": str(tools), "CLAUDE_SANDBOX_WHEEL": str(package)}
    return subprocess.run([clean / "python", "-m", "pytest", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=120",
                           sources / "tests/python", *argv[3:]], cwd=sources, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv))
