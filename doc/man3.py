#!/usr/bin/env python3
"""Man pages of section 3 from the comments in the public headers, which are their one source.

    man3.py pages VERSION DIRECTORY HEADER...     a page for each function, and claudesandbox.3
    man3.py check HEADER...                       says which comments lack what, and fails then
"""
from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Iterator

sys.dont_write_bytecode = True      # nothing is to be left in the sources
sys.path.insert(0, str(Path(__file__).resolve().parent))

from headers import BLOCKING, THREADS, Item, check, intro, items  # noqa: E402

OVERVIEW = "claudesandbox"
ONE_THREAD = ("Not for two threads at once on the same context, or on handles that were made from the same context. "
              "Different contexts may be used on different threads.")


def quote(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def prose(text: str) -> str:
    """Names of ours stand out."""
    text = re.sub(r"\b(csb_\w+)\(\)", r"\\fB\1\\fP()", quote(" ".join(text.split())))
    return re.sub(r"(?<![\w\\])(CSB_[A-Z_]+[A-Z])\b", r"\\fB\1\\fP", text)


def verbatim(text: str) -> str:
    return f".nf\n{quote(text)}\n.fi"


def prototype(item: Item) -> str:
    """One parameter a line where it is long."""
    text = " ".join(item.text.removeprefix("CSB_API ").split())
    if len(text) <= 76:
        return text
    head, inner = text.rstrip(";").rstrip(")").split("(", 1)
    return head + "(\n" + ",\n".join("    " + part.strip() for part in inner.split(",")) + ");"


def paragraphs(text: str, names: set[str]) -> Iterator[str]:
    """What a comment says; "name: ..." of a parameter, and "- ...", hang."""
    for block in re.split(r"\n\s*\n", text):
        entries = re.split(r"\n(?=\s*- |[\w, ]+: )", block)
        for i, entry in enumerate(entries):
            label, colon, rest = entry.partition(": ")
            if colon and set(label.split(", ")) <= names:
                yield f".TP\n.I {label}\n{prose(rest)}"
            elif entry.lstrip().startswith("- "):
                yield f".IP \\(bu 2\n{prose(entry.lstrip()[2:])}"
            else:
                yield (".PP\n" if i == 0 else "") + prose(entry)


def names_of(item: Item) -> list[str]:
    """What an enum's constants are called; else its own name."""
    words = re.sub(r"/\*.*?\*/", "", item.text, flags=re.S)
    return re.findall(r"CSB_\w+", words) if item.kind == "enum" else [item.name]


def related(item: Item, known: dict[str, Item]) -> list[Item]:
    """The types and constants that a caller needs, in the order of the headers."""
    wanted, todo = set(), [item.text + " " + item.doc]
    while todo:
        text = todo.pop()
        for name, other in known.items():
            if name not in wanted and any(re.search(rf"\b{word}\b", text) for word in names_of(other)):
                wanted.add(name)
                todo.append(other.text)
    return [other for name, other in known.items() if name in wanted and not is_opaque(other)]


def is_opaque(item: Item) -> bool:
    return item.kind == "type" and re.fullmatch(r"typedef struct (\w+) \1;", item.text) is not None


def is_flag(item: Item) -> bool:
    return item.kind == "macro" and re.fullmatch(r"#define \w+ \(.* << .*\)", item.text) is not None


def comment(doc: str) -> str:
    lines = [line for line in doc.splitlines() if line]
    return "/* " + "\n * ".join(lines) + " */\n" if lines else ""


def head(name: str, version: str, summary: str) -> str:
    title = f'.TH {name} 3 "" "claudesandbox {version}" "libclaudesandbox"'
    return f"{title}\n.nh\n.ad l\n.SH NAME\n{name} \\- {quote(summary)}"


def see_also(names: list[str]) -> str:
    return ".SH SEE ALSO\n" + ",\n".join(f"\\fB{name}\\fP(3)" for name in [*names, OVERVIEW])


def page(item: Item, version: str, everything: dict[str, Item]) -> str:
    types = {name: other for name, other in everything.items() if other.kind in ("type", "enum") or is_flag(other)}
    mentioned = sorted(set(re.findall(r"\b(csb_\w+)\(\)", item.doc)) - {item.name})
    needed = related(item, types)
    includes = "#include <claudesandbox.h>\n\n"
    parts = [head(item.name, version, item.summary), ".SH SYNOPSIS\n" + verbatim(includes + prototype(item)),
             ".SH DESCRIPTION", *paragraphs(item.body, {p.name for p in item.params})]
    if item.can_fail:
        parts += [".SH RETURN VALUE\n" + prose("0, or the negative code of an error, of which err, unless it is NULL, "
                                               "then has the words: see csb_error_message()."),
                  ".SH ERRORS\n" + prose(item.errors[:1].upper() + item.errors[1:])]
    parts += [".SH BLOCKING\n" + prose(item.sentence(BLOCKING) or "Does not block."),
              ".SH THREADS\n" + prose(item.sentence(THREADS) or ONE_THREAD)]
    if needed:
        parts += [".SH TYPES AND CONSTANTS", *(verbatim(comment(o.doc) + o.text) + "\n.PP" for o in needed)]
    parts += [f".SH HISTORY\nSince {item.since}.", see_also([n for n in mentioned if n in everything])]
    return "\n".join(parts) + "\n"


def overview(version: str, headers: list[Path], everything: dict[str, Item]) -> str:
    words = {header.name: intro(header) for header in headers}
    first, _, rest = words.pop(OVERVIEW + ".h").partition("\n\n")
    parts = [head(OVERVIEW, version, first.partition(": ")[2].rstrip(".")),
             ".SH SYNOPSIS\n" + verbatim("#include <claudesandbox.h>\n\n"
                                         "cc example.c $(pkg-config --cflags --libs claudesandbox)"),
             ".SH DESCRIPTION", *paragraphs(rest, set())]
    for header in headers:
        functions = [item for item in everything.values() if item.kind == "function" and item.header == header.name]
        if functions:
            parts += [f".SH {header.stem.upper()}", *paragraphs(words.get(header.name, ""), set())]
            parts += [f".TP\n\\fB{item.name}\\fP(3)\n{prose(item.summary)}" for item in functions]
    codes = re.findall(r'XX\((-\d+), (\w+), "(.*?)"\)', everything["CSB_ERROR_MAP"].text)
    parts.append(".SH ERROR CODES")
    parts += [f".TP\n.B CSB_{name}\n{quote(text)} ({quote(number)})" for number, name, text in codes]
    return "\n".join([*parts, ".SH SEE ALSO\n\\fBclaude\\-sandbox\\fP(1)"]) + "\n"


def write_pages(version: str, directory: Path, headers: list[Path]) -> None:
    everything = {item.name: item for header in headers for item in items(header)}
    for item in everything.values():
        if item.kind == "function":
            (directory / f"{item.name}.3").write_text(page(item, version, everything), encoding="utf-8")
    (directory / f"{OVERVIEW}.3").write_text(overview(version, headers, everything), encoding="utf-8")


def main(argv: list[str]) -> int:
    if argv[:1] == ["pages"] and len(argv) > 3:
        write_pages(argv[1], Path(argv[2]), [Path(header) for header in argv[3:]])
        return 0
    if argv[:1] == ["check"] and len(argv) > 1:
        told = check([Path(header) for header in argv[1:]])
        print("".join(line + "\n" for line in told), end="")
        return 1 if told else 0
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
