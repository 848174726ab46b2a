"""The built-in engine when things go wrong before a guest is up: with images that are none.

The recipe is a small script of the test, so that nothing takes minutes; QEMU is the real one.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Iterator

import pytest

from engines import Missing, find_qemu
from sandbox import FAILED, INTERRUPTED, USAGE, Running, Sandbox, is_alive, until

RECIPE = """\
#!/bin/sh
# build --helper FILE --hash | --output DIR
case $3 in --hash) echo 0123456789abcdef0123456789abcdef; exit ;; esac
echo $$ >"$TEST_ROOT/builder"
echo 'phase 1/2 Pretending'
echo 'what it did' >"$4.log"
. "$TEST_ROOT/behave"
mkdir "$4.new"
for name in vmlinuz initrd; do cp "$TEST_ROOT/$name" "$4.new/"; done
truncate -s 1G "$4.new/root.img"
echo '{"schema": 1, "kernel_args": "console=ttyS0"}' >"$4.new/image.json"
mv "$4.new" "$4"
"""


class QemuLab(Sandbox):
    def __init__(self, cli: str) -> None:
        super().__init__(cli, CLAUDE_SANDBOX_ENGINE="qemu", CLAUDE_SANDBOX_WARM="0")
        recipe = self.root / "guest/image/build"
        recipe.parent.mkdir(parents=True)
        recipe.write_text(RECIPE)
        recipe.chmod(0o755)
        (self.root / "guest/csb-guest").write_text("not a program")
        self.env.update(CLAUDE_SANDBOX_GUEST_DIR=str(self.root / "guest"), TEST_ROOT=str(self.root))
        self.behave("")
        for name in ("vmlinuz", "initrd"):
            (self.root / name).write_bytes(b"this is no kernel\n" * 1000)
        self.dir = self.project()

    def behave(self, script: str) -> None:
        (self.root / "behave").write_text(script + "\n")

    def make(self, **more: object) -> Running:
        return self.start("-d", self.dir, "shell", "--", "true", **more)

    def builder(self) -> int:
        path = self.root / "builder"
        return int(until(lambda: path.exists() and path.read_text().strip(), "the recipe runs"))

    def nothing_is_left(self) -> None:
        assert self.records() == {}
        assert [p for part in ("qemu", "run", "images") for p in self.state.glob(part + "/*") if p.suffix != ".log"] == []


@pytest.fixture
def lab(cli: str) -> Iterator[QemuLab]:
    missing = find_qemu()
    if isinstance(missing, Missing):
        pytest.skip(str(missing))
    made = QemuLab(cli)
    try:
        yield made
    finally:
        made.close()


def test_the_image_cannot_be_made(lab: QemuLab) -> None:
    lab.behave("echo 'cannot fetch https://deb.example/: no network' >&2; exit 1")
    done = lab.make().wait().expect(FAILED, "building the guest image: cannot fetch https://deb.example/: no network")
    assert "[1/2] Pretending" in done.err and "| what it did" in done.err and "try: less " in done.err
    lab.nothing_is_left()


def test_interrupted_while_the_image_is_made(lab: QemuLab) -> None:
    lab.behave("sleep 300")
    running = lab.make()
    pid = lab.builder()
    running.signal(signal.SIGINT)
    running.wait(20).expect(INTERRUPTED, "cancelled")
    assert not is_alive(pid) and not lab.holding("sleep 300")
    lab.nothing_is_left()


def test_one_image_for_all_who_wait(lab: QemuLab) -> None:
    lab.behave('echo built >>"$TEST_ROOT/count"; sleep 1')
    running = [lab.start("-d", lab.project(f"p{i}"), "shell", "--", "true") for i in range(3)]
    for one in running:
        one.wait().expect(FAILED, "starting ")
    assert (lab.root / "count").read_text() == "built\n"
    assert [row.state for row in lab.rows()] == ["stopped"] * 3


def test_guest_that_qemu_does_not_take(lab: QemuLab) -> None:
    """QEMU's own words are told; the machine is there, stopped, and can be deleted."""
    done = lab.make().wait().expect(FAILED, "starting claude-sandbox-project-", ": QEMU ")
    assert "  | qemu" in done.err
    row = lab.row(lab.dir)
    assert row.state == "stopped" and not lab.holding(row.name)
    lab.run("delete", row.name).expect(0)
    assert lab.records() == {} and not list(lab.state.glob("qemu/*")) and not list(lab.state.glob("run/*"))


def test_image_is_gone(lab: QemuLab) -> None:
    lab.make().wait().expect(FAILED)
    shutil.rmtree(next(p for p in lab.state.glob("images/*") if p.is_dir()))
    lab.make().wait().expect(FAILED, "there is no guest image in")
    lab.run("-d", lab.dir, "delete").expect(0)


def test_image_is_half_there(lab: QemuLab) -> None:
    lab.make().wait().expect(FAILED)
    next(lab.state.glob("images/*/root.img")).unlink()
    lab.make().wait().expect(FAILED, "is incomplete")


def test_disk_smaller_than_the_image(lab: QemuLab) -> None:
    lab.behave("truncate() { command truncate -s 8G \"$3\"; }")
    lab.run("-d", lab.dir, "--disk", "4GiB").expect(USAGE, "the disk must be at least 8GiB")
    assert lab.records() == {} and not list(lab.state.glob("qemu/*"))


def test_template_asks_for_too_much(lab: QemuLab) -> None:
    template = lab.root / "t.yaml"
    template.write_text("cpus: 2\narch: x86_64\n")
    lab.run("-d", lab.dir, "-t", template).expect(FAILED, f"{template}:2: the qemu engine can't do \"arch\"")
    lab.nothing_is_left()


def test_clone_of_a_vm_that_is_none(lab: QemuLab) -> None:
    lab.run("-d", lab.dir, "-c", "nobody").expect(FAILED, "no VM named nobody to clone")
    lab.nothing_is_left()


def test_state_directory_with_a_long_path(lab: QemuLab) -> None:
    place = str(lab.root / ("d" * 100))
    done = lab.make(env={"CLAUDE_SANDBOX_HOME": place}).wait()
    done.expect(USAGE, "path is too long for sockets in it", "try: set CLAUDE_SANDBOX_HOME to a shorter path")
    assert not os.path.exists(os.path.join(place, "vms"))


def some_kernel() -> Path:
    images = Path(os.environ.get("CLAUDE_SANDBOX_IMAGES") or os.path.expanduser("~/.claude-sandbox/images"))
    found = sorted(images.glob("*/vmlinuz"))
    if not found:
        pytest.skip("no image has been built yet to take a kernel from")
    return found[0]


@pytest.fixture
def panicking(lab: QemuLab) -> QemuLab:
    """A guest that starts, says so on its console, and never comes up."""
    shutil.copy(some_kernel(), lab.root / "vmlinuz")
    return lab


def test_guest_never_answers(panicking: QemuLab) -> None:
    """A deadline, the end of the console in the error, and no process left."""
    lab = panicking
    name = lab.library("create", project=str(lab.dir))["ok"]
    answer = lab.library("start", name=name, timeout_ms=20000)
    assert answer["code"] == -10, answer
    assert answer["message"].startswith(f"starting {name}: ")
    assert "panic" in answer["detail"].lower() or "Linux version" in answer["detail"], answer
    assert lab.row(lab.dir).state == "stopped" and not lab.holding(name)


def test_interrupted_while_the_guest_starts(panicking: QemuLab) -> None:
    lab = panicking
    running = lab.make()
    until(lambda: list(lab.state.glob("qemu/*/run.json")), "QEMU runs", 30)
    running.signal(signal.SIGINT)
    running.wait(30).expect(INTERRUPTED, "cancelled")
    row = lab.row(lab.dir)
    assert row.state == "stopped" and not lab.holding(row.name)


def test_killed_while_the_guest_starts(panicking: QemuLab) -> None:
    """The VM goes on without us; the next command finds it and can end it."""
    lab = panicking
    running = lab.make()
    until(lambda: list(lab.state.glob("qemu/*/run.json")), "QEMU runs", 30)
    running.kill()
    row = lab.row(lab.dir)
    lab.run("delete", row.name).expect(0)
    assert not lab.holding(row.name)
    lab.run("status").expect(0)
    assert lab.rows() == []
