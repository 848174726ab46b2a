"""What is in the package, and what others see of it."""
from __future__ import annotations

import doctest
import inspect
import os
import re
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import claudesandbox as cs
import pytest
from fakelab import FakeLab

PACKAGE = Path(cs.__file__).parent
BINDINGS = Path(__file__).resolve().parent.parent.parent / "bindings/python"
MODULES = sorted(path.stem for path in PACKAGE.glob("_*.py") if path.stem != "__init__")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="of Linux's programs")


def tool(name: str) -> str:
    where = os.environ.get("CLAUDE_SANDBOX_TOOLS")
    if not where:
        pytest.skip("tests/python/run.py has the tools")
    return os.path.join(where, name)


def output(*argv: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_declarations_are_those_of_the_headers() -> None:
    prefix = os.environ.get("CLAUDE_SANDBOX_PREFIX")
    if not prefix:
        pytest.skip("CLAUDE_SANDBOX_PREFIX does not say where the headers are")
    output(sys.executable, BINDINGS / "declarations.py", "--check", Path(prefix) / "include")


def test_wheel() -> None:
    name = os.environ.get("CLAUDE_SANDBOX_WHEEL") or pytest.skip("tests/python/run.py makes it")
    assert re.fullmatch(rf"claudesandbox-{cs.version()}-cp3\d+-abi3-\w+\.whl", Path(name).name)
    files = {info.filename: info.external_attr >> 16 for info in zipfile.ZipFile(name).infolist()}
    for wanted in ("_native.abi3.so", "_native.pyi", "py.typed", "guest/tools-vm.yaml"):
        assert f"claudesandbox/{wanted}" in files
    assert not [file for file in files if not re.match(r"claudesandbox(-[0-9.]+\.dist-info)?/", file)]
    if sys.platform == "linux":
        assert files["claudesandbox/guest/csb-guest"] & 0o111 and "claudesandbox/guest/image/build" in files


@LINUX
def test_needs_no_library_but_libc() -> None:
    """And shows nothing of its own, so that it does not meet another libclaudesandbox."""
    native = PACKAGE / "_native.abi3.so"
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", native)))
    own = {path.name for path in (PACKAGE / "lib").iterdir()}
    assert {name for name in needed - own if not re.match(r"(libc|libpthread|ld-linux\S*)\.so", name)} == set()
    assert re.findall(r" T (\w+)$", output("nm", "-D", "--defined-only", native), re.M) == ["PyInit__native"]
    maps = Path("/proc/self/maps").read_text()
    assert all(str(PACKAGE / "lib" / name) in maps for name in own)


@LINUX
def test_guest_files_are_those_of_the_installed_library() -> None:
    """Images are kept by what they are made of."""
    prefix = Path(os.environ.get("CLAUDE_SANDBOX_PREFIX") or pytest.skip("CLAUDE_SANDBOX_PREFIX is not set"))
    helper = prefix / "libexec/claudesandbox/csb-guest"
    assert (PACKAGE / "guest/csb-guest").read_bytes() == helper.read_bytes()
    output("diff", "-r", PACKAGE / "guest/image", prefix / "share/claudesandbox/guest/image")


@pytest.mark.parametrize("module", ["__init__", *MODULES])
def test_examples_in_docstrings(lab: FakeLab, tmp_path: Path, module: str) -> None:
    failed, _ = doctest.testmod(cs if module == "__init__" else import_module(f"claudesandbox.{module}"),
                                extraglobs={"tmp_path": tmp_path})
    assert failed == 0


def test_everything_public_is_explained() -> None:
    lacking = []
    for name in cs.__all__:
        thing = getattr(cs, name)
        if (isinstance(thing, type) or inspect.isfunction(thing)) and not getattr(thing, "__doc__", None):
            lacking.append(name)
        if isinstance(thing, type):
            for member, value in vars(thing).items():
                if not member.startswith("_") and callable(value) and not value.__doc__:
                    lacking.append(f"{name}.{member}")
    assert lacking == []


def test_async_has_what_sync_has() -> None:
    for one, other in ((cs.Context, cs.AsyncContext), (cs.VM, cs.AsyncVM), (cs.Process, cs.AsyncProcess)):
        assert {n for n in dir(one) if n[0] != "_"} == {n for n in dir(other) if n[0] != "_"}


# ---- types -------------------------------------------------------------------------------------------------

def readme_examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (BINDINGS / "README.md").read_text(), re.M | re.S)


@pytest.fixture
def user_code(tmp_path: Path) -> Path:
    """The README's examples, as somebody's program that uses the installed package."""
    examples = readme_examples()
    assert len(examples) > 3
    for number, text in enumerate(examples):
        (tmp_path / f"example{number}.py").write_text(text)
    return tmp_path


def test_mypy(user_code: Path) -> None:
    output(tool("mypy"), "--strict", "--python-executable", sys.executable, "--cache-dir", user_code / "cache",
           *user_code.glob("*.py"), cwd=user_code)
    output(tool("mypy"), "--strict", "--python-executable", sys.executable, "--cache-dir", user_code / "cache",
           "-p", "claudesandbox", cwd=user_code)


def test_pyright(user_code: Path) -> None:
    output(tool("pyright"), "--pythonpath", sys.executable, *user_code.glob("*.py"), PACKAGE, cwd=user_code)
