"""Programs that were made for an earlier release run with this one.

Each release leaves a dump of its ABI here (see .github/CONTRIBUTING.md, "A release"). The library as it is
gives a dump too, and changed in this way or that it shows that the comparison finds what it is for.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from compare import compare
from installed import Installed, need

HERE = Path(__file__).resolve().parent
RELEASES = sorted(HERE.glob("libclaudesandbox-*.abi"))

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libabigail reads ELF")


@pytest.fixture(scope="module")
def dump(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("abidw", "abidiff")
    path = tmp_path_factory.mktemp("abi") / "now.abi"
    with open(path, "wb") as file:
        subprocess.run([HERE / "dump.sh", installed.prefix], stdout=file, check=True)
    assert "csb_vm_options" in path.read_text(), "the library has no debug information"
    return path


@pytest.mark.parametrize("release", RELEASES, ids=[path.stem for path in RELEASES])
def test_programs_of_a_release_run(dump: Path, release: Path) -> None:
    if not re.search(rf"architecture='[^']*{platform.machine()}'", release.read_text()):
        pytest.skip("the dump is of another architecture")
    assert compare(release, dump) == (True, "")


def struct(text: str, name: str) -> str:
    found = re.search(rf" *<class-decl name='{name}' size-in.*?</class-decl>\n", text, re.S)
    assert found
    return found.group()


def without_last_member(text: str, name: str) -> str:
    """The struct as it was before its last member came, which had a place of its own."""
    whole = struct(text, name)
    members = re.findall(r" *<data-member.*?</data-member>\n", whole, re.S)
    offset = re.search(r"layout-offset-in-bits='(\d+)'", members[-1])
    assert offset
    return text.replace(whole, re.sub(r"size-in-bits='\d+'", f"size-in-bits='{offset.group(1)}'", whole, count=1)
                        .replace(members[-1], ""))


def swapped(text: str, name: str, one: str, other: str) -> str:
    whole = struct(text, name)
    assert f"name='{one}'" in whole and f"name='{other}'" in whole
    return text.replace(whole, whole.replace(f"name='{one}'", "name='?'").replace(f"name='{other}'", f"name='{one}'")
                        .replace("name='?'", f"name='{other}'"))


def without_function(text: str, name: str) -> str:
    text = re.sub(rf" *<function-decl name='{name}'.*?</function-decl>\n", "", text, flags=re.S)
    return re.sub(rf" *<elf-symbol name='{name}'.*\n", "", text)


@pytest.mark.parametrize("name, change, told", [
    ("a function is gone", lambda t: without_function(t, "csb_vm_stop"), "csb_vm_stop"),
    ("a function has another argument", lambda t: re.sub(
        r"(<function-decl name='csb_vm_stop'.*?\n *<parameter [^\n]*\n) *<parameter [^\n]*\n", r"\1", t, flags=re.S),
     "csb_vm_stop"),
    ("members have changed places", lambda t: swapped(t, "csb_vm_options", "cpus", "memory_bytes"), "csb_vm_options"),
    ("members of one type have", lambda t: swapped(t, "csb_vm_options", "name", "project_dir"), "project_dir"),
    ("options have shrunk", lambda t: without_last_member(t, "csb_vm_options"), "csb_vm_options"),
    ("a struct without a size has shrunk", lambda t: without_last_member(t, "csb_port"), "csb_port"),
])
def test_what_breaks_programs_is_found(dump: Path, tmp_path: Path, name: str, change: Callable[[str], str], told: str) -> None:
    now = change(dump.read_text())
    assert now != dump.read_text()
    (tmp_path / "now.abi").write_text(now)
    good, words = compare(dump, tmp_path / "now.abi")
    assert not good and told in words, words


@pytest.mark.parametrize("name, change", [
    ("nothing", lambda t: t),
    ("a function is new", lambda t: without_function(t, "csb_vm_stop")),
    ("options have grown", lambda t: without_last_member(t, "csb_vm_options")),
    ("a handle has grown", lambda t: without_last_member(t, "csb_ctx")),
])
def test_what_breaks_no_program_is_fine(dump: Path, tmp_path: Path, name: str, change: Callable[[str], str]) -> None:
    then = change(dump.read_text())
    (tmp_path / "then.abi").write_text(then)
    assert compare(tmp_path / "then.abi", dump) == (True, "")


def test_options_that_grew_in_the_middle_are_found(dump: Path, tmp_path: Path) -> None:
    text = dump.read_text()
    whole = struct(text, "csb_vm_options")
    members = re.findall(r" *<data-member.*?</data-member>\n", whole, re.S)
    shifted = "".join(re.sub(r"in-bits='(\d+)'", lambda m: f"in-bits='{int(m.group(1)) - 64}'", m) for m in members[3:])
    then = text.replace(whole, whole.replace("".join(members[2:]), shifted))
    assert then != text
    (tmp_path / "then.abi").write_text(then)
    good, words = compare(tmp_path / "then.abi", dump)
    assert not good and "csb_vm_options" in words


def test_options_that_grew_into_padding_are_found(dump: Path, tmp_path: Path) -> None:
    """An older program's size has room for it, and garbage in that room."""
    whole = struct(dump.read_text(), "csb_vm_options")
    end = re.search(r"size-in-bits='(\d+)'", whole)
    assert end
    more = ("      <data-member access='public' layout-offset-in-bits='%d'>\n"
            "        <var-decl name='more' type-id='95e97e5e' visibility='default'/>\n      </data-member>\n")
    now = dump.read_text().replace(whole, whole.replace("    </class-decl>", more % (int(end.group(1)) - 32) + "    </class-decl>"))
    (tmp_path / "now.abi").write_text(now)
    good, words = compare(dump, tmp_path / "now.abi")
    assert not good and "csb_vm_options: more lies in what was padding" in words
