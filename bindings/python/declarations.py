#!/usr/bin/env python3
"""Makes declarations.h, which is what cffi reads, from the library's installed headers.

Usage: declarations.py [--check] INCLUDE_DIR

Without --check it writes the file beside this one; with it, it only says (by its exit status, and
with the difference) whether the file is what would be written. Types, functions and the names of
constants are taken over as they stand; their values and the layout of structs are the C compiler's.
"""
from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parent / "declarations.h"
HEAD = """\
/* SPDX-License-Identifier: MIT */
/* Made by declarations.py from the installed headers: change those, and run it again. */
"""


def included(include: Path) -> list[Path]:
    """What <claudesandbox.h> includes, in its order."""
    text = (include / "claudesandbox.h").read_text()
    return [include / name for name in re.findall(r"^#include <(claudesandbox/\w+\.h)>", text, re.M)]


def bare(text: str) -> str:
    """Without comments."""
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def error_codes(text: str) -> list[str]:
    """They are made by a macro, which has each of them once."""
    found = re.search(r"#define CSB_ERROR_MAP\(XX\)((?:.*\\\n)*.*)", text)
    return [f"CSB_{name}" for name in re.findall(r"XX\(-?\d+, (\w+),", found[1])] if found else []


def numbers(text: str) -> list[str]:
    """Constants that are macros."""
    return re.findall(r"^#define (CSB_\w+)[ \t]+\(?\d", text, re.M)


def without_preprocessor(text: str) -> str:
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", "", text, flags=re.M)
    return re.sub(r"\bCSB_(?:BEGIN_DECLS|END_DECLS|API|ERROR_MAP\(\w+\))", "", text)


def statements(text: str) -> list[str]:
    """Up to each semicolon that is not inside of braces."""
    found, depth, begun = [], 0, 0
    for at, c in enumerate(text):
        depth += (c == "{") - (c == "}")
        if c == ";" and depth == 0:
            found.append(" ".join(text[begun:at].split()))
            begun = at + 1
    assert not text[begun:].strip() and depth == 0, f"not understood: {text[begun:].strip()[:80]}"
    return found


def declare(statement: str) -> str:
    """One statement as cffi wants it."""
    enum = re.fullmatch(r"enum \{ (.*) \}", statement)
    if enum:
        names = re.findall(r"\b(CSB_\w+)(?= =|,|$)", enum[1])
        return "\n".join(f"#define {name} ..." for name in names)
    struct = re.fullmatch(r"(typedef struct \w+ \{) (.*?);? \} (\w+)", statement)
    if struct:
        members = "".join(f"    {member.strip()};\n" for member in struct[2].split(";"))
        return f"{struct[1]}\n{members}}} {struct[3]};"
    assert re.match(r"(typedef|int|void|unsigned|size_t|u?int\d+_t|const char|csb_\w+) ", statement), statement
    return statement + ";"


def declarations(include: Path) -> str:
    parts = [HEAD]
    for header in included(include):
        text = bare(header.read_text())
        lines = [f"#define {code} ..." for code in error_codes(text) + numbers(text)]
        lines += [declare(statement) for statement in statements(without_preprocessor(text)) if statement]
        if lines:
            parts.append(f"/* <claudesandbox/{header.name}> */\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def main(argv: list[str]) -> int:
    check = argv[1:2] == ["--check"]
    if len(argv) != 2 + check:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    made, known = declarations(Path(argv[-1])), FILE.read_text() if FILE.exists() else ""
    if not check:
        FILE.write_text(made)
    elif made != known:
        sys.stdout.writelines(difflib.unified_diff(known.splitlines(True), made.splitlines(True), "known", "made"))
        print(f"the headers have changed: bindings/python/declarations.py {argv[-1]}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
