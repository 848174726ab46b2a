"""The checks of the public headers find what they are for: each is shown something that is wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from installed import ROOT, Installed

HERE = Path(__file__).resolve().parent
MAP = ROOT / "libclaudesandbox/libclaudesandbox.map"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="there is no map elsewhere")
GOOD = """\
/*
 * Does something.
 *
 * size: in bytes.
 * ret: a machine; free it with csb_vm_free().
 *
 * Errors: CSB_EINVAL (it is 0).  Blocks for up to a minute.  Since: 0.1
 */
CSB_API int csb_vm_do(csb_ctx *ctx, size_t size, csb_vm **ret, csb_error **err);

/* Its name. Borrowed.  Since: 0.1 */
CSB_API const char *csb_vm_name(const csb_vm *vm);
"""


def run(*argv: object) -> tuple[int, str]:
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


# ---- comments ----------------------------------------------------------------------------------------------

def comments(*headers: Path) -> tuple[int, str]:
    return run(sys.executable, ROOT / "doc/man3.py", "check", *headers)


def test_comments(installed: Installed, tmp_path: Path) -> None:
    assert comments(*installed.headers) == (0, "")
    header = tmp_path / "a.h"
    header.write_text(GOOD)
    assert comments(header) == (0, "")


@pytest.mark.parametrize("gone, instead, told", [
    ("/* Its name. Borrowed.  Since: 0.1 */\n", "", "csb_vm_name() has no comment"),
    ("/* Its name. Borrowed.  Since: 0.1 */\n", "/* Its name. Borrowed.  Since: 0.1 */\n\n", "csb_vm_name() has no comment"),
    ("Borrowed.  Since: 0.1", "Borrowed.", "csb_vm_name() does not say since when"),
    ("Borrowed.  Since", "Since", "csb_vm_name() does not say whose the result is"),
    ("Blocks for up to a minute.", "", "csb_vm_do() does not say whether it blocks"),
    (" * Errors: CSB_EINVAL (it is 0).", " * ", "csb_vm_do() does not say which errors there are"),
    (" * size: in bytes.\n", "", "csb_vm_do() does not say what size is"),
    ("free it with csb_vm_free()", "free it", "csb_vm_do() does not say how ret is freed"),
])
def test_what_a_comment_lacks(tmp_path: Path, gone: str, instead: str, told: str) -> None:
    header = tmp_path / "a.h"
    bad = GOOD.replace(gone, instead)
    assert bad != GOOD
    header.write_text(bad)
    status, words = comments(header)
    assert status == 1 and f"a.h: {told}" in words


def test_no_functions_are_no_success(tmp_path: Path) -> None:
    (tmp_path / "a.h").write_text("/* Nothing. */\n")
    assert comments(tmp_path / "a.h")[0] == 1


# ---- man pages ---------------------------------------------------------------------------------------------

def exported(library: Path) -> set[str]:
    words = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r" [BDRTVW] (\w+)", words))


@on_linux
def test_each_exported_name_has_a_man_page(installed: Installed) -> None:
    pages = {page.name.split(".")[0] for page in (installed.prefix / "share/man/man3").glob("*.3*")}
    assert exported(installed.library) and pages == exported(installed.library) | {"claudesandbox"}


def test_a_man_page_says_it_all(installed: Installed) -> None:
    if not shutil.which("man"):
        pytest.skip("there is no man")
    env = {**os.environ, "MANPATH": str(installed.prefix / "share/man"), "MANWIDTH": "100", "LC_ALL": "C.UTF-8",
           "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(["man", "--warnings", "csb_vm_create"], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    text = re.sub(".\b", "", done.stdout)
    assert "csb_vm_create - makes a machine from a template" in text
    for words in ("int csb_vm_create(", "const char *template_path,", "CSB_EEXISTS (the project or the name has a machine)",
                  "Blocks for up to an hour", "typedef struct csb_vm_options {", "typedef struct csb_mount {",
                  "CSB_VM_FORCE_MOUNT = 1 << 0", "csb_vm_free(3)", "Since 0.1"):
        assert words in text, words


# ---- names -------------------------------------------------------------------------------------------------

@on_linux
def test_names_that_differ(installed: Installed, tmp_path: Path) -> None:
    check, other_map, other_header = HERE / "exports.sh", tmp_path / "a.map", tmp_path / "more.h"
    assert run(check, installed.library, MAP, *installed.headers) == (0, "")
    other_map.write_text(MAP.read_text().replace("csb_vm_stop;", "csb_vm_halt;"))
    status, words = run(check, installed.library, other_map, *installed.headers)
    assert status == 1
    assert "in the library, not in the map: csb_vm_stop" in words and "in the map, not in the library: csb_vm_halt" in words
    other_header.write_text("CSB_API int csb_vm_halt(csb_vm *vm);\n")
    status, words = run(check, installed.library, MAP, *installed.headers, other_header)
    assert status == 1 and words == "in the headers, not in the map: csb_vm_halt\n"


# ---- languages ---------------------------------------------------------------------------------------------

def headers(include: Path) -> tuple[int, str]:
    return run(HERE / "headers.sh", "cc", shutil.which("c++") or "", include, "--", "claudesandbox/error.h")


@pytest.mark.parametrize("line, told", [
    ("", ""),
    ("enum { CSB_ONE, CSB_TWO, };", "-std=c89"),
    ("// of C99", "-std=c89"),
    ("CSB_API int csb_f(bool on);", "-std=c11"),
    ("CSB_API int csb_f(off_t at);", "-std=c11"),
    ("#if CSB_UNDEFINED\n#endif", "-std=c99"),
    ("typedef struct csb_a { int n : 3; } csb_a;\nint csb_g(int, csb_a a[static 1]);", "-std=c++17"),
    ("typedef struct json_t json_t;", "shows what it is made of"),
    ("struct yaml_document_s;", "shows what it is made of"),
    ("int csb__private(void);", "shows what it is made of"),
])
def test_headers_that_are_wrong(installed: Installed, tmp_path: Path, line: str, told: str) -> None:
    if "c++" in told and not shutil.which("c++"):
        pytest.skip("there is no C++ compiler")
    shutil.copytree(installed.include / "claudesandbox", tmp_path / "claudesandbox")
    header = tmp_path / "claudesandbox/error.h"
    text = header.read_text()
    header.write_text(text.replace("\nCSB_END_DECLS", f"\n{line}\n\nCSB_END_DECLS"))
    status, words = headers(tmp_path)
    assert (status, words) == (0, "") if not line else status == 1 and told in words, words


@on_linux
def test_soname_and_symbol_versions(installed: Installed) -> None:
    told = subprocess.run(["objdump", "-p", installed.library], capture_output=True, text=True, check=True).stdout
    assert re.search(r"SONAME +libclaudesandbox\.so\.0$", told, re.M)
    names = subprocess.run(["nm", "-D", "--defined-only", installed.library], capture_output=True, text=True, check=True)
    versions = set(re.findall(r" T csb_\w+@@(\S+)", names.stdout))
    assert versions == set(re.findall(r"^(CLAUDESANDBOX_\S+) \{", MAP.read_text(), re.M))
    assert len(re.findall(r" T csb_\w+@@", names.stdout)) == len(exported(installed.library))
