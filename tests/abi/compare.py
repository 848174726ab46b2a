#!/usr/bin/env python3
"""Whether programs made for one ABI run with another: abidiff(1), but for options that grew at their end.

    compare.py OLD.abi NEW.abi      both from dump.sh; 0: they do, 1: they don't

Options begin with their own size: csb__options_load() takes of an older program's what there is, and leaves
what is new at its default (test_callers.py shows that). So their new last members are left out here.
"""
from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from pathlib import Path

HERE = Path(__file__).resolve().parent
OPTIONS = re.compile(r"csb_\w+_options")


def options_of(dump: xml.ElementTree) -> dict[str, xml.Element]:
    whole = [decl for decl in dump.iter("class-decl") if decl.get("is-declaration-only") != "yes"]
    return {decl.get("name", ""): decl for decl in whole if OPTIONS.fullmatch(decl.get("name", ""))}


def place_of(member: xml.Element) -> int:
    return int(member.get("layout-offset-in-bits", "0"))


def in_padding(new: xml.ElementTree, old: xml.ElementTree) -> list[str]:
    """New members at a place that older programs have counted, and left unset."""
    then, words = options_of(old), []
    for name, decl in options_of(new).items():
        before = then.get(name)
        members = decl.findall("data-member")[len(before.findall("data-member")):] if before is not None else []
        words += [f"{name}: {member[0].get('name')} lies in what was padding: fill that with a member of its own first\n"
                  for member in members if place_of(member) < int(before.get("size-in-bits", "0"))]
    return words


def cut(new: xml.ElementTree, old: xml.ElementTree) -> None:
    """Members that are more than there were, from the end; where they came in between, that shows."""
    grown = options_of(new)
    for name, before in options_of(old).items():
        members = grown[name].findall("data-member") if name in grown else []
        more = members[len(before.findall("data-member")):]
        for member in more:
            grown[name].remove(member)
        if more:
            grown[name].set("size-in-bits", before.get("size-in-bits", ""))


def compare(old: Path, new: Path) -> tuple[bool, str]:
    then, now = xml.parse(old), xml.parse(new)
    if not options_of(then):
        return False, f"{old} has no options: was it made with dump.sh?\n"
    if told := in_padding(now, then):
        return False, "".join(told)
    cut(now, then)
    with tempfile.NamedTemporaryFile(suffix=".abi") as file:
        now.write(file.name, encoding="utf-8")
        done = subprocess.run(["abidiff", "--suppressions", HERE / "abi.suppr", "--no-added-syms", old, file.name],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode == 0, done.stdout if done.returncode else ""


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    good, words = compare(Path(sys.argv[1]), Path(sys.argv[2]))
    print(words, end="")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
