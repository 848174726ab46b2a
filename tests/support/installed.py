"""The installed library, as an outside project finds it: CLAUDE_SANDBOX_PREFIX, else where claude-sandbox is."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Optional

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

from fakelab import FakeLab  # noqa: E402

CFLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]


def find_prefix() -> Optional[Path]:
    told = os.environ.get("CLAUDE_SANDBOX_PREFIX")
    cli = shutil.which("claude-sandbox")
    return Path(told) if told else Path(cli).resolve().parent.parent if cli else None


class Installed:
    def __init__(self, prefix: Path) -> None:
        found = sorted(p for suffix in ("so", "dylib") for p in prefix.glob(f"lib*/**/libclaudesandbox.{suffix}"))
        assert found, f"no libclaudesandbox under {prefix}"
        self.prefix, self.library = prefix, found[0]
        self.libdir, self.include = found[0].parent, prefix / "include"
        self.env = {**os.environ, "PKG_CONFIG_PATH": str(self.libdir / "pkgconfig"),
                    "LD_LIBRARY_PATH": str(self.libdir), "DYLD_LIBRARY_PATH": str(self.libdir)}

    @property
    def headers(self) -> list[Path]:
        return [self.include / "claudesandbox.h", *sorted((self.include / "claudesandbox").glob("*.h"))]

    def pkg_config(self, *argv: str) -> list[str]:
        done = subprocess.run(["pkg-config", *argv, "claudesandbox"], env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return shlex.split(done.stdout)

    def compile(self, source: Path, program: Path, *more: str) -> Path:
        """With what stands in the README, strictly; `more` comes first, so that headers of its own do."""
        argv = [os.environ.get("CC", "cc"), *CFLAGS, *more, str(source), "-o", str(program),
                *self.pkg_config("--cflags", "--libs")]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return program


def need(*programs: str) -> None:
    """What bootstrap installs: its lack is an error in CI, and elsewhere a reason to skip."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {', '.join(missing)}")


# ---- fixtures, for a conftest.py to import -----------------------------------------------------------------

@pytest.fixture(scope="session")
def installed() -> Installed:
    prefix = find_prefix()
    if not prefix:
        pytest.skip("claude-sandbox is not installed: set CLAUDE_SANDBOX_PREFIX to where it is, or put it on PATH")
    return Installed(prefix)


@pytest.fixture
def lab(installed: Installed) -> Iterator[FakeLab]:
    """Pretended VMs, in which compiled programs find the installed library."""
    if os.geteuid() == 0:
        pytest.skip("the library refuses root: run this as an ordinary user, as ./bootstrap test does")
    made = FakeLab(str(installed.prefix / "bin/claude-sandbox"))
    made.env.update({name: installed.env[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")})
    try:
        yield made
    finally:
        made.close()
