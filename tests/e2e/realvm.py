"""A project with a VM of a real engine, the real Claude Code in it, and a scripted API.

Booting takes its time without KVM, so the tests share one running VM (the fixture ``lab``); those that
stop, kill or delete it bring it back.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from engines import Engine, find_engines
from sandbox import TESTS, Done, Row, Running, Sandbox, processes

sys.path.insert(0, str(TESTS / "support"))

from fakeapi import FakeApi  # noqa: E402

ODD = "späce & ünï 'q'"
KEY = "sk-ant-api03-" + "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=95))
BOOT_SECONDS = 900.0
IMAGE_SECONDS = 3600.0      # the very first boot may have to build the guest's image


class Lab(Sandbox):
    """A project with a VM of one engine."""

    timeout = 300.0

    def __init__(self, cli: str, engine: Engine, api: FakeApi) -> None:
        super().__init__(cli, CLAUDE_SANDBOX_ENGINE=engine.name, **dict(engine.env))
        self.engine, self.api = engine, api
        self.env["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self.env.update(ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=KEY, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
                        FOO="bar-of-the-host")
        self.env.update(CLAUDE_SANDBOX_TEMPLATE=engine.template, CLAUDE_SANDBOX_BASE_VM=engine.base)
        self.share_images()
        self.dir = self.project(ODD)

    def share_images(self) -> None:
        """What is built of an image is built once, for all tests and all times."""
        images = Path(os.environ.get("CLAUDE_SANDBOX_IMAGES") or os.path.expanduser("~/.claude-sandbox/images"))
        self.state.mkdir()
        for kept in (images, images.parent / "warm"):
            kept.mkdir(parents=True, exist_ok=True)
            (self.state / kept.name).symlink_to(kept)

    # -- in the VM --

    def shell(self, *argv: str, seconds: float = BOOT_SECONDS, **more: object) -> Done:
        """A program in the project's VM, which is started for it where it is not running."""
        return self.run("-q", "-d", self.dir, "shell", "--", *argv, seconds=seconds, **more)

    def sh(self, script: str, **more: object) -> str:
        """The output of a script that must succeed."""
        return self.shell("sh", "-c", script, **more).expect(0).text

    def claude(self, *argv: str, **more: object) -> Done:
        return self.run("-q", "-d", self.dir, "--", *argv, seconds=BOOT_SECONDS, **more)

    def begin(self, script: str) -> Running:
        return self.start("-q", "-d", self.dir, "shell", "--", "sh", "-c", script)

    def has_program(self, words: str) -> bool:
        """Whether the guest runs a program with just these words. (``ps`` is another one.)"""
        return words in self.sh("ps -eo args").splitlines()

    # -- the VM --

    def vm(self) -> Row:
        return self.row(self.dir)

    def machines(self, name: str) -> list[int]:
        """The processes that are this VM."""
        found = {pid: args for pid, args in processes().items() if name in args and pid != os.getpid()}
        return [pid for pid, args in found.items() if "qemu-system" in args.split()[0] or " hostagent " in args]

    def close(self) -> None:
        names = list(self.records())
        if names:
            self.run("delete", "-f", *names)
        super().close()


def engine_params() -> list[object]:
    there, missing = find_engines()
    return [*(pytest.param(engine, id=engine.name) for engine in there),
            *(pytest.param(None, id=gone.name, marks=pytest.mark.skip(reason=str(gone))) for gone in missing)]
