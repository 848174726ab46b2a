"""``doctor``: each thing that is wrong is found, and the command it names mends it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from fakelab import FakeLab
from sandbox import Sandbox, kill

NUMBER = re.compile(r"\d+")     # time goes on between two questions


@pytest.fixture
def lab(cli: str) -> Iterator[FakeLab]:
    made = FakeLab(cli)
    try:
        yield made
    finally:
        made.close()


def examine(sandbox: Sandbox, *argv: str, **more: Any) -> list[dict[str, Any]]:
    """The bad findings; what is said in text is the same."""
    done = sandbox.run("doctor", "--json", *argv, **more)
    said = json.loads(done.out)
    bad = [finding for finding in said["findings"] if not finding["ok"]]
    assert said["schema"] == 1 and said["ok"] is (not bad) and done.err == ""
    assert done.status == (1 if bad else 0)
    assert all(set(finding) == {"check", "ok", "text", "mend"} for finding in said["findings"])
    text = sandbox.run("doctor", "-q", *argv, **more)
    assert text.status == done.status
    in_text = [line for line in text.lines() if line.startswith("BAD")]
    assert [NUMBER.sub("N", line) for line in in_text] == [
        NUMBER.sub("N", f"BAD  {finding['check']:11}  {finding['text']}") for finding in bad]
    return bad


def only(bad: list[dict[str, Any]], check: str) -> dict[str, Any]:
    """The one finding of that kind; room on the disk is this machine's affair."""
    found = [finding for finding in bad if finding["check"] not in ("disk", "kvm")]
    assert [finding["check"] for finding in found] == [check], found
    return found[0]


def nothing(bad: list[dict[str, Any]]) -> bool:
    return [finding for finding in bad if finding["check"] not in ("disk", "kvm")] == []


def mend(lab: Sandbox, command: str) -> None:
    """As the user would type it."""
    env = {**lab.env, "PATH": f"{Path(lab.cli).parent}:{lab.env['PATH']}"}
    subprocess.run(["/bin/sh", "-c", command], env=env, check=True, timeout=60, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, cwd=lab.projects)


def settings(lab: Sandbox, value: Any = None) -> Path:
    place = lab.state / ".claude"
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o700)
    if value is not None:
        (place / "settings.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return place


def hook(command: str) -> dict[str, Any]:
    return {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": command}]}]}}


# ---- all is well -------------------------------------------------------------------------------------------

def test_all_is_well(lab: FakeLab) -> None:
    settings(lab, hook("~/.claude/hooks/x.sh")).joinpath("hooks").mkdir()
    (lab.state / ".claude/hooks/x.sh").write_text("")
    lab.make(lab.project()).expect(0)
    assert nothing(examine(lab))
    said = json.loads(lab.run("doctor", "--json").out)["findings"]
    checks = {finding["check"] for finding in said}
    assert checks >= {"version", "engine", "ssh", "disk", "sockets", "base VM", "settings", "VMs", "leftovers"}
    assert any("limactl" in finding["text"] for finding in said if finding["check"] == "engine")


def test_looking_creates_nothing(sandbox: Sandbox) -> None:
    sandbox.run("doctor")
    assert not sandbox.state.exists() and list(sandbox.home.iterdir()) == []


# ---- engines and paths -------------------------------------------------------------------------------------

def test_no_engine(sandbox: Sandbox) -> None:
    finding = only(examine(sandbox), "engine")
    assert "limactl is not installed" in finding["text"] and "install Lima" in finding["mend"]


def test_sockets_do_not_fit(sandbox: Sandbox) -> None:
    """Where doctor says it fits, it does: see test_home_is_as_long_as_it_may_be."""
    long = sandbox.root / ("x" * (80 - len(str(sandbox.root))))
    bad = examine(sandbox, env={"CLAUDE_SANDBOX_HOME": str(long)})
    (finding,) = [finding for finding in bad if finding["check"] == "sockets"]
    assert "too long" in finding["text"] and finding["mend"].startswith("export CLAUDE_SANDBOX_HOME=")


# ---- the base VM -------------------------------------------------------------------------------------------

def make_base(lab: FakeLab) -> str:
    project = lab.project("base")
    lab.make(project).expect(0)
    return lab.row(project).name


def test_base_is_missing(lab: FakeLab) -> None:
    finding = only(examine(lab, env={"CLAUDE_SANDBOX_BASE_VM": "no-such"}), "base VM")
    assert "no-such" in finding["text"] and finding["mend"]


def test_base_is_running(lab: FakeLab) -> None:
    name = make_base(lab)
    env = {"CLAUDE_SANDBOX_BASE_VM": name}
    finding = only(examine(lab, env=env), "base VM")
    assert "is running" in finding["text"]
    mend(lab, finding["mend"])
    assert nothing(examine(lab, env=env))


def test_base_is_limas(lab: FakeLab) -> None:
    lab.foreign("mine")
    assert nothing(examine(lab, "-c", "mine"))


def test_base_is_old(lab: FakeLab) -> None:
    name = make_base(lab)
    lab.run("stop", name).expect(0)
    path = lab.state / "vms" / f"{name}.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "created": int(time.time()) - 91 * 86400}))
    finding = only(examine(lab, "-c", name), "base VM")
    assert "91 days old" in finding["text"]


def test_template_has_changed_since(lab: FakeLab) -> None:
    name = make_base(lab)
    lab.run("stop", name).expect(0)
    env = {"CLAUDE_SANDBOX_BASE_VM": name, "CLAUDE_SANDBOX_TEMPLATE": str(lab.template)}
    assert nothing(examine(lab, env=env))
    later = time.time() + 60
    os.utime(lab.template, (later, later))
    assert "template changed" in only(examine(lab, env=env), "base VM")["text"]


# ---- settings ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, saying", [
    ('{\n  "a": 1,\n}', "settings.json:3: "), ("", "settings.json:"), ("[]", "is no JSON object"),
    ('{"a": 1, "a": 2}', "settings.json:1: ")])
def test_settings_are_not_json(lab: FakeLab, text: str, saying: str) -> None:
    settings(lab, text)
    finding = only(examine(lab), "settings")
    assert saying in finding["text"] and finding["mend"].endswith("/settings.json")


@pytest.mark.parametrize("command", [
    "~/.claude/hooks/none.sh", "\"$HOME/.claude/hooks/none.sh\" --quick", "sh ${HOME}/.claude/hooks/none.sh",
    "cd /tmp; /mnt/claude-settings/hooks/none.sh"])
def test_hook_that_is_not_there(lab: FakeLab, command: str) -> None:
    settings(lab, hook(command))
    finding = only(examine(lab), "settings")
    assert "the hook of Stop" in finding["text"] and "hooks/none.sh" in finding["text"]


def test_hook_by_its_path_on_the_host(lab: FakeLab) -> None:
    place = settings(lab)
    (place / "x.sh").write_text("")
    settings(lab, hook(f"{place}/x.sh"))
    assert "write ~/.claude/x.sh" in only(examine(lab), "settings")["text"]


@pytest.mark.parametrize("value", [
    {"hooks": 1}, {"hooks": {"Stop": 1}}, {"hooks": {"Stop": [1]}}, {"hooks": {"Stop": [{"hooks": [{}, 1, None]}]}},
    {"hooks": {"Stop": [{"hooks": [{"command": 5}]}]}}, hook("notify-send done"), hook("x" * 100000)])
def test_odd_hooks_are_no_affair_of_ours(lab: FakeLab, value: Any) -> None:
    settings(lab, value)
    assert nothing(examine(lab))


def test_credentials_that_others_can_read(lab: FakeLab) -> None:
    path = settings(lab) / ".credentials.json"
    path.write_text("{}")
    path.chmod(0o644)
    finding = only(examine(lab), "settings")
    assert "can be read by others" in finding["text"]
    mend(lab, finding["mend"])
    assert path.stat().st_mode & 0o777 == 0o600 and nothing(examine(lab))


def test_credentials_that_are_a_link(lab: FakeLab) -> None:
    path = settings(lab) / ".credentials.json"
    path.symlink_to("/etc/passwd")
    mend(lab, only(examine(lab), "settings")["mend"])
    assert not path.is_symlink() and nothing(examine(lab))


def test_settings_in_an_odd_place(lab: FakeLab) -> None:
    """What is to be typed is typed as it is."""
    place = lab.project("it's $(touch x); odd")
    place.chmod(0o777)
    finding = only(examine(lab, "-s", str(place)), "settings")
    mend(lab, finding["mend"])
    assert place.stat().st_mode & 0o022 == 0 and not (lab.projects / "x").exists()


# ---- VMs ---------------------------------------------------------------------------------------------------

def test_clock(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    date = lab.guest / "bin/date"
    for seconds, word in ((-3600, "late"), (3600, "early")):
        date.write_text(f"#!/bin/sh\nexec {shutil.which('date')} -d '{seconds} seconds' \"$@\"\n")
        date.chmod(0o755)
        finding = only(examine(lab), "clock")
        assert f"seconds {word}" in finding["text"] and f"-d {project} shell" in finding["mend"]
    date.write_text("#!/bin/sh\necho '\x1b]0;evil\x07'\n")
    assert only(examine(lab), "clock")["text"].endswith("does not know what time it is")
    date.write_text("#!/bin/sh\nexit 1\n")
    assert "does not answer" in only(examine(lab), "VMs")["text"]
    date.unlink()
    assert nothing(examine(lab))


def test_leftovers(lab: FakeLab) -> None:
    lab.faults({"verb": "create", "at": "copy", "hang": True})
    running = lab.begin(lab.project())
    pid = lab.is_struck()["pid"]
    running.kill()
    kill(pid)
    lab.faults()
    bad = [finding for finding in examine(lab) if finding["check"] == "leftovers"]
    assert bad and bad[0]["text"].startswith("1 thing ")
    lab.make(lab.project("kept")).expect(0)
    lab.run("stop", "-d", lab.projects / "kept").expect(0)
    mend(lab, bad[0]["mend"])
    assert nothing(examine(lab))
    assert [row.project for row in lab.rows()] == [str(lab.projects / "kept")]
