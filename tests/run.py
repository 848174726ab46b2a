"""What `./bootstrap test` does; bootstrap itself is the module of that name, and the only way in here."""
from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path
from typing import Callable, Sequence

from bootstrap import (CHECKOUT, LOGS, MACOS, Screen, Stop, Tree, attempt, build_fuzzers, build_sanitized,
                       build_threads, locked, log_of, phase, prepare, run, say, show_tail, source_files, system_python,
                       the_worker)


def venv_python(tree: Tree) -> Path:
    """Where the system has no packages of Python modules."""
    venv = tree.build / "venv"
    wanted = ("pytest", "pytest-xdist", "pyyaml")
    for argv in ([sys.executable, "-m", "venv", venv], [venv / "bin/pip", "install", "--quiet", *wanted]):
        run(argv, "venv", failed="pip could not fetch pytest")
    return venv / "bin/python3"


def is_shell(path: Path) -> bool:
    with open(CHECKOUT / path, "rb") as file:
        return re.match(rb"#!\s*\S*/(env\s+)?(ba|da)?sh\b", file.readline(200)) is not None


def say_trouble(sentence: str, names: list[str], log: str, most: int) -> None:
    say(sentence)
    print("".join(f"  {name}\n" for name in names), end="")
    if most:
        show_tail(log, most)


def end_to_end() -> tuple[list[str], list[str]]:
    """The files whose VMs are real, one at a time for want of processors; and those whose VMs only wait."""
    files = sorted((CHECKOUT / "tests/e2e").glob("test_*.py"))
    real = [f for f in files if re.search(r"^from (engines|realvm) import", f.read_text(encoding="utf-8"), re.M)]
    return [str(f.relative_to(CHECKOUT)) for f in real], [str(f.relative_to(CHECKOUT)) for f in files if f not in real]


SKIPPED = 77


class Tests:
    def __init__(self) -> None:
        self.passed = self.failed = self.skipped = 0
        self.troubles: list[tuple[str, list[str], str]] = []

    def count(self, junit: Path) -> list[str]:
        """The names of those that failed."""
        names = []
        with contextlib.suppress(FileNotFoundError, xml.etree.ElementTree.ParseError):
            for case in xml.etree.ElementTree.parse(junit).iter("testcase"):
                kinds = {child.tag for child in case}
                bad = bool(kinds & {"failure", "error"})
                names += [f"{case.get('classname')}: {case.get('name')}"] if bad else []
                self.skipped += "skipped" in kinds and not bad
                self.passed += not bad and "skipped" not in kinds
        self.failed += len(names)
        return names

    def step(self, title: str, log: str, argv: Sequence[str | Path], junit: Path | None = None, live: bool = False,
             limit: float = 600, may_skip: bool = False) -> None:
        """One program; where it fails without naming a failed test, it is itself the failed one. One that may
        skip does so with exit status 77 and the reason in its last line; but not in CI."""
        log_of(log).write_text("")
        if junit:
            subprocess.run(["rm", "-f", junit], check=False, **self.tree.who.popen_args())
        with phase(title, live):
            try:
                status = attempt(argv, log, self.tree.who, self.tree.src, live, limit,
                                 CLAUDE_SANDBOX_PREFIX=str(self.tree.build / "prefix"),
                                 CLAUDE_SANDBOX_ASAN_PREFIX=str(self.tree.build / "asan-prefix"),
                                 CLAUDE_SANDBOX_PYTHON=str(self.tree.build / "python/clean/bin/python"),
                                 ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1", PYTHONDONTWRITEBYTECODE="1",
                                 UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
            except FileNotFoundError as error:
                log_of(log).write_text(f"there is no {error.filename}\n")
                status = 127
        if may_skip and status == SKIPPED and not os.environ.get("CI"):
            self.skipped += 1
            say(f"{title}: skipped: {log_of(log).read_text().splitlines()[-1]}")
            return
        names = self.count(junit) if junit else []
        if status != 0 and not (status == 5 and "pytest" in argv):      # 5: there are no tests
            self.failed += 0 if names else 1
            self.troubles.append((f"{title}: FAILED, exit status {status}", names, log))
            say_trouble(*self.troubles[-1], most=0 if live else 40)

    def is_version_14(self, program: str) -> bool:
        """The versions judge differently; ours is that of Debian 12."""
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        good = re.search(r"version 14\.", told) is not None
        if not good:
            say(f"{program}: skipped, for it is not version 14")
            self.skipped += 1
        return good

    def gates(self) -> None:
        files = source_files()
        c_files = [f for f in files if f.suffix in (".c", ".h")]
        scripts = [f for f in files if is_shell(f)]
        if (CHECKOUT / ".clang-format").exists() and self.is_version_14("clang-format"):
            self.step(f"clang-format, {len(c_files)} files", "clang-format",
                      ["clang-format", "--dry-run", "-Werror", *c_files])
        if (CHECKOUT / ".clang-tidy").exists() and self.is_version_14("clang-tidy"):
            tidy = [t for t in ["run-clang-tidy", *glob.glob("/usr/bin/run-clang-tidy-*")] if shutil.which(t)]
            self.step("clang-tidy", "clang-tidy", [*tidy[:1], "-quiet", "-p", self.tree.build / "meson",
                       "/(libclaudesandbox|cli|guest|servers|audio-server|hooks-server)/"])
        self.step(f"shellcheck, {len(scripts)} files", "shellcheck", ["shellcheck", *scripts])

    def meson(self, title: str, name: str) -> None:
        where = self.tree.build / name
        argv = ["meson", "test", "-C", where, "--no-rebuild", "--print-errorlogs", "--num-processes", "4"]
        self.step(title, f"unit-{name}", argv, where / "meson-logs" / "testlog.junit.xml")

    def pytest(self, title: str, name: str, *args: str, live: bool = False, limit: float = 600) -> None:
        junit = self.tree.build / f"{name}.xml"
        argv = [self.python, "-m", "pytest", "-p", "no:cacheprovider", "-ra", f"--junitxml={junit}", *args]
        self.step(title, name, argv, junit, live, limit)

    def macos(self) -> None:
        """On a Mac the build itself is that."""
        if not MACOS:
            argv = [self.python, "tests/macos/build.py", self.tree.src, self.tree.build / "macos"]
            self.step("macOS build", "macos", argv, limit=1200, may_skip=True)

    def fuzz(self, seconds: int, live: bool = False) -> None:
        """The corpora, and then what grows out of them. libFuzzer comes with clang, but not with Apple's. Beside the
        other tests always the same way, so that none fails for another's change."""
        if MACOS:
            say("the fuzzers: skipped, for they need the clang of LLVM")
            self.skipped += 1
            return
        programs = build_fuzzers(self.tree)
        found = self.tree.build / "fuzz-found"
        argv = [system_python(), "tests/fuzz/run.py", programs, self.tree.src / "tests/fuzz/corpus", found, str(seconds)]
        self.step(f"fuzzers, {seconds} s each", "fuzz", [*argv, *([] if live else ["1"])], live=live,
                  limit=600 + 60 * seconds)

    def faults(self) -> None:
        """Calls that fail, in the sanitized library: every way to one, or each n-th in a hurry. The linker
        of macOS has no --wrap."""
        if not MACOS:
            every = os.environ.get("CLAUDE_SANDBOX_TEST_FAULTS") or "1"
            argv = [system_python(), "tests/faults/run.py", self.tree.build / "asan/tests/faults/faults", "-n", every]
            self.step("calls that fail" + ("" if every == "1" else f", each {every}."), "faults", argv, limit=7200)

    def only_fuzz(self, seconds: int) -> None:
        self.tree = prepare("fuzz", the_worker())
        self.fuzz(seconds, live=True)

    def python_package(self) -> None:
        """With the pip and the Python of the system; what it makes, the end-to-end tests use, too."""
        work, junit = self.tree.build / "python", self.tree.build / "python.xml"
        argv = [self.python, "tests/python/run.py", self.tree.src, work, "-q", "-ra", f"--junitxml={junit}"]
        self.step("Python package", "python", argv, junit, limit=900, may_skip=True)

    def everything(self) -> None:
        self.tree = prepare("test", the_worker())
        build_sanitized(self.tree)
        self.python = system_python() if not MACOS else venv_python(self.tree)
        self.gates()
        self.macos()
        self.meson("unit tests", "meson")
        self.meson("unit tests with sanitizers", "asan")
        if not MACOS:   # with addresses where they are expected: the sanitizer knows but some places
            self.step("two threads with a sanitizer", "threads",
                      ["setarch", "-R", build_threads(self.tree), self.tree.src / "tests/fakes"])
        self.faults()
        self.fuzz(int(os.environ.get("CLAUDE_SANDBOX_TEST_FUZZ_SECONDS") or "60"))
        self.pytest("tests with fakes", "fakes", "-q", "tests", "--ignore=tests/e2e", "--ignore=tests/python")
        self.python_package()
        real, pretended = end_to_end()
        self.pytest("end to end, in pretended VMs", "e2e-fakes", "-q", "-n", "3", *pretended, limit=1200)
        self.pytest("end to end, in real VMs", "e2e", "-v", *real, live=True, limit=2400)


def run_all() -> int:
    return report(Tests.everything)


def run_fuzzers(seconds: int) -> int:
    return report(lambda tests: tests.only_fuzz(seconds))


def report(what: Callable[[Tests], None]) -> int:
    tests = Tests()
    with locked("test"):
        try:
            what(tests)
        except Stop as stop:
            say(str(stop))
            tests.failed += 1
    for trouble in tests.troubles:      # once more, since much was printed after most of them
        say_trouble(*trouble, most=25)
    say(f"{time.monotonic() - Screen.started:.0f} s in all; the logs are in {LOGS}")
    print(f"{tests.passed} passed, {tests.failed} failed, {tests.skipped} skipped", flush=True)
    return 1 if tests.failed else 0
