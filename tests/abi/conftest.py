from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from installed import Installed, find_prefix  # noqa: E402


@pytest.fixture(scope="session")
def installed() -> Installed:
    prefix = find_prefix()
    if not prefix:
        pytest.skip("claude-sandbox is not installed: set CLAUDE_SANDBOX_PREFIX to where it is, or put it on PATH")
    return Installed(prefix)
