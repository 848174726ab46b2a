"""What ``status`` says, to programs and to people."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Iterator

import pytest

from fakelab import FakeLab
from sandbox import Sandbox, kill


@pytest.fixture
def lab(cli: str) -> Iterator[FakeLab]:
    made = FakeLab(cli)
    try:
        yield made
    finally:
        made.close()


def asked(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    done = sandbox.run("status", "--json", **more).expect(0)
    assert done.err == ""
    return json.loads(done.out)


def move_cli(sandbox: Sandbox) -> Path:
    """The command line in a directory of its own, where tests can put servers beside it."""
    place = sandbox.root / "bin"
    place.mkdir()
    sandbox.cli = shutil.copy(sandbox.cli, place)
    return place


def put_server(place: Path, name: str, script: str) -> None:
    (place / name).write_text(f"#!/bin/sh\n{script}\n")
    (place / name).chmod(0o755)


# ---- the VMs -----------------------------------------------------------------------------------------------

def test_used_and_since(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    row = lab.row(project)
    assert re.fullmatch(r"\d+[MG]iB|-", row.used)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row.since)
    lab.run("stop", row.name).expect(0)
    assert lab.row(project).since == "-"


def test_used_is_what_is_written(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    name = lab.row(project).name
    (before,) = asked(lab)["vms"]
    (lab.lima_home / name / "disk").write_bytes(b"x" * (5 << 20))
    (after,) = asked(lab)["vms"]
    assert after["disk_used_bytes"] >= 5 << 20 > before["disk_used_bytes"] > 0
    assert after["disk_bytes"] == before["disk_bytes"]


def test_json(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    said = asked(lab, env={"CLAUDE_SANDBOX_BASE_VM": "my-base"})
    assert said["schema"] == 1 and said["base_vm"] == "my-base" and said["template"] is None
    assert said["engine"] == "lima" and "limactl" in said["engine_why"]
    (vm,) = said["vms"]
    assert vm["state"] == "running" and vm["project_dir"] == str(project) and vm["reason"] == ""
    assert 0 < vm["created"] <= vm["started"]
    lab.run("stop", vm["name"]).expect(0)
    (vm,) = asked(lab)["vms"]
    assert vm["state"] == "stopped" and vm["started"] == 0


def test_one_in_the_making_is_not_broken(lab: FakeLab) -> None:
    lab.faults({"verb": "create", "at": "copy", "hang": True})
    running = lab.begin(lab.project())
    lab.is_struck()
    (row,) = lab.rows()
    assert row.state == "starting"
    running.kill()
    (row,) = lab.rows()
    assert row.state == "broken"


# ---- on a terminal -----------------------------------------------------------------------------------------

def test_terminal(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    with lab.terminal("status", size=(24, 250), env={"CLAUDE_SANDBOX_BASE_VM": "my-base"}) as terminal:
        terminal.expect(rb"base VM +my-base\r\n")
        terminal.expect(rb"template +the engine's own\r\n")
        terminal.expect(rb"engine +lima, as asked for: limactl ")
        terminal.expect(rb"hooks server +[^\n]*\r\naudio server +[^\n]*\r\n\r\n")
        terminal.expect(rb"NAME +STATE +ENGINE +CPUS +MEMORY +DISK +USED +SINCE +PROJECT\r\n")
        terminal.expect(rb"running +lima .* \d{4}-\d\d-\d\d \d\d:\d\d +" + str(project).encode() + rb"\r\n")
        assert terminal.wait() == 0
        assert b"\x1b" not in terminal.everything


def test_terminal_without_an_engine(sandbox: Sandbox) -> None:
    with sandbox.terminal("status") as terminal:
        terminal.expect(rb"engine +none is usable: claude-sandbox doctor\r\n")
        terminal.expect(rb"There are no VMs yet")
        assert terminal.wait() == 0


# ---- the servers -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("script, state", [
    ("""[ "$*" = "status --json" ] || exit 9; echo '{"schema":1,"running":true,"pid":12,"since":34,"version":"0.1.0"}'""",
     "running"),
    ("echo '{\"running\":false}'; exit 1", "stopped"),
    ("echo '{}'; exit 0", "running"),
    ("echo nonsense", "unknown"),
    ("exit 125", "unknown"),
    ("kill -9 $$", "unknown"),
    ("exec /usr/bin/yes", "unknown"),
    ("exec /bin/sleep FOREVER", "unknown"),
    ("exec >&-; exec /bin/sleep FOREVER", "unknown"),
    ("/bin/sleep FOREVER & exit 0", "unknown"),
])
def test_a_server_as_it_is(sandbox: Sandbox, script: str, state: str) -> None:
    place = move_cli(sandbox)
    forever = f"86411.{os.getpid()}"        # nobody else's
    put_server(place, "claude-hooks-server", script.replace("FOREVER", forever))
    said = asked(sandbox)
    assert said["hooks_server"]["state"] == state
    if "34" in script:
        assert said["hooks_server"] == {"state": "running", "pid": 12, "since": 34, "version": "0.1.0"}
    assert not sandbox.holding(str(place / "claude-hooks-server"))
    if "& exit" not in script:
        assert not sandbox.holding(f"sleep {forever}")
    for pid in sandbox.holding(f"sleep {forever}"):       # its child is not ours
        kill(pid)


def test_servers_on_a_terminal(sandbox: Sandbox) -> None:
    place = move_cli(sandbox)
    put_server(place, "claude-hooks-server", "echo '{\"pid\":12,\"since\":86400}'")
    put_server(place, "claude-audio-server", "exit 1")
    with sandbox.terminal("status") as terminal:
        terminal.expect(rb"hooks server +running since 1970-01-0\d \d\d:\d\d, process 12\r\n")
        terminal.expect(rb"audio server +not running\r\n")
        assert terminal.wait() == 0


def test_servers_that_are_not_installed(sandbox: Sandbox) -> None:
    move_cli(sandbox)
    with sandbox.terminal("status") as terminal:
        terminal.expect(rb"hooks server +not installed\r\naudio server +not installed\r\n")
        assert terminal.wait() == 0
    assert asked(sandbox)["audio_server"]["state"] == "absent"


def test_programs_ask_no_server(sandbox: Sandbox) -> None:
    """The columns cost no process."""
    place = move_cli(sandbox)
    put_server(place, "claude-hooks-server", f"echo asked >'{sandbox.root}/asked'")
    assert sandbox.rows() == []
    assert not (sandbox.root / "asked").exists()
