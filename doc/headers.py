"""Reads the public headers: each declaration, and the comment that stands right above it.

What a comment has to say is in .github/CONTRIBUTING.md, "Public headers"; check() holds them to it.
"""
from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Iterator

FREES = re.compile(r"csb_\w+_(free|close|send)\(\)")
SENTENCE_END = r"(?<!\.)\.(?=\s|$)"
BLOCKING = re.compile(rf"(?:Blocks|Does not block|Never blocks|May block|May wait|Waits)\b.*?{SENTENCE_END}", re.S)
THREADS = re.compile(rf"(?:May be called (?:from|by|in) any thread|Any thread)\b.*?{SENTENCE_END}", re.S)
SINCE = re.compile(r"Since: (\d+\.\d+)")
CODE = re.compile(r"\bCSB_E[A-Z]+\b")
TOKEN = re.compile(r"/\*.*?\*/|#(?:[^\n\\]|\\.)*|CSB_(?:BEGIN|END)_DECLS|CSB_\w+\([^)]*\)(?=\n)|[^\s]", re.S)


@dataclasses.dataclass
class Param:
    type: str
    name: str

    @property
    def is_handle(self) -> bool:
        return re.fullmatch(r"(const )?csb_\w+ \*", self.type) is not None and not self.type.endswith("_options *")


@dataclasses.dataclass
class Item:
    """A declaration: kind is "function", "type", "enum" or "macro"."""

    kind: str
    name: str
    text: str
    doc: str
    header: str

    # -- of functions --

    @property
    def returns(self) -> str:
        return " ".join(self.text.split()).removeprefix("CSB_API ").partition(self.name)[0].strip()

    @property
    def params(self) -> list[Param]:
        inner = " ".join(self.text.split()).split("(", 1)[1].rsplit(")", 1)[0]
        if inner == "void":
            return []
        found = [re.fullmatch(r"(.*?)(\w+)(\[\])?", part.strip()) for part in inner.split(",")]
        return [Param(m.group(1).strip(), m.group(2)) for m in found if m]

    @property
    def can_fail(self) -> bool:
        return any(p.name == "err" and p.type == "csb_error **" for p in self.params)

    # -- of their comments --

    @property
    def since(self) -> str:
        found = SINCE.search(self.doc)
        return found.group(1) if found else ""

    def sentence(self, pattern: re.Pattern[str]) -> str:
        found = pattern.search(self.doc)
        return " ".join(found.group(0).split()) if found else ""

    @property
    def errors(self) -> str:
        """What stands behind "Errors:", without how it blocks and since when it is there."""
        _, _, rest = self.doc.partition("Errors: ")
        for pattern in (BLOCKING, THREADS, SINCE):
            rest = pattern.sub("", rest)
        return " ".join(rest.split())

    @property
    def body(self) -> str:
        """All the rest."""
        text = self.doc.partition("Errors: ")[0]
        for pattern in (BLOCKING, THREADS, SINCE):
            text = pattern.sub("", text)
        return "\n".join(line.rstrip() for line in text.splitlines()).strip()

    @property
    def summary(self) -> str:
        words = " ".join(self.body.split())
        short = re.split(r"(?<!\.)[.;:](?=\s|$)", words)[0]
        return short if short[1:2].isupper() else short[:1].lower() + short[1:]

    def mentions(self, word: str) -> bool:
        return re.search(rf"\b{re.escape(word)}\b", self.doc) is not None


def uncomment(comment: str) -> str:
    """The words of a comment, their lines and paragraphs as they were."""
    lines = comment[2:-2].splitlines()
    return "\n".join(re.sub(r"^\s*\* ?|^ ", "", line).rstrip() for line in lines).strip()


def declaration_end(text: str, start: int) -> int:
    """Past the semicolon that is in no braces and no comment."""
    depth = 0
    for token in TOKEN.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(token.group(), 0)
        if token.group() == ";" and depth == 0:
            return token.end()
    raise ValueError(f"a declaration without an end: {text[start:start + 60]!r}")


def classify(text: str) -> tuple[str, str]:
    patterns = (("function", r"CSB_API [^(;]*?(\w+)\("), ("type", r"typedef [^;{]*\(\*(\w+)\)"),
                ("type", r"typedef struct (\w+)"), ("enum", r"enum \{\s*(?:/\*.*?\*/\s*)*(\w+)"))
    for kind, pattern in patterns:
        found = re.match(pattern, text, re.S)
        if found:
            return kind, found.group(1)
    raise ValueError(f"what is this: {text[:60]!r}")


def items(path: Path) -> Iterator[Item]:
    """Declarations in their order. One right under another, without a comment, shares the comment."""
    text = path.read_text(encoding="utf-8")
    at, doc, doc_end, last_end, last_doc = 0, "", -1, -1, ""
    while token := TOKEN.search(text, at):
        word, at = token.group(), token.end()
        if word.startswith("/*"):
            doc, doc_end = uncomment(word), at
            continue
        if word.startswith("CSB_") and word != "CSB_API":       # a macro at work, which declares nothing of its own
            continue
        if word.startswith("#"):
            define = re.match(r"#\s*define (\w+)", word)
            kind, name = "macro", define.group(1) if define else ""
        else:
            at = declaration_end(text, token.start())
            word = text[token.start():at]
            kind, name = classify(word)
            comment = re.match(r"[ \t]*/\*.*?\*/", text[at:])   # at the end of the line
            at += comment.end() if comment else 0
        own = doc_end >= 0 and text[doc_end:token.start()] == "\n"
        shared = last_end >= 0 and text[last_end:token.start()] == "\n"
        last_doc, last_end = doc if own else last_doc if shared else "", at
        doc_end = -1
        if name and not (kind == "macro" and re.search(r"_H$|_$|^CSB_(BEGIN|END)_DECLS$|^CSB_API$", name)):
            yield Item(kind, name, word, last_doc, path.name)


def intro(path: Path) -> str:
    """The comments that belong to no declaration, but for the licence."""
    text = path.read_text(encoding="utf-8")
    comments = [m for m in re.finditer(r"^/\*.*?\*/", text, re.M | re.S) if "SPDX-" not in m.group()]
    free = [m for m in comments if text[m.end():m.end() + 2] == "\n\n" or text[m.end():].startswith("\n#ifndef ")]
    return "\n\n".join(uncomment(m.group()) for m in free)


def faults(item: Item) -> Iterator[str]:
    """What the comment of a function does not say."""
    if not item.doc:
        yield "has no comment"
        return
    if not item.since:
        yield "does not say since when it is there (Since: 0.1)"
    if item.can_fail:
        if not item.sentence(BLOCKING):
            yield "does not say whether it blocks (Blocks. / Does not block. / May wait ...)"
        if not CODE.search(item.errors) and not re.search(r"\bas (for |of )?csb_\w+\(\)", item.errors):
            yield "does not say which errors there are (Errors: CSB_E...)"
    if item.returns.endswith("*") and not re.search(r"\b([Bb]orrowed|[Ss]tatic)\b", item.doc):
        yield "does not say whose the result is (Borrowed. / Static.)"
    for i, param in enumerate(item.params):
        if param.name == "err" or (i == 0 and param.is_handle):
            continue
        if not item.mentions(param.name):
            yield f"does not say what {param.name} is"
        if re.fullmatch(r"csb_\w+ \*\*", param.type) and not FREES.search(item.doc):
            yield f"does not say how {param.name} is freed"


def check(headers: list[Path]) -> list[str]:
    found = [item for header in headers for item in items(header) if item.kind == "function"]
    told = [f"{item.header}: {item.name}() {fault}" for item in found for fault in faults(item)]
    return told if found else ["there is no function in these headers"]
