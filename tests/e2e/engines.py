"""Which engines this machine has, for the tests that need a real VM."""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
from typing import Union

from sandbox import Sandbox, find_cli

TEMPLATE, BASE = "CLAUDE_SANDBOX_TEST_LIMA_TEMPLATE", "CLAUDE_SANDBOX_TEST_LIMA_BASE"
HANDED_ON = ("LIMA_HOME", "QEMU_SYSTEM_X86_64", "QEMU_SYSTEM_AARCH64")


@dataclasses.dataclass(frozen=True)
class Engine:
    name: str
    note: str = ""                      # what it runs guests with: "tcg", "limactl 2.2.0"
    template: str = ""                  # what it makes a VM from: either of them, or neither
    base: str = ""
    env: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.note})" if self.note else self.name


@dataclasses.dataclass(frozen=True)
class Missing:
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


def ask(name: str) -> tuple[str, str]:
    """What the library itself says of an engine here, and why it can't be used, if it can't."""
    sandbox = Sandbox(find_cli() or "", CLAUDE_SANDBOX_ENGINE=name)
    try:
        answer = sandbox.library("engine")
    finally:
        sandbox.close()
    return answer.get("ok", ""), answer.get("message", "")


def find_qemu() -> Union[Engine, Missing]:
    what, why = ask("qemu")
    return Missing("qemu", why) if why else Engine("qemu", "tcg" if "emulated" in what else "kvm")


def find_lima() -> Union[Engine, Missing]:
    if not shutil.which("limactl"):
        return Missing("lima", "limactl is not on PATH")
    base, template = os.environ.get(BASE, ""), os.environ.get(TEMPLATE, "")
    if not base and not template:
        return Missing("lima", f"limactl is there, but neither {TEMPLATE} nor {BASE} is set")
    what, why = ask("lima")
    env = {key: os.environ[key] for key in HANDED_ON if key in os.environ}
    if not base:
        template = os.path.abspath(template)
        env.pop("LIMA_HOME", None)      # its own then, in the state directory
    note = what.rpartition(": ")[2]
    return Missing("lima", why) if why else Engine("lima", note, "" if base else template, base, tuple(env.items()))


@functools.lru_cache(maxsize=None)
def find_engines() -> tuple[tuple[Engine, ...], tuple[Missing, ...]]:
    if os.geteuid() == 0 or not find_cli():
        return (), ()
    found = [find_qemu(), find_lima()]
    return (tuple(e for e in found if isinstance(e, Engine)), tuple(m for m in found if isinstance(m, Missing)))


def engines_line() -> str:
    there, missing = find_engines()
    line = ", ".join(map(str, there)) or "none"
    return line + ("; not found: " + ", ".join(map(str, missing)) if missing else "")
