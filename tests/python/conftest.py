"""The package as it is installed, in the pretended world of tests/e2e/fakelab.py."""
from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import claudesandbox as cs  # noqa: E402
from fakelab import BASE, FakeLab  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        for item in items:
            if str(item.fspath).startswith(os.path.dirname(os.path.abspath(__file__)) + os.sep):
                item.add_marker(pytest.mark.skip(reason="the library refuses root"))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLab]:
    """No program of ours is run in it: this process itself lives there."""
    lab = FakeLab("/nonexistent")
    for name, value in lab.env.items():
        monkeypatch.setenv(name, value)
    yield lab
    lab.close()


@pytest.fixture
def ctx(lab: FakeLab) -> Iterator[cs.Context]:
    with cs.Context() as ctx:
        yield ctx


@pytest.fixture
def base(lab: FakeLab) -> str:
    """A stopped VM of the user's, which can be cloned."""
    lab.foreign(BASE)
    return BASE


@pytest.fixture
def vm(lab: FakeLab, ctx: cs.Context, base: str) -> cs.VM:
    """One that runs, of a project."""
    vm = ctx.clone(base, project_dir=lab.project())
    vm.start()
    return vm
