"""Programs compiled against older and newer headers, run with the library as it is.

What headers looked like, or will, is made of those that are installed: options without their last members,
and options with one more. So the rule for options (csb__options_load()) is tried before it is needed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fakelab import FakeLab
from installed import Installed

HERE = Path(__file__).resolve().parent
# The last member that caller.c itself uses.
USED = {"csb_ctx_options": "size", "csb_vm_options": "project_dir", "csb_exec_options": "argv",
        "csb_claude_options": "prompt", "csb_hooks_options": "size"}
MEMBER = re.compile(r"(?P<type>[\w ]+?\**\s*\**(?:const \*)?)(?P<name>\w+);\s*(?:/\*.*?\*/)?", re.S)
FINE = ["context: fine", "hooks: fine", "create: fine", "configure: fine", "start: fine", "hello", "exec: fine", "status 0"]


def members_of(body: str) -> list[tuple[str, str, str]]:
    """(text, name, type) of each."""
    return [(m.group(), m.group("name"), " ".join(m.group("type").split())) for m in MEMBER.finditer(body)]


def layout(types: list[str]) -> list[int]:
    """Where each begins, and where the struct ends."""
    at, places = 0, []
    for kind in [*types, "size_t"]:     # the end is aligned as the first member, a size_t
        size = 4 if kind in ("int", "unsigned") else 8
        at = (at + size - 1) // size * size
        places.append(at)
        at += size
    return places


def could_have_been(types: list[str], count: int) -> bool:
    """Whether a struct of so many members grew to what it is without using its own padding."""
    return layout(types[:count])[-1] <= layout(types)[count]


def with_options(include: Path, name: str, change: str) -> None:
    """Rewrites one struct, and its ..._INIT, in a copy of the headers."""
    for header in (include / "claudesandbox").glob("*.h"):
        text = header.read_text()
        struct = re.search(rf"(typedef struct {name} \{{\n)(.*?)(\}} {name};)", text, re.S)
        if not struct:
            continue
        macro = re.search(rf"(#define {name.upper()}_INIT[\s\\]*\{{)(.*?)( \}}\n)", text, re.S)
        assert macro
        members, values = members_of(struct.group(2)), macro.group(2).split(",")
        assert members[0][1] == "size" and len(members) == len(values), f"{name}: {name.upper()}_INIT has other members"
        types = [kind for _, _, kind in members]
        least = [member for _, member, _ in members].index(USED[name]) + 1
        counts = [n for n in range(least, len(members)) if could_have_been(types, n)]
        if change == "newer":
            body, values = struct.group(2) + "    uint64_t newer;\n", [*values, " 0"]
        else:
            assert counts, f"{name} can't have been shorter"
            count = counts[0] if change == "oldest" else counts[-1]
            body, values = "\n".join(member for member, _, _ in members[:count]) + "\n", values[:count]
        text = text.replace(macro.group(), macro.group(1) + ",".join(values) + macro.group(3))
        header.write_text(text.replace(struct.group(), struct.group(1) + body + struct.group(3)))
        return
    raise AssertionError(f"{name} is in no header")


def program(installed: Installed, tmp_path: Path, change: str) -> Path:
    """caller.c, compiled against changed headers."""
    include = tmp_path / "include"
    shutil.copytree(installed.include, include)
    if change != "same":
        for name in USED:
            with_options(include, name, change)
    more = ["-DNEWER"] if change == "newer" else []
    return installed.compile(HERE / "caller.c", tmp_path / "caller", f"-I{include}", *more)


def run(lab: FakeLab, caller: Path, *argv: str) -> list[str]:
    done = subprocess.run([caller, lab.template, lab.project(), *argv], env=lab.env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


def test_all_options_are_tried(installed: Installed) -> None:
    words = "".join(header.read_text() for header in installed.headers)
    assert set(re.findall(r"\} (csb_\w+_options);", words)) == set(USED)


@pytest.mark.parametrize("headers", ["same", "oldest", "older", "newer"])
def test_a_program_of_another_time_runs(installed: Installed, lab: FakeLab, tmp_path: Path, headers: str) -> None:
    said = run(lab, program(installed, tmp_path, headers))
    assert said[:len(FINE)] == FINE
    assert said[-3:] == ["claude: fine", "status 7", "delete: fine"]


def test_what_only_a_newer_library_knows_is_refused(installed: Installed, lab: FakeLab, tmp_path: Path) -> None:
    caller = program(installed, tmp_path, "newer")
    for name, call in {"csb_ctx_options": "context", "csb_hooks_options": "hooks", "csb_vm_options": "create",
                       "csb_exec_options": "exec", "csb_claude_options": "claude"}.items():
        refused = [line for line in run(lab, caller, name) if not line.endswith(": fine")]
        assert f"{call}: EINVAL: an option that this version does not know" in refused
        assert [line for line in refused if "EINVAL" in line] == [line for line in refused if line.startswith(f"{call}:")]
