"""What all end-to-end tests share: who may run them, and on what."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Iterator

import pytest

from engines import engines_line
from realvm import IMAGE_SECONDS, KEY, FakeApi, Lab, engine_params
from sandbox import Sandbox, find_cli


def why_not() -> str:
    if os.geteuid() == 0:
        return "VM engines refuse root: run the end-to-end tests as an ordinary user, as ./bootstrap test does"
    if not find_cli():
        return "claude-sandbox is not installed: set CLAUDE_SANDBOX_PREFIX to where it is, or put it on PATH"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    if reason:
        here = os.path.dirname(os.path.abspath(__file__)) + os.sep
        for item in items:
            if str(item.fspath).startswith(here):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"e2e engines: {why_not() and 'none: ' + why_not() or engines_line()}")


@pytest.fixture(scope="session")
def cli() -> str:
    found = find_cli()
    assert found
    return found


@pytest.fixture
def sandbox(cli: str) -> Iterator[Sandbox]:
    """Without any VM in it, and without an engine to make one."""
    made = Sandbox(cli, PATH="/nonexistent")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session", params=engine_params())
def lab(request: pytest.FixtureRequest, cli: str) -> Iterator[Lab]:
    """Its VM is made by two first starts at the same time; test_two_first_starts looks at how they fared."""
    with FakeApi(require_key=KEY) as api, contextlib.ExitStack() as stack:
        lab = Lab(cli, request.param, api)
        stack.callback(lab.close)
        (lab.home / "marker-in-the-hosts-home").write_text("secret")
        (lab.project("neighbour") / "marker-in-another-project").write_text("secret")
        lab.first_starts = [lab.begin(f"echo {i}") for i in (1, 2)]
        lab.first_ends = [one.wait(IMAGE_SECONDS) for one in lab.first_starts]
        yield lab
