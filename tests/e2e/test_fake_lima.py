"""Bad input and accidents, on pretended VMs: what real ones would take hours for.

Each test has a LIMA_HOME of its own, inside its state directory.  tests/fakes says what the faults mean.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shlex
import shutil
import signal
import struct
from pathlib import Path
from typing import Any, Iterator

import pytest

from fakelab import BASE, FakeLab
from sandbox import FAILED, INTERRUPTED, NAME, USAGE, Sandbox, kill, until

FATAL = 'time="2026-01-01T00:00:00Z" level=warning msg="so far so good"\n' \
        'time="2026-01-01T00:00:01Z" level=fatal msg="the moon is full"\n'
HANG = {"hang": True}
EXIT = {"stderr": FATAL, "exit": 1}


@pytest.fixture
def lab(cli: str) -> Iterator[FakeLab]:
    made = FakeLab(cli)
    try:
        yield made
    finally:
        made.close()


def works(lab: FakeLab, project: Path, *argv: str) -> None:
    """The project's VM can be used, and there is but one."""
    lab.faults()
    lab.faults(program="ssh")
    assert lab.make(project, *argv).expect(0).out == b""
    assert lab.row(project).state == "running"
    assert lab.instances() - {BASE} == {lab.row(project).name}


# ---- the engine --------------------------------------------------------------------------------------------

def test_no_usable_engine(sandbox: Sandbox) -> None:
    done = sandbox.run("-d", sandbox.project(), "shell").expect(FAILED, "no usable VM engine", "limactl is not installed")
    assert re.search("try: .*install Lima", done.err)
    if os.uname().sysname == "Linux":
        assert "qemu-system-" in done.err and "apt-get install qemu-system" in done.err
    assert done.err.count("\n") == 2
    assert sandbox.records() == {}


def test_the_engine_asked_for_is_missing(sandbox: Sandbox) -> None:
    done = sandbox.run("--engine", "lima", "-d", sandbox.project()).expect(FAILED, "limactl is not installed", "install Lima")
    assert "qemu" not in done.err


@pytest.mark.parametrize("version", ["2.0.3", "1.2.2", "0.23.0"])
def test_limactl_is_too_old(lab: FakeLab, version: str) -> None:
    done = lab.make(lab.project(), env={"FAKE_LIMACTL_VERSION": version})
    done.expect(FAILED, f"limactl {version} is too old", "install Lima 2.1 or newer")
    lab.nothing_is_left()


@pytest.mark.parametrize("version", ["2.1.0", "2.1.3-rc.1", "2.2.0", "3.0.0", "v2.2.0-45-gdeadbee"])
def test_limactl_is_new_enough(lab: FakeLab, version: str) -> None:
    lab.make(lab.project(), env={"FAKE_LIMACTL_VERSION": version}).expect(0)


@pytest.mark.parametrize("script", ["exit 3", "echo hello", "kill -9 $$"])
def test_limactl_is_something_else(lab: FakeLab, script: str) -> None:
    other = lab.root / "bin"
    other.mkdir()
    (other / "limactl").write_text(f"#!/bin/sh\n{script}\n")
    (other / "limactl").chmod(0o755)
    lab.make(lab.project(), env={"PATH": f"{other}:/usr/bin:/bin"}).expect(FAILED, "limactl does not work", "install Lima")


# ---- limactl fails at each verb ----------------------------------------------------------------------------

@pytest.mark.parametrize("at", ["begin", "copy", "end"])
def test_create_fails(lab: FakeLab, at: str) -> None:
    project = lab.project()
    lab.faults({"verb": "create", "at": at, **EXIT})
    lab.make(project).expect(FAILED, "limactl create: the moon is full")
    lab.nothing_is_left()
    works(lab, project)


@pytest.mark.parametrize("at", ["begin", "copy", "end"])
def test_clone_fails(lab: FakeLab, at: str) -> None:
    project = lab.project()
    lab.foreign(BASE)
    lab.faults({"verb": "clone", "at": at, **EXIT})
    lab.run("-d", project, "-c", BASE).expect(FAILED, "limactl clone: the moon is full")
    assert lab.instances() == {BASE} and lab.records() == {}


@pytest.mark.parametrize("death", [{"signal": 9}, {"signal": 11}, {"exit": 2, "stderr": "panic: nil\n\ngoroutine 1:\n"}])
def test_limactl_dies(lab: FakeLab, death: dict[str, Any]) -> None:
    lab.faults({"verb": "create", "at": "copy", **death})
    lab.make(lab.project()).expect(FAILED, "limactl create")
    lab.nothing_is_left()


def test_list_fails_while_a_vm_is_made(lab: FakeLab) -> None:
    lab.faults({"verb": "list", **EXIT})
    lab.make(lab.project()).expect(FAILED, "limactl list: the moon is full")
    lab.nothing_is_left()


def test_list_fails_later(lab: FakeLab) -> None:
    """Not to know is not to have: nothing is said to be deleted, made or stopped that is not."""
    project = lab.project()
    lab.make(project).expect(0)
    name = lab.row(project).name
    lab.faults({"verb": "list", **EXIT})
    assert lab.row(project).state == "broken"
    lab.run("-d", project, "shell", "--", "true").expect(FAILED, "the moon is full")
    assert lab.instances() == {name} and list(lab.records()) == [name]
    works(lab, project)


def test_list_prints_garbage(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    lab.faults({"verb": "list", "stdout": "\x1b[31m{not json\n"})
    lab.run("-d", project, "shell", "--", "true").expect(FAILED)
    assert lab.row(project).state == "broken"
    works(lab, project)


def test_start_fails(lab: FakeLab) -> None:
    project = lab.project()
    lab.faults({"verb": "start", **EXIT})
    lab.make(project).expect(FAILED, "starting ", "limactl start: the moon is full")
    row = lab.row(project)
    assert row.state == "stopped"
    assert not lab.holding(lab.lima_home / row.name)
    works(lab, project)


def test_start_fails_but_the_vm_does_not(lab: FakeLab) -> None:
    """Whoever started it has died meanwhile: what counts is that it comes up."""
    project = lab.project()
    lab.faults({"verb": "start", "at": "boot", **EXIT})
    lab.make(project, env={"FAKE_LIMACTL_BOOT_SECONDS": "1"}).expect(0)
    works(lab, project)


def test_stop_fails_and_it_stops_all_the_same(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    lab.faults({"verb": "stop", **EXIT})
    lab.run("-d", project, "stop").expect(0)
    assert lab.row(project).state == "stopped"
    assert not lab.holding(lab.lima_home / lab.row(project).name)


def test_delete_fails_and_it_is_gone_all_the_same(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    lab.faults({"verb": "delete", **EXIT})
    lab.run("-d", project, "delete").expect(0)
    assert not lab.holding(lab.lima_home)
    lab.nothing_is_left()


def test_full_disk(lab: FakeLab) -> None:
    project = lab.project()
    lab.faults({"verb": "create", "at": "copy", "kind": "disk_full"})
    lab.make(project).expect(FAILED, "no space left on device")
    lab.nothing_is_left()
    works(lab, project)


def test_full_disk_while_cloning(lab: FakeLab) -> None:
    lab.foreign(BASE)
    lab.faults({"verb": "clone", "at": "copy", "kind": "disk_full"})
    lab.run("-d", lab.project(), "-c", BASE).expect(FAILED, "no space left on device")
    assert lab.instances() == {BASE} and lab.records() == {}


def test_no_room_for_the_record(lab: FakeLab) -> None:
    """No file can grow by a byte, as on a full disk."""
    project = lab.project()
    lab.state.mkdir()
    running = lab.begin(project, env={"FAKE_LIMACTL_LOG": ""},
                        restore_signals=False,      # Python ignores SIGXFSZ, and hands that on
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    running.wait().expect(FAILED, "can't write ")
    lab.nothing_is_left()
    works(lab, project)


# ---- the base ----------------------------------------------------------------------------------------------

def test_clone(lab: FakeLab) -> None:
    project = lab.project()
    lab.foreign(BASE)
    lab.run("-d", project, "-c", BASE, "--cpus", "3", "--mem", "3GiB", "shell", "--", "true").expect(0)
    row = lab.row(project)
    assert (row.state, row.cpus, row.memory) == ("running", "3", "3GiB")
    assert len(lab.calls("clone")) == 1 and lab.calls("clone")[0]["argv"].count("--set") == 1
    shared = json.loads((lab.lima_home / row.name / "lima.yaml").read_text())["mounts"]
    assert [m["location"] for m in shared] == [str(project), str(lab.state / ".claude")]


def test_a_vm_is_given_csb_guest(lab: FakeLab) -> None:
    """It keeps programs there, which then need no second session for that."""
    project = lab.project()
    lab.make(project).expect(0)
    assert os.access(lab.guest / "usr/local/lib/claude-sandbox/keeper-1", os.X_OK)
    sessions = len(lab.calls(log=lab.ssh_log))
    lab.run("-d", project, "shell", "--", "sh", "-c", "exit 3").expect(3)
    assert len(lab.calls(log=lab.ssh_log)) == sessions + 1


def test_a_vm_that_can_not_be_given_csb_guest(lab: FakeLab) -> None:
    (lab.guest / "usr/local/lib").mkdir(parents=True)
    (lab.guest / "usr/local/lib/claude-sandbox").write_text("in the way")
    lab.make(lab.project()).expect(0)


def qcow2_template(lab: FakeLab) -> Path:
    """Of an image that is a qcow2 file, as the real ones are: nothing but a header."""
    image = lab.root / "image.qcow2"
    image.write_bytes(b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQQQQII", 3, 0, 0, 16, 3 << 30, 0, 6, 0x30000, 0x10000, 1, 0,
                                               0, 0, 0, 0, 4, 104))
    path = lab.root / "qcow2.yaml"
    path.write_text(json.dumps({"images": [{"location": str(image)}], "cpus": 2, "memory": "2GiB", "disk": "3GiB"}))
    return path


def layer(lab: FakeLab, name: str) -> str:
    """What a disk lies on; "" for nothing."""
    head = (lab.lima_home / name / "disk").read_bytes()
    at, size = struct.unpack_from(">QI", head, 8)
    return head[at:at + size].decode()


def layers(lab: FakeLab) -> set[str]:
    place = lab.lima_home / "_claude-sandbox"
    return {f"../_claude-sandbox/{path.name}" for path in place.iterdir()} if place.exists() else set()


def test_copies_of_our_own_need_no_limactl(lab: FakeLab) -> None:
    """They lie on one disk, which stays as long as one of them, whatever becomes of the base."""
    first, second, third = lab.project("one"), lab.project("two"), lab.project("three")
    lab.run("-d", first, "-t", qcow2_template(lab), "shell", "--", "true").expect(0)
    lab.run("-d", first, "stop").expect(0)
    base = lab.row(first).name
    for project in (second, third):
        lab.run("-d", project, "-c", base, "--cpus", "1", "shell", "--", "true").expect(0)
    assert lab.calls("clone") == []
    names = [lab.row(project).name for project in (second, third)]
    assert {layer(lab, name) for name in (base, *names)} == layers(lab) and len(layers(lab)) == 1
    assert (lab.row(second).cpus, lab.row(second).memory) == ("1", "2GiB")
    lab.run("-d", first, "shell", "--", "true").expect(0)      # the base is still good for everything
    lab.run("delete", "-y", "-f", base).expect(0)
    lab.run("-d", second, "delete", "-y", "-f").expect(0)
    assert len(layers(lab)) == 1
    lab.run("-d", third, "delete", "-y", "-f").expect(0)
    assert layers(lab) == set() and lab.instances() == set()


def test_a_base_of_somebody_else_keeps_its_disk(lab: FakeLab) -> None:
    lab.template = qcow2_template(lab)
    disk = lab.foreign(BASE) / "disk"
    before = disk.read_bytes()
    lab.run("-d", lab.project(), "-c", BASE, "shell", "--", "true").expect(0)
    assert len(lab.calls("clone")) == 1 and layers(lab) == set()
    assert disk.read_bytes() == before


# ---- a machine that is there, and becomes different ---------------------------------------------------------

def lima_config(lab: FakeLab, name: str) -> dict:
    return json.loads((lab.lima_home / name / "lima.yaml").read_text())


def test_sizes_change_a_stopped_vm(lab: FakeLab) -> None:
    project = lab.project()
    lab.foreign(BASE)
    lab.run("-d", project, "-c", BASE, "--cpus", "2", "shell", "--", "true").expect(0)
    lab.run("-d", project, "stop").expect(0)
    ran = lab.run("-d", project, "--cpus", "3", "--mem", "3GiB", "shell", "--", "true").expect(0)
    assert "started the next time" not in ran.err
    row = lab.row(project)
    assert (row.state, row.cpus, row.memory) == ("running", "3", "3GiB")
    assert [m["location"] for m in lima_config(lab, row.name)["mounts"]] == [str(project), str(lab.state / ".claude")]


def test_more_processors_than_there_are(lab: FakeLab) -> None:
    """They can be had, and are said to be slow."""
    project = lab.project()
    lab.foreign(BASE)
    have = os.cpu_count() or 1
    lab.run("-d", project, "-c", BASE, "--cpus", str(have + 1), "shell", "--", "true").expect(
        0, f"{have + 1} processors are more than the {have} of this machine")
    assert lab.row(project).cpus == str(have + 1)
    assert "processors" not in lab.run("-d", project, "--cpus", str(have), "shell", "--", "true").expect(0).err


def test_sizes_of_a_running_vm_wait_for_its_next_start(lab: FakeLab) -> None:
    project = lab.project()
    lab.foreign(BASE)
    lab.run("-d", project, "-c", BASE, "--cpus", "2", "shell", "--", "true").expect(0)
    lab.run("-d", project, "--cpus", "4", "shell", "--", "true").expect(0, "when it is started the next time")
    assert lab.row(project).cpus == "2" and not lab.calls("edit")
    lab.run("-d", project, "shell", "--", "true").expect(0)
    lab.run("-d", project, "stop").expect(0)
    lab.run("-d", project, "shell", "--", "true").expect(0)
    assert lab.row(project).cpus == "4" and len(lab.calls("edit")) == 1
    # Asked for once, done once.
    lab.run("-d", project, "stop").expect(0)
    lab.run("-d", project, "--cpus", "4", "shell", "--", "true").expect(0)
    assert len(lab.calls("edit")) == 1


def test_settings_move_and_become_read_only(lab: FakeLab) -> None:
    project = lab.project()
    other = project.parent / "other settings"
    lab.foreign(BASE)
    lab.run("-d", project, "-c", BASE, "shell", "--", "true").expect(0)
    lab.run("-d", project, "-s", other, "--settings-mode", "ro", "shell", "--", "true").expect(0, "next time")
    lab.run("-d", project, "stop").expect(0)
    lab.run("-d", project, "shell", "--", "true").expect(0)
    mounts = lima_config(lab, lab.row(project).name)["mounts"]
    assert [(m["location"], m["writable"]) for m in mounts] == [(str(project), True), (str(other), False)]
    # What is not said again stays.
    lab.run("-d", project, "stop").expect(0)
    lab.run("-d", project, "--cpus", "3", "shell", "--", "true").expect(0)
    assert lima_config(lab, lab.row(project).name)["mounts"] == mounts


def test_settings_mode_of_a_new_vm(lab: FakeLab) -> None:
    project = lab.project()
    lab.foreign(BASE)
    lab.run("-d", project, "-c", BASE, "--settings-mode", "read", "shell").expect(USAGE, "--settings-mode read: ")
    lab.run("-d", project, "-c", BASE, "--settings-mode", "ro", "shell", "--", "true").expect(0)
    assert [m["writable"] for m in lima_config(lab, lab.row(project).name)["mounts"]] == [True, False]


def test_what_cant_be_changed_is_refused_at_once(lab: FakeLab) -> None:
    project = lab.project()
    lab.foreign(BASE)
    lab.run("-d", project, "-c", BASE, "shell", "--", "true").expect(0)
    lab.run("-d", project, "--disk", "5GiB", "shell", "--", "true").expect(USAGE, "smaller")
    lab.run("-d", project, "-s", project / "inside", "shell", "--", "true").expect(USAGE, "one contains the other")
    lab.run("-d", project, "stop").expect(0)
    lab.run("-d", project, "shell", "--", "true").expect(0)
    assert not lab.calls("edit")


def test_settings_dont_move_to_where_another_vm_can_write(lab: FakeLab) -> None:
    one, two = lab.project("one"), lab.project("two")
    lab.foreign(BASE)
    for project in (one, two):
        lab.run("-d", project, "-c", BASE, "shell", "--", "true").expect(0)
    lab.run("-d", two, "-s", one / "settings", "shell", "--", "true").expect(USAGE, f"which the VM {lab.row(one).name} can write")


def test_a_change_that_lima_refuses_is_forgotten(lab: FakeLab) -> None:
    project = lab.project()
    lab.foreign(BASE)
    lab.run("-d", project, "-c", BASE, "shell", "--", "true").expect(0)
    lab.run("-d", project, "stop").expect(0)
    lab.faults({"verb": "edit", "times": 1, "exit": 1, "stderr": "not to our liking\\n"})
    lab.run("-d", project, "--cpus", "3", "shell", "--", "true").expect(FAILED, "stays as it was")
    assert lab.row(project).state == "stopped"
    lab.run("-d", project, "shell", "--", "true").expect(0)


def test_base_is_missing(lab: FakeLab) -> None:
    lab.run("-d", lab.project(), "-c", "nobody").expect(FAILED, "nobody", "try: ")
    lab.nothing_is_left()


def test_base_is_running(lab: FakeLab) -> None:
    lab.foreign(BASE, started=True)
    lab.run("-d", lab.project(), "-c", BASE).expect(FAILED, f"the base {BASE} must be stopped", f"limactl stop {BASE}")
    assert lab.status(BASE) == "Running"
    assert lab.instances() == {BASE} and lab.records() == {}


def test_base_is_broken(lab: FakeLab) -> None:
    (lab.foreign(BASE) / "lima.yaml").write_text("cpus: [\n")
    lab.run("-d", lab.project(), "-c", BASE).expect(FAILED, f"the base {BASE} is broken")
    assert lab.instances() == {BASE} and lab.records() == {}


def test_base_has_a_bigger_disk(lab: FakeLab) -> None:
    lab.foreign(BASE)
    lab.run("-d", lab.project(), "-c", BASE, "--disk", "50GiB").expect(USAGE, "can't be smaller")
    assert lab.instances() == {BASE} and lab.records() == {}


def test_rejected_edit(lab: FakeLab) -> None:
    """Lima copies first and looks at the edits then: here the project becomes a file in between."""
    project = lab.project()
    lab.foreign(BASE)
    lab.faults({"verb": "clone", "at": "copy", "delay": 1.5})
    running = lab.start("-d", project, "-c", BASE, cwd=lab.root)
    lab.is_struck()
    project.rmdir()
    project.write_text("")
    running.wait().expect(FAILED, "limactl clone: ", "non-directory")
    assert lab.instances() == {BASE} and lab.records() == {}
    assert list(lab.root.rglob("lima.REJECTED.yaml")) == []


# ---- the project -------------------------------------------------------------------------------------------

def refused(lab: FakeLab, *argv: str, saying: str) -> str:
    """Bad input: told as such, and limactl has heard nothing of it."""
    done = lab.run("-t", lab.template, *argv).expect(USAGE, saying)
    assert {call["verb"] for call in lab.calls()} <= {""}       # "" is --version
    lab.nothing_is_left()
    return done.err


def test_directory_is_missing(lab: FakeLab) -> None:
    refused(lab, "-d", str(lab.projects / "nowhere"), saying=f"there is no directory {lab.projects}/nowhere")


def test_directory_is_a_file(lab: FakeLab) -> None:
    refused(lab, "-d", str(lab.template), saying=f"{lab.template} is not a directory")


def test_directory_is_a_dangling_link(lab: FakeLab) -> None:
    (lab.projects / "link").symlink_to("nowhere")
    refused(lab, "-d", str(lab.projects / "link"), saying="there is no directory")


@pytest.mark.parametrize("place, why", [
    ("/", "it is the whole host"),
    ("HOME", "it is your home directory"),
    ("HOME/.", "it is your home directory"),
    ("HOME/..", "contains"),
    ("STATE", "it belongs to claude-sandbox itself"),
    ("STATE/vms", "it belongs to claude-sandbox itself"),
    ("STATE/lima", "it belongs to claude-sandbox itself"),
    ("link-to-home", "it is your home directory"),
])
def test_directory_that_must_not_be_shared(lab: FakeLab, place: str, why: str) -> None:
    for name in ("vms", "lima"):
        (lab.state / name).mkdir(parents=True)
    (lab.projects / "link-to-home").symlink_to(lab.home)
    place = place.replace("HOME", str(lab.home)).replace("STATE", str(lab.state))
    said = refused(lab, "-d", place, saying=f"can't be shared with a VM: {why}" if why != "contains" else "contains")
    assert "--force-mount" in said or why != "it is your home directory"


def test_directory_is_the_home_and_it_is_meant(lab: FakeLab) -> None:
    lab.run("-t", lab.template, "-d", lab.home, "--force-mount", "shell", "--", "true").expect(0)
    assert lab.row(lab.home).state == "running"


@pytest.mark.parametrize("place", ["/", "STATE"])
def test_force_is_for_the_home_only(lab: FakeLab, place: str) -> None:
    lab.state.mkdir()
    refused(lab, "--force-mount", "-d", place.replace("STATE", str(lab.state)), saying="can't be shared with a VM")


def test_directory_cannot_be_written(lab: FakeLab) -> None:
    project = lab.project()
    project.chmod(0o555)
    said = refused(lab, "-d", str(project), saying=f"{project} can't be written by you")
    assert re.search(r"try: work in a copy of your own: cp -R .*project", said)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", b"a\x1bb", b"\xed\xa0\x80"])
def test_directory_with_bytes_that_are_no_text(lab: FakeLab, name: bytes) -> None:
    project = lab.project(name)
    refused(lab, "-d", os.fsdecode(project), saying="not UTF-8 or has control characters")


@pytest.mark.parametrize("name", ["a,b", "{{.Home}}"])
def test_directory_that_lima_would_take_for_something_else(lab: FakeLab, name: str) -> None:
    lab.make(lab.project(name)).expect(USAGE, "can't be shared with a Lima VM", "rename the directory")
    lab.nothing_is_left()


@pytest.mark.parametrize("name", [
    "späce & ünï 'q'", "日本語", "...", "---", "-rf", "--help", "x" * 200, "foo_bar", "Foo.Bar", '"; touch x; "', "$(touch x)",
    "`touch x`", "a\\b", "a#b", "100%", "[x]: {y}", " a  b ", '" | .mounts += [{"location":"~"}] | .message = "x', "Ⅷ", "été",
    "a.yaml", "~", "*", "e\u0301", "a:b", "!x"])
def test_odd_names(lab: FakeLab, name: str) -> None:
    project = lab.project(name)
    done = lab.run("-t", lab.template, "shell", "--", "pwd", cwd=project).expect(0)
    assert done.text == f"{project}\n"
    row = lab.row(project)
    assert NAME.fullmatch(row.name), row.name
    config = json.loads((lab.lima_home / row.name / "lima.yaml").read_text())
    assert [m["location"] for m in config["mounts"]] == [str(project), str(lab.state / ".claude")]
    assert "message" not in config and not list(lab.root.rglob("x"))
    lab.run("stop", cwd=project).expect(0)
    lab.run("delete", row.name).expect(0)
    lab.nothing_is_left()


def test_same_basename_elsewhere(lab: FakeLab) -> None:
    one, two = lab.project("same", "a"), lab.project("same", "b")
    lab.make(one).expect(0)
    lab.make(two).expect(0)
    assert lab.row(one).name != lab.row(two).name
    lab.run("-d", two, "delete").expect(0)
    assert lab.row(one).state == "running"


def test_symlinked_project_is_the_same_project(lab: FakeLab) -> None:
    project = lab.project()
    (lab.projects / "link").symlink_to(project)
    lab.make(project).expect(0)
    assert lab.run("-d", lab.projects / "link", "shell", "--", "pwd").expect(0).text == f"{project}\n"
    assert len(lab.rows()) == 1


def test_project_is_deleted(lab: FakeLab) -> None:
    """Its VM can still be found by the path it had; nothing makes the directory anew."""
    project = lab.project()
    lab.make(project).expect(0)
    lab.run("-d", project, "stop").expect(0)
    project.rmdir()
    lab.run("-d", project, "shell", "--", "true").expect(FAILED, "is no directory any more", "claude-sandbox delete ")
    assert not project.exists()
    assert lab.row(project).state == "stopped"
    lab.run("-d", project, "delete").expect(0)
    lab.nothing_is_left()


def test_project_is_moved(lab: FakeLab) -> None:
    project = lab.project("before")
    lab.make(project).expect(0)
    name = lab.row(project).name
    moved = project.rename(lab.projects / "after")
    lab.run("-d", moved, "stop").expect(FAILED, f"{moved} has no VM")
    assert lab.run("stop", name).expect(0).text == f"Stopped {name}.\n"
    assert lab.run("stop", name).expect(0).text == f"{name} is stopped.\n"
    assert lab.run("delete", name).expect(0).text == f"Deleted {name}.\n"
    lab.nothing_is_left()


@pytest.mark.parametrize("place", ["after", "deeper/before ä"])
def test_project_is_moved_and_used(lab: FakeLab, place: str) -> None:
    """It gets a VM of its own, and it is said where the old one is, and how to have that again."""
    other, project = lab.project("other"), lab.project("before ä")
    for made in (other, project):
        lab.make(made).expect(0)
    name = lab.row(project).name
    (lab.projects / "deeper").mkdir()
    moved = project.rename(lab.projects / place)
    done = lab.make(moved).expect(0, f"{project}, the project of {name}, is gone")
    assert "other" not in done.err
    assert "is gone" not in lab.run("-d", moved, "shell", "--", "true").expect(0).err, "it is new no more"
    # As it stands there, from wherever one is.
    steps = [shlex.split(step) for step in done.err.partition("try: ")[2].splitlines()[0].split("; ")]
    assert [step[0] for step in steps] == ["claude-sandbox"] * 3
    new = lab.row(moved).name
    for step, words in zip(steps, (f"Deleted {new}.", f"Stopped {name}.", f"Made {new} from {name}.")):
        assert lab.run(*step[1:], cwd=other).expect(0).text == f"{words}\n"
    assert set(lab.records()) == {name, new, lab.row(other).name}


def test_project_that_has_nothing_to_do_with_one_that_is_gone(lab: FakeLab) -> None:
    (lab.projects / "deeper").mkdir()
    project = lab.project("before")
    lab.make(project).expect(0)
    project.rmdir()
    assert "is gone" not in lab.make(lab.project("deeper/new")).expect(0).err
    assert "is gone" not in lab.make(lab.project("new"), "-q").expect(0).err
    # Which of them would it have been?
    another = lab.project("another")
    lab.make(another).expect(0)
    another.rmdir()
    assert "is gone" not in lab.make(lab.project("third")).expect(0).err


def test_events_of_a_project(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    lines = [{"time": "2026-11-24T04:00:00.000Z", "vm": vm, "event": {"hook_event_name": "Stop"}}
             for vm in (lab.row(project).name, "another")]
    (lab.state / "log").mkdir()
    (lab.state / "log/events-2026-11-24.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(lab.run("events").expect(0).lines()) == 2
    told = lab.run("-d", project, "events", "--json").expect(0).lines()
    assert [json.loads(line)["vm"] for line in told] == [lab.row(project).name]


# ---- template and other options ----------------------------------------------------------------------------

def test_template_is_missing(lab: FakeLab) -> None:
    refused(lab, "-d", str(lab.project()), "-t", "nowhere.yaml", saying="there is no template nowhere.yaml")


@pytest.mark.parametrize("text, saying", [
    ("cpus: 2\nmemory: [\n", "bad.yaml:3:1: "),
    ("cpus: 2\n\tmemory: 1\n", "bad.yaml:2:1: "),
    ("cpus: 2\nmemory: lots\n", "bad.yaml:2:9: "),
    ("cpus: '2'\ndisk: 1GiB\ncpus: 3\n", "bad.yaml:3:1: "),
    ("cpus: many\n", "bad.yaml:1:7: "),
    ("- a\n- b\n", "bad.yaml:1:1: "),
    ("hello\n", "bad.yaml:1:1: "),
    ("", "bad.yaml:1:1: "),
    ("\x00\x01", "bad.yaml:1:"),
    ("a: \xff\n", "bad.yaml:1:"),
])
def test_template_is_not_yaml(lab: FakeLab, text: str, saying: str) -> None:
    (lab.projects / "bad.yaml").write_bytes(text.encode("latin-1"))
    refused(lab, "-d", str(lab.project()), "-t", "bad.yaml", saying=saying)


def test_template_that_lima_does_not_like(lab: FakeLab) -> None:
    lab.template.write_text('{"images": [], "mounts": []}')
    lab.make(lab.project()).expect(FAILED, "limactl create: field `images` must be set")
    lab.nothing_is_left()


def test_no_template(lab: FakeLab) -> None:
    """Then it is ours, with a whole Ubuntu in it; the fake does not know Lima's list of images."""
    lab.run("-d", lab.project()).expect(FAILED, "limactl create: field `images` must be set")
    assert lab.calls("create")[0]["argv"][-1].endswith("/share/claudesandbox/guest/tools-vm.yaml")
    lab.nothing_is_left()


@pytest.mark.parametrize("argv", [
    ("--mem", '8GiB" | .mounts += [{"location":"~","writable":true}] | .message = "x'),
    ("--cpus", '4 | .mounts += [{"location":"~"}]'),
    ("--disk", '1GiB" | .user.name = "root'),
    ("--mem", "4GiB\n.x: y"),
    ("--cpus", "$(touch x)"),
    ("--clone-from", 'x" | .mounts += []'),
    ("--clone-from", "../../etc"),
    ("--clone-from", "--set"),
    ("--clone-from", "a b"),
    ("--clone-from", "template:default"),
])
def test_injection(lab: FakeLab, argv: tuple[str, str]) -> None:
    if argv[0] == "--clone-from":
        lab.run("-d", lab.project(), *argv).expect(USAGE)
        assert {call["verb"] for call in lab.calls()} <= {""}
        lab.nothing_is_left()
    else:
        refused(lab, "-d", str(lab.project()), *argv, saying=argv[0])


@pytest.mark.parametrize("name", ['x" | .y = "z', "späce", "$(touch x)", "a;b"])
def test_injection_through_the_settings_directory(lab: FakeLab, name: str) -> None:
    project, settings = lab.project(), lab.projects / name
    lab.make(project, "-s", name).expect(0)
    assert settings.is_dir() and settings.stat().st_mode & 0o77 == 0
    config = json.loads((lab.lima_home / lab.row(project).name / "lima.yaml").read_text())
    assert [m["location"] for m in config["mounts"]] == [str(project), str(settings)]
    assert "y" not in config


@pytest.mark.parametrize("place", ["HOME", "/", "STATE/vms"])
def test_settings_directory_that_must_not_be_shared(lab: FakeLab, place: str) -> None:
    place = place.replace("HOME", str(lab.home)).replace("STATE", str(lab.state))
    refused(lab, "-d", str(lab.project()), "-s", place, saying="can't be shared with a VM")


# ---- many at once ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [2, 8])
def test_first_starts_at_the_same_time(lab: FakeLab, count: int) -> None:
    project = lab.project()
    running = [lab.begin(project) for _ in range(count)]
    for one in running:
        one.wait().expect(0)
    assert len(lab.instances()) == 1 and len(lab.records()) == 1
    assert len(lab.calls("create")) == 1
    assert len(lab.calls("start")) == 1
    assert len([args for args in lab.holding(lab.lima_home).values() if "fake-qemu-system" in args]) == 1


def test_first_starts_of_several_projects(lab: FakeLab) -> None:
    lab.foreign(BASE)
    projects = [lab.project(f"p{i}") for i in range(4)]
    running = [lab.start("-d", p, "-c", BASE, "shell", "--", "pwd") for p in projects]
    for one, project in zip(running, projects):
        assert one.wait().expect(0).text == f"{project}\n"
    assert len(lab.rows()) == 4


def test_start_and_delete_at_the_same_time(lab: FakeLab) -> None:
    """Whoever is first: the end is a VM or none, never half of one."""
    project = lab.project()
    lab.make(project).expect(0)
    lab.run("-d", project, "stop").expect(0)
    starting, deleting = lab.begin(project), lab.start("-d", project, "delete")
    starting.wait()
    deleting.wait()
    assert len(lab.instances()) == len(lab.records()) <= 1
    works(lab, project)


# ---- Ctrl-C, and worse -------------------------------------------------------------------------------------

MAKING = [{"verb": "create", "at": "begin"}, {"verb": "create", "at": "copy"}, {"verb": "create", "at": "end"},
          {"verb": "list", "at": "begin"}]
BOOTING = [{"verb": "start", "at": "begin"}, {"verb": "start", "at": "boot"}, {"verb": "start", "at": "end"}]


def stage(fault: dict[str, str]) -> str:
    return f"{fault['verb']}-{fault.get('at', 'begin')}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("fault", MAKING, ids=stage)
def test_interrupted_while_the_vm_is_made(lab: FakeLab, fault: dict[str, str], number: int) -> None:
    project = lab.project()
    lab.faults({**fault, **HANG})
    running = lab.begin(project)
    lab.is_struck()
    running.signal(number)
    running.wait(20).expect(INTERRUPTED, "cancelled")
    assert lab.orphans() == []
    lab.nothing_is_left()
    works(lab, project)


@pytest.mark.parametrize("fault", BOOTING, ids=stage)
def test_interrupted_while_the_vm_starts(lab: FakeLab, fault: dict[str, str]) -> None:
    project = lab.project()
    lab.faults({**fault, **HANG})
    running = lab.begin(project)
    lab.is_struck()
    running.signal(signal.SIGINT)
    running.wait(20).expect(INTERRUPTED, "cancelled")
    row = lab.row(project)
    assert row.state == "stopped"
    assert not lab.holding(lab.lima_home / row.name) and lab.orphans() == []
    works(lab, project)


def test_interrupted_while_the_guest_is_prepared(lab: FakeLab) -> None:
    project = lab.project()
    lab.faults({"verb": "exec", **HANG}, program="ssh")
    running = lab.begin(project)
    lab.is_struck("ssh")
    running.signal(signal.SIGINT)
    running.wait(20).expect(INTERRUPTED, "cancelled")
    assert lab.row(project).state == "stopped"
    works(lab, project)


def test_limactl_that_does_not_listen_to_sigterm(lab: FakeLab) -> None:
    lab.faults({"verb": "create", "at": "copy", "ignore_term": True, **HANG})
    running = lab.begin(lab.project())
    lab.is_struck()
    running.signal(signal.SIGINT)
    running.wait(20).expect(INTERRUPTED)
    assert lab.orphans() == []
    lab.nothing_is_left()


@pytest.mark.parametrize("fault", MAKING + BOOTING, ids=stage)
def test_killed(lab: FakeLab, fault: dict[str, str]) -> None:
    """SIGKILL leaves no time for anything: it is the next run that tidies up."""
    project = lab.project()
    lab.faults({**fault, **HANG})
    running = lab.begin(project)
    pid = lab.is_struck()["pid"]
    running.kill()
    kill(pid)
    until(lambda: not lab.orphans(), "the end of limactl")
    assert [row.state for row in lab.rows()] in (["broken"], ["stopped"], ["starting"], ["running"])
    works(lab, project)


@pytest.mark.parametrize("at", ["begin", "copy"])
def test_killed_and_limactl_lives_on(lab: FakeLab, at: str) -> None:
    """Its orphan finishes what it was told, maybe after the next run has begun."""
    project = lab.project()
    lab.foreign(BASE)
    lab.faults({"verb": "clone", "at": at, "delay": 2, "times": 1})
    running = lab.start("-d", project, "-c", BASE, "shell", "--", "true")
    lab.is_struck()
    running.kill()
    lab.run("-d", project, "-c", BASE, "shell", "--", "true")      # may well fail, but must not spoil anything
    until(lambda: not lab.orphans(), "the end of limactl")
    lab.run("-d", project, "-c", BASE, "shell", "--", "true").expect(0)
    config = json.loads((lab.lima_home / lab.row(project).name / "lima.yaml").read_text())
    assert [m["location"] for m in config["mounts"]] == [str(project), str(lab.state / ".claude")]


def test_half_made_vm_can_be_deleted(lab: FakeLab) -> None:
    project = lab.project()
    lab.faults({"verb": "create", "at": "copy", **HANG})
    running = lab.begin(project)
    pid = lab.is_struck()["pid"]
    running.kill()
    kill(pid)
    lab.faults()
    (row,) = lab.rows()
    assert row.state == "broken"
    lab.run("delete", row.name).expect(0)
    lab.nothing_is_left()


@pytest.mark.parametrize("which", ["driver", "agent", "both"])
def test_vm_is_killed_behind_our_back(lab: FakeLab, which: str) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    name = lab.row(project).name
    files = {"driver": ["qemu.pid"], "agent": ["ha.pid"], "both": ["ha.pid", "qemu.pid"]}[which]
    for pid in [int((lab.lima_home / name / file).read_text()) for file in files]:
        kill(pid)
    if which != "agent":
        until(lambda: lab.row(project).state == "stopped", "it is seen to be dead")
    works(lab, project)


def test_vm_is_deleted_behind_our_back(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    name = lab.row(project).name
    lab.limactl("delete", "-f", name)
    assert lab.row(project).state == "broken"
    lab.run("delete", name).expect(0)
    works(lab, project)


def test_damaged_record(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    (lab.state / "vms/claude-sandbox-damaged-00000000.json").write_text("{")
    (lab.state / "vms/notes.txt").write_text("mine")
    assert [row.project for row in lab.rows()] == [str(project)]
    lab.run("delete", "claude-sandbox-damaged-00000000").expect(FAILED, "claude-sandbox-damaged-00000000.json")


# ---- a guest that misbehaves -------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["silent", "refusing", "booting"])
def test_guest_never_answers_ssh(lab: FakeLab, how: str) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    lab.run("-d", project, "stop").expect(0)
    if how == "silent":
        lab.faults({"verb": "exec", **HANG}, program="ssh")
    elif how == "refusing":
        lab.faults({"verb": "exec", "stderr": "ssh: connect to host 127.0.0.1: Connection refused\n", "exit": 255},
                   {"verb": "master", "exit": 255}, program="ssh")
    name = lab.row(project).name
    (lab.lima_home / name / "serialv.log").write_text("[    1.0] Kernel panic - not syncing: no init\n")
    seconds = {"FAKE_LIMACTL_BOOT_SECONDS": "60"} if how == "booting" else {}
    answer = lab.library("start", env=seconds, name=name, timeout_ms=2500)
    assert answer["code"] in ((-7,) if how == "refusing" else (-10,)), answer
    assert answer["message"].startswith(f"starting {name}: ")
    assert how == "refusing" or "Kernel panic" in answer["detail"]
    lab.faults(program="ssh")
    assert lab.row(project).state == "stopped"
    assert not lab.holding(lab.lima_home / name)


def of_use(lab: FakeLab, *marks: str) -> dict[str, str]:
    """A guest that says so by these files. Its sshd answers at half of its boot."""
    for mark in marks:
        path = lab.guest / mark.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return {"FAKE_GUEST_PATHS": "/usr/local/lib/claude-sandbox:/run/claude-sandbox:/run/lima-boot-done"}


COMPLETE, READY, BOOTED = "/usr/local/lib/claude-sandbox/complete", "/run/claude-sandbox/ready", "/run/lima-boot-done"


def is_booting(lab: FakeLab, name: str) -> bool:
    return '"running":true' not in (lab.lima_home / name / "ha.stdout.log").read_text()


@pytest.mark.parametrize("mark", [READY, BOOTED])
def test_guest_is_of_use_before_lima_says_so(lab: FakeLab, mark: str) -> None:
    project = lab.project()
    env = of_use(lab, COMPLETE, mark)
    lab.make(project, env={**env, "FAKE_LIMACTL_BOOT_SECONDS": "16"}).expect(0)
    name = lab.row(project).name
    assert is_booting(lab, name) and lab.row(project).state == "running"
    lab.run("-d", project, "shell", "--", "true", env=env).expect(0)
    assert is_booting(lab, name)
    lab.run("-d", project, "stop").expect(0)
    # What was so at that start says nothing of the next one.
    (lab.guest / mark[1:]).unlink()
    lab.run("-d", project, "shell", "--", "true", env={**env, "FAKE_LIMACTL_BOOT_SECONDS": "3"}).expect(0)
    assert not is_booting(lab, name)


@pytest.mark.parametrize("marks", [(), (READY, BOOTED)])
def test_guest_that_is_not_complete(lab: FakeLab, marks: tuple[str, ...]) -> None:
    project = lab.project()
    lab.make(project, env={**of_use(lab, *marks), "FAKE_LIMACTL_BOOT_SECONDS": "3"}).expect(0)
    assert not is_booting(lab, lab.row(project).name)


def test_fork_says_what_is_in_the_way(lab: FakeLab) -> None:
    one, two = lab.project("one"), lab.project("two")
    for project in (one, two):
        lab.make(project).expect(0)
        lab.run("-d", project, "stop").expect(0)
    names = [lab.row(project).name for project in (one, two)]
    lab.run("-d", one, "fork", "nobody").expect(FAILED, "nobody")
    lab.run("-d", one, "fork", names[1]).expect(FAILED, f"{one} has a VM already: {names[0]}", "claude-sandbox delete")
    itself = lab.run("-d", one, "fork", names[0]).expect(FAILED, f"{names[0]} is the VM of {one} itself")
    assert "delete" not in itself.err
    new = lab.project("new")
    assert lab.run("-d", new, "fork", names[1]).expect(0).text == f"Made {lab.row(new).name} from {names[1]}.\n"


LIE = "36 22 0:99 / {} {},relatime shared:9 - {} x rw\n"


@pytest.mark.parametrize("kind", ["9p", "virtiofs", "fuse.sshfs"])
def test_guest_mounts_more_than_was_asked(lab: FakeLab, kind: str) -> None:
    refuses_mounts(lab, lambda text: text + LIE.format("/root/.ssh", "rw", kind), "was not asked for")


def test_guest_has_not_mounted_the_project(lab: FakeLab) -> None:
    refuses_mounts(lab, lambda text: "".join(text.splitlines(True)[:1]), "has not mounted")


def test_guest_has_the_project_read_only(lab: FakeLab) -> None:
    refuses_mounts(lab, lambda text: text.replace(" rw,relatime", " ro,relatime"), "read-only")


def refuses_mounts(lab: FakeLab, change: Any, saying: str) -> None:
    """Stops the VM and says why, when its mountinfo is not what was asked."""
    project = lab.project()
    lab.make(project).expect(0)
    row = lab.row(project)
    info = lab.lima_home / row.name / "mountinfo.tmp"
    truth = info.read_text()
    lab.run("-d", project, "stop").expect(0)
    info.write_text(change(truth))
    lab.make(project).expect(FAILED, f"starting {row.name}", saying)
    assert lab.row(project).state == "stopped"
    assert not lab.holding(lab.lima_home / row.name)
    works(lab, project)


def test_running_vm_that_mounts_more_is_stopped(lab: FakeLab) -> None:
    """Also when it was running before, as soon as the connection is another one: a guest that was rebooted may
    see something else."""
    project = lab.project()
    lab.make(project).expect(0)
    info = lab.lima_home / lab.row(project).name / "mountinfo.tmp"
    info.write_text(info.read_text() + LIE.format("/root", "rw", "9p"))
    lab.run("-d", project, "shell", "--", "true").expect(0)
    (info.parent / "ssh.sock.ready").unlink()
    lab.run("-d", project, "shell", "--", "true").expect(FAILED, "was not asked for")
    assert lab.row(project).state == "stopped"


def test_project_gone_while_the_vm_runs(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    shutil.rmtree(project)
    done = lab.run("-d", project, "shell", "--", "true")
    assert done.status != 0 and not project.exists()


# ---- other people's VMs ------------------------------------------------------------------------------------

def test_foreign_vms_are_left_alone(lab: FakeLab) -> None:
    project = lab.project()
    names = ["default", "claude-sandbox-theirs-01234567", "claude-sandbox"]
    for name in names:
        lab.foreign(name, started=True)
    lab.make(project).expect(0)
    for name in names:
        lab.run("stop", name).expect(FAILED, f"there is no VM named {name}")
        lab.run("delete", "-f", name).expect(FAILED, f"there is no VM named {name}")
    assert [row.project for row in lab.rows()] == [str(project)]
    lab.run("-d", project, "delete").expect(0)
    assert {name: lab.status(name) for name in names} == dict.fromkeys(names, "Running")


def test_foreign_vm_of_the_very_name(lab: FakeLab) -> None:
    """Somebody has a VM that is called as ours would be: we say so, and touch nothing."""
    project = lab.project()
    lab.make(project).expect(0)
    name = lab.row(project).name
    lab.run("delete", name).expect(0)
    lab.foreign(name, started=True)
    lab.make(project).expect(FAILED, f"a VM named {name} exists already, and it is not ours")
    assert lab.status(name) == "Running"
    assert lab.records() == {}


def test_base_of_somebody_else_stays_as_it_is(lab: FakeLab) -> None:
    before = (lab.foreign(BASE) / "lima.yaml").read_bytes()
    lab.run("-d", lab.project(), "-c", BASE, "shell", "--", "true").expect(0)
    lab.run("-d", lab.project(), "delete").expect(0)
    assert (lab.lima_home / BASE / "lima.yaml").read_bytes() == before
    assert lab.status(BASE) == "Stopped"


def test_lima_home_of_the_users_choice(lab: FakeLab) -> None:
    """It is remembered: later commands find the VM without the variable, and with another."""
    project, chosen = lab.project(), lab.root / "L"
    lab.make(project, env={"LIMA_HOME": str(chosen)}).expect(0)
    name = lab.row(project).name
    assert (chosen / name / "lima.yaml").exists()
    lab.run("stop", name, env={"LIMA_HOME": str(lab.root / "other")}).expect(0)
    assert lab.row(project).state == "stopped"
    lab.run("delete", name).expect(0)
    assert not (chosen / name).exists()


@pytest.mark.parametrize("name, saying", [(b"L\xff", "not UTF-8"), (b"${HOME}", 'ssh takes "${" for a variable')])
def test_lima_home_that_can_not_be_written_down(lab: FakeLab, name: bytes, saying: str) -> None:
    done = lab.make(lab.project(), env={"LIMA_HOME": os.fsdecode(os.fsencode(lab.root) + b"/" + name)})
    done.expect(USAGE, saying, "try: set LIMA_HOME to another path")
    lab.nothing_is_left()


# ---- the surroundings --------------------------------------------------------------------------------------

def test_symlinked_install(lab: FakeLab) -> None:
    link = lab.home / "bin/claude-sandbox"
    link.parent.mkdir()
    link.symlink_to(lab.cli)
    lab.cli = str(link)
    works(lab, lab.project())


@pytest.mark.parametrize("length", [110, 300])
def test_state_directory_with_a_long_path(lab: FakeLab, length: int) -> None:
    """Too long for any socket: said in one sentence, before anything is made."""
    place = lab.root / "d"
    while len(str(place)) < length:
        place = place / ("x" * 50)
    done = lab.make(lab.project(), env={"CLAUDE_SANDBOX_HOME": str(place)})
    done.expect(USAGE, "path is too long for sockets in it", "try: set CLAUDE_SANDBOX_HOME to a shorter path")
    assert done.err.count("\n") == 2
    assert not list(place.glob("vms/*.json")) and not list(place.glob("lima/c*"))


def test_state_directory_with_a_longish_path(lab: FakeLab) -> None:
    """Names get shorter to fit, as long as they can."""
    lab.state = lab.root / ("x" * (48 - len(str(lab.root))))
    lab.lima_home = lab.state / "lima"
    lab.env["CLAUDE_SANDBOX_HOME"] = str(lab.state)
    project = lab.project("a-very-long-name-of-a-project")
    works(lab, project)
    name = lab.row(project).name
    assert NAME.fullmatch(name) and len(str(lab.lima_home / name / "ssh.sock.0123456789abcdef")) < 108


def test_status_of_many_vms(lab: FakeLab) -> None:
    """Twenty of them, and limactl is asked once."""
    first = lab.project("p0")
    lab.make(first).expect(0)
    model = lab.row(first)
    record = json.loads((lab.state / "vms" / f"{model.name}.json").read_text())
    lab.run("-d", first, "stop").expect(0)
    for i in range(1, 20):
        name = f"claude-sandbox-p{i}-{i:08x}"
        shutil.copytree(lab.lima_home / model.name, lab.lima_home / name, symlinks=True)
        record.update(name=name, project_dir=f"/p{i}")
        (lab.state / "vms" / f"{name}.json").write_text(json.dumps(record))
    lab.log.unlink()
    rows = lab.rows()
    assert len(rows) == 20 and {row.state for row in rows} == {"stopped"}
    assert [row.name for row in rows] == sorted(row.name for row in rows)
    assert len(lab.calls()) == 1 and lab.calls()[0]["verb"] == "list"


def test_status_of_what_plainly_runs_starts_nothing(lab: FakeLab) -> None:
    lab.template = qcow2_template(lab)
    running, stopped = lab.project("running"), lab.project("stopped")
    lab.make(running).expect(0)
    lab.make(stopped).expect(0)
    lab.run("-d", stopped, "stop").expect(0)
    lab.log.unlink()
    assert {row.project: row.state for row in lab.rows()} == {str(running): "running", str(stopped): "stopped"}
    assert lab.calls() == []


def test_all_are_stopped_at_once(lab: FakeLab) -> None:
    """Each begins while none of the others ends."""
    lab.template = qcow2_template(lab)
    for i in range(10):
        lab.make(lab.project(f"p{i}")).expect(0)
    lab.faults({"verb": "stop", **HANG})
    running = lab.start("stop-all")
    until(lambda: len(lab.calls("stop", event="fault")) == 10, "ten at once")
    running.signal(signal.SIGINT)
    running.wait().expect(INTERRUPTED)
    lab.faults()
    lab.run("stop-all").expect(0)
    assert {row.state for row in lab.rows()} == {"stopped"}


def test_status_starts_nothing_without_vms(lab: FakeLab) -> None:
    assert lab.rows() == []
    assert lab.calls() == []


def test_stop_twice_and_delete_twice(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    name = lab.row(project).name
    lab.run("stop", name).expect(0)
    lab.run("stop", name).expect(0)
    lab.run("delete", name).expect(0)
    lab.run("delete", name).expect(FAILED, f"there is no VM named {name}")


def test_delete_asks_on_a_terminal(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    name = lab.row(project).name
    with lab.terminal("delete", name) as terminal:
        terminal.expect(rb"Delete .*" + str(project).encode() + rb".*\[y/N\] ")
        terminal.send(b"\n")
        terminal.expect(b"Nothing was deleted")
        assert terminal.wait() == INTERRUPTED
    assert lab.row(project).state == "running"
    with lab.terminal("delete", name) as terminal:
        terminal.expect(rb"\[y/N\] ")
        terminal.send(b"y\n")
        assert terminal.wait() == 0
    lab.nothing_is_left()


# ---- what passes through, and what does not ----------------------------------------------------------------

@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 3", 3), ("exit 126", 126), ("exit 127", 127), ("exit 255", 255), ("kill -9 $$", 137),
    ("kill -TERM $$", 143)])
def test_status_of_a_program(lab: FakeLab, script: str, status: int) -> None:
    lab.make(lab.project()).expect(0)
    lab.run("-d", lab.project(), "shell", "--", "sh", "-c", script).expect(status)


def test_bytes_of_a_program(lab: FakeLab) -> None:
    data = bytes(range(256)) * 4096
    lab.make(lab.project()).expect(0)
    done = lab.run("-d", lab.project(), "shell", "--", "sh", "-c", "cat; echo told >&2", stdin=data).expect(0)
    assert done.out == data
    assert done.err == "told\n"


def test_words_of_a_program(lab: FakeLab) -> None:
    words = ["", " ", "a b", "'", '"', "$HOME", "`id`", "\\", "a\nb", "*", "é", "--", "-n", "\x01"]
    lab.make(lab.project()).expect(0)
    done = lab.run("-d", lab.project(), "shell", "--", "printf", "<%s>\n", *words).expect(0)
    assert done.text == "".join(f"<{word}>\n" for word in words)


def test_claude_headless(lab: FakeLab) -> None:
    """Our words before the user's, unless the user says it; stdin, stdout and status are claude's."""
    lab.make(lab.project()).expect(0)
    env = {"ANTHROPIC_API_KEY": "k", "FOO": "bar"}
    done = lab.run("-d", lab.project(), "--", "-p", "it's", env=env, stdin=b"from stdin").expect(7)
    assert done.text == "--permission-mode\nbypassPermissions\n-p\nit's\nkey=k base= FOO=\nfrom stdin"
    done = lab.run("-d", lab.project(), "--", "--permission-mode", "plan", "-p", "x").expect(7)
    assert done.lines()[:4] == ["--permission-mode", "plan", "-p", "x"]
    done = lab.run("-d", lab.project(), "--", "--permission-mode=plan").expect(7)
    assert done.lines()[0] == "--permission-mode=plan"


def read_if_there(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def test_secrets_and_descriptors_stay_here(lab: FakeLab) -> None:
    """No argument of any program has the key, no file keeps it, no program inherits what is not its own."""
    secret = f"sk-ant-api03-0123456789-{os.getpid()}"
    project = lab.project()
    done = lab.run("-d", project, "-t", lab.template, "--", "-p", "x", env={"ANTHROPIC_API_KEY": secret}).expect(7)
    assert f"key={secret}" in done.text
    lab.run("-d", project, "stop", env={"ANTHROPIC_API_KEY": secret}).expect(0)
    lab.run("-d", project, "shell", "--", "true", env={"ANTHROPIC_API_KEY": secret}).expect(0)
    calls = [*lab.calls(), *lab.calls(log=lab.ssh_log)]
    assert len(calls) > 5
    assert not [call["argv"] for call in calls if secret in json.dumps(call["argv"])]
    assert not [call["argv"] for call in calls if call["fds"]]
    kept = [p for p in lab.root.rglob("*") if p.is_file() and p not in (lab.log, lab.ssh_log)
            and secret.encode() in p.read_bytes()]
    assert kept == []
    assert not [p for p in Path("/dev/shm").glob(".csb-env-*") if secret in read_if_there(p)]   # others run beside us


def test_interrupt_ends_the_program(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    running = lab.start("-d", project, "shell", "--", "sh", "-c", "echo $$ >up; exec sleep 300")
    pid = int(until(lambda: (project / "up").exists() and (project / "up").read_text(), "the program runs"))
    running.signal(signal.SIGINT)
    running.wait().expect(INTERRUPTED)
    until(lambda: not lab.holding("sleep 300") or pid not in lab.holding("sleep 300"), "the program is over")
    assert lab.row(project).state == "running"


def test_connection_breaks(lab: FakeLab) -> None:
    """ssh's own 255 is our failure; a program's is its status."""
    project = lab.project()
    lab.make(project).expect(0)
    running = lab.start("-d", project, "shell", "--", "sh", "-c", "echo up >up; exec sleep 301")
    until((project / "up").exists, "the program runs")
    client = next(pid for pid, args in lab.holding(lab.lima_home).items() if "/ssh" in args and "sleep 301" in args)
    kill(client)
    running.wait().expect(FAILED, "ssh was ended by signal 9")
    for pid, args in lab.holding("sleep 301").items():
        if args.startswith("sleep"):
            kill(pid)
