"""Small projects of somebody else's, which find the installed library in the ways that there are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Callable, Union

import pytest

from fakelab import FakeLab
from installed import ROOT, Installed, need

HERE = Path(__file__).resolve().parent
NO_TREE = shutil.ignore_patterns(".git", "build", "build-*", "__pycache__")
Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def call(installed: Installed, lab: FakeLab, tmp_path: Path) -> Call:
    """Runs a program in the project's directory, as a user who knows PKG_CONFIG_PATH."""
    def run(*argv: Union[str, Path], status: int = 0, **env: str) -> "subprocess.CompletedProcess[str]":
        own = {**lab.env, "PKG_CONFIG_PATH": installed.env["PKG_CONFIG_PATH"], **env}
        done = subprocess.run(argv, cwd=tmp_path, env=own, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=600)
        assert done.returncode == status, done.stdout
        return done
    return run


def project(tmp_path: Path, kind: str) -> None:
    shutil.copytree(HERE / kind, tmp_path, dirs_exist_ok=True)
    shutil.copy(HERE / "consumer.c", tmp_path)


def version(installed: Installed) -> str:
    return installed.pkg_config("--modversion")[0]


def works(installed: Installed, call: Call, *programs: str, **env: str) -> None:
    for program in programs:
        assert call(program, **env).stdout == f"claudesandbox {version(installed)}: 0 VMs\n"


def test_pkg_config(installed: Installed, call: Call, tmp_path: Path) -> None:
    need("make", "c++")
    project(tmp_path, "make")
    call("make", CFLAGS="-Wall -Wextra -Werror")
    works(installed, call, "./consumer", "./consumer-in-c++")


def test_pkg_config_names_nothing_of_ours(installed: Installed) -> None:
    """What the library is made of is for static linking only."""
    assert installed.pkg_config("--libs") == [f"-L{installed.libdir}", "-lclaudesandbox"]
    assert installed.pkg_config("--cflags") == [f"-I{installed.include}"]


# ---- CMake -------------------------------------------------------------------------------------------------

def test_cmake(installed: Installed, call: Call, tmp_path: Path) -> None:
    need("cmake")
    project(tmp_path, "cmake")
    call("cmake", "-S", ".", "-B", "b", f"-DCMAKE_PREFIX_PATH={installed.prefix}", "-DCMAKE_C_FLAGS=-Werror")
    call("cmake", "--build", "b")
    works(installed, call, "b/consumer", LD_LIBRARY_PATH="", DYLD_LIBRARY_PATH="")


def test_cmake_finds_a_tree_that_was_moved(installed: Installed, call: Call, tmp_path: Path) -> None:
    need("cmake")
    project(tmp_path, "cmake")
    moved = tmp_path / "moved"
    libdir = moved / installed.libdir.relative_to(installed.prefix)
    shutil.copytree(installed.include, moved / "include")
    shutil.copytree(installed.libdir / "cmake/claudesandbox", libdir / "cmake/claudesandbox")
    for library in installed.libdir.glob("libclaudesandbox.*"):
        shutil.copy(library, libdir, follow_symlinks=False)
    call("cmake", "-S", ".", "-B", "b", f"-DCMAKE_PREFIX_PATH={moved}")
    said = call("cmake", "--build", "b", "--verbose").stdout
    assert f"{moved}/include" in said and str(libdir) in said and str(installed.prefix) + "/" not in said
    works(installed, call, "b/consumer", LD_LIBRARY_PATH="", DYLD_LIBRARY_PATH="")


@pytest.mark.parametrize("wanted, status", [("0.0.1", 0), ("{}", 0), ("{};EXACT", 0), ("0.1...<0.99", 0),
                                            ("0.0.1;EXACT", 1), ("0.99", 1), ("1.0", 1), ("0.0...<{}", 1)])
def test_cmake_knows_which_versions_do(installed: Installed, call: Call, tmp_path: Path, wanted: str, status: int) -> None:
    need("cmake")
    project(tmp_path, "cmake")
    said = call("cmake", "-S", ".", "-B", "b", f"-DCMAKE_PREFIX_PATH={installed.prefix}",
                f"-DWANTED={wanted.format(version(installed))}", status=status).stdout
    assert status == 0 or version(installed) in said


# ---- Meson -------------------------------------------------------------------------------------------------

def test_meson(installed: Installed, call: Call, tmp_path: Path) -> None:
    project(tmp_path, "meson")
    call("meson", "setup", "b", "--wrap-mode=nofallback")
    call("ninja", "-C", "b")
    works(installed, call, "b/consumer")


def test_meson_subproject(installed: Installed, call: Call, tmp_path: Path) -> None:
    """The sources in subprojects/, where nothing is installed; what else they have is not built for it."""
    project(tmp_path, "meson")
    shutil.copytree(ROOT, tmp_path / "subprojects/claudesandbox", ignore=NO_TREE, symlinks=True)
    call("meson", "setup", "b", "--wrap-mode=forcefallback", "-Dclaudesandbox:werror=false")
    call("ninja", "-C", "b", "consumer")
    works(installed, call, "b/consumer", LD_LIBRARY_PATH="", DYLD_LIBRARY_PATH="")
