"""The Python package with a real VM, from a clone to its end."""
from __future__ import annotations

import json
import os
import subprocess

import pytest

from engines import Engine
from sandbox import TESTS
from realvm import IMAGE_SECONDS, KEY, FakeApi, Lab, engine_params

PYTHON = os.environ.get("CLAUDE_SANDBOX_PYTHON", "")


@pytest.mark.skipif(not os.access(PYTHON, os.X_OK), reason="CLAUDE_SANDBOX_PYTHON is no Python with the package")
@pytest.mark.parametrize("engine", engine_params())
def test_a_session(cli: str, engine: Engine) -> None:
    with FakeApi(require_key=KEY) as api:
        lab = Lab(cli, engine, api)
        try:
            done = subprocess.run([PYTHON, TESTS / "e2e/python_session.py", lab.dir, engine.template, engine.base],
                                  env=lab.env, cwd=lab.projects, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=IMAGE_SECONDS)
            assert done.returncode == 0, done.stderr
            seen = json.loads(done.stdout)
            made = (lab.dir / "made.txt").read_text()
        finally:
            lab.close()
    assert seen["uname"] == "Linux\n" and seen["said"] == "there and back" and seen["left"] == []
    assert made.startswith("hello from ") and seen["result"].strip() == made.strip() and seen["status"] == 0
    assert seen["kinds"][0] == "SystemMessage" and seen["kinds"][-1] == "ResultMessage"
    assert "AssistantMessage" in seen["kinds"] and "UserMessage" in seen["kinds"]
    assert {vm for vm, _, _ in seen["events"]} == {seen["name"]}
    names = [name for _, name, _ in seen["events"]]
    assert {"SessionStart", "PreToolUse", "PostToolUse", "Stop"} <= set(names) and names.count("PreToolUse") == 2
    assert len(seen["refused"]) == 1 and "the user pushes" in seen["refused"][0]
    assert seen["activity"] == "NONE"
