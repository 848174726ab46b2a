"""rebuild-tools-vm: on pretended VMs what goes wrong, on a real one that it works.

The template's scripts run in a guest only: the pretended one is this machine, and its "root" does nothing.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Iterator

import pytest

from engines import find_engines
from fakelab import FakeLab
from sandbox import FAILED, INTERRUPTED, USAGE, Sandbox, until

EXIT = {"stderr": 'time="2026-01-01T00:00:01Z" level=fatal msg="the moon is full"\n', "exit": 1}
BASE, FRESH = "tools-vm", "tools-vm-new"
# Root of the pretended guest: notes what it was to do, and says that it was done.
SUDO = """\
#!/bin/sh
case $* in "-n touch "*/claude-sandbox/complete) shift; exec "$@" ;; esac
cat >>"$FAKE_GUEST_ROOT/sudo.log"
echo sealed
"""


class RebuildLab(FakeLab):
    def __init__(self, cli: str) -> None:
        super().__init__(cli)
        self.complete = self.guest / "usr/local/lib/claude-sandbox/complete"
        self.tools("one two")
        for name, text in (("one", "echo one 1.0"), ("two", '[ "$1" = version ] && echo two 2.0'),
                           ("bad", "echo broken >&2; exit 3"), ("sudo", None)):
            program = self.guest / "bin" / name
            program.write_text(SUDO if text is None else f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)
        for mark in ("mnt/lima-cidata", "run/lima-boot-done"):
            (self.guest / mark).mkdir(parents=True)
        self.env.update({"CLAUDE_SANDBOX_TEMPLATE": str(self.template), "FAKE_GUEST_PATHS":
                         "/mnt/lima-cidata:/run/lima-boot-done:/usr/local/lib/claude-sandbox"})

    def tools(self, names: str) -> None:
        where = self.guest / "usr/local/lib/claude-sandbox"
        where.mkdir(parents=True, exist_ok=True)
        (where / "tools").write_text(names + "\n")

    def mark(self, name: str) -> Path:
        """What tells one VM from another of the same name."""
        return self.lima_home / name / "mark"

    def is_protected(self, name: str) -> bool:
        return self.records()[name]["protected"] and (self.lima_home / name / "protected").exists()


@pytest.fixture
def lab(cli: str) -> Iterator[RebuildLab]:
    made = RebuildLab(cli)
    try:
        yield made
    finally:
        made.close()


def test_a_base_is_made_and_used(lab: RebuildLab) -> None:
    done = lab.run("rebuild-tools-vm").expect(0)
    lines = done.lines()
    assert lines[:2] == ["ok     one        one 1.0", "ok     two        two 2.0"]
    assert re.fullmatch(r"tools-vm is ready, after \d+:\d\d minutes\.", lines[2])
    assert lab.instances() == {BASE} and lab.status(BASE) == "Stopped"
    assert lab.is_protected(BASE) and list(lab.records()) == [BASE]
    assert "ssh_host_" in (lab.guest / "sudo.log").read_text(errors="replace")
    assert lab.complete.exists()
    # From now on a project's VM is a copy of it, without a word.
    project, nothing_said = lab.project(), {"CLAUDE_SANDBOX_TEMPLATE": ""}
    assert json.loads(lab.run("status", "--json", env=nothing_said).text)["base_vm"] == BASE
    assert json.loads(lab.run("status", "--json").text)["base_vm"] is None
    lab.run("-d", project, "shell", "--", "true", env=nothing_said).expect(0)
    assert [call["argv"][-2] for call in lab.calls("clone")] == [BASE]
    assert not lab.records()[lab.row(project).name]["protected"]


def test_another_name_and_another_program(lab: RebuildLab) -> None:
    program = Path(lab.cli).with_name("rebuild-tools-vm")
    assert program.is_symlink()
    lab.cli = str(program)
    lab.run("-q", "my-base", "-t", lab.template, "--cpus", "1").expect(0)
    assert lab.instances() == {"my-base"}
    assert json.loads((lab.lima_home / "my-base/lima.yaml").read_text())["cpus"] == 1


def test_the_variable_names_the_base(lab: RebuildLab) -> None:
    lab.run("rebuild-tools-vm", env={"CLAUDE_SANDBOX_BASE_VM": "their-base"}).expect(0)
    assert lab.instances() == {"their-base"}


def test_the_new_one_replaces_the_old_one(lab: RebuildLab) -> None:
    lab.run("rebuild-tools-vm").expect(0)
    lab.mark(BASE).touch()
    lab.run("rebuild-tools-vm").expect(0)
    assert lab.instances() == {BASE} and not lab.mark(BASE).exists()
    assert lab.is_protected(BASE)


def test_a_tool_that_fails_leaves_the_old_one(lab: RebuildLab) -> None:
    lab.run("rebuild-tools-vm").expect(0)
    lab.mark(BASE).touch()
    lab.complete.unlink()
    lab.tools("one bad missing")
    done = lab.run("rebuild-tools-vm").expect(FAILED, "2 of the tools do not answer", "tools-vm was not rebuilt")
    assert done.lines() == ["ok     one        one 1.0", "FAILED bad        broken", "FAILED missing    not found"]
    assert lab.instances() == {BASE} and lab.mark(BASE).exists() and lab.is_protected(BASE)
    assert not lab.complete.exists()
    log = lab.state / "log/rebuild-tools-vm.log"
    assert str(log) in done.err and log.stat().st_mode & 0o777 == 0o600
    assert "FAILED bad: broken" in log.read_text()


def test_marks_on_a_terminal(lab: RebuildLab) -> None:
    lab.tools("one missing")
    with lab.terminal("rebuild-tools-vm") as terminal:
        terminal.expect("✓ one        one 1.0".encode())
        terminal.expect("✗ missing".encode())
        assert terminal.wait() == FAILED
    with lab.terminal("rebuild-tools-vm", env={"LANG": "C"}) as terminal:
        terminal.expect(b"ok     one")
        assert terminal.wait() == FAILED


def test_names_of_tools_are_data(lab: RebuildLab) -> None:
    """They come from the guest."""
    lab.tools("one $(touch${IFS}x) ;id --help a/b \x1b[31mred")
    done = lab.run("rebuild-tools-vm").expect(0)
    assert done.lines()[0] == "ok     one        one 1.0" and "\x1b" not in done.text


@pytest.mark.parametrize("verb", ["create", "start", "stop", "rename"])
def test_whatever_fails_leaves_the_old_one(lab: RebuildLab, verb: str) -> None:
    lab.run("rebuild-tools-vm").expect(0)
    lab.mark(BASE).touch()
    lab.faults({"verb": verb, **EXIT})
    done = lab.run("rebuild-tools-vm")
    if verb == "stop":      # which needs no limactl
        done.expect(0)
        assert lab.instances() == {BASE}
        return
    done.expect(FAILED, "the moon is full", "tools-vm was not rebuilt")
    assert lab.instances() == {BASE} and lab.mark(BASE).exists() and lab.is_protected(BASE)
    assert list(lab.records()) == [BASE]


def test_limactl_dies_while_it_renames(lab: RebuildLab) -> None:
    """It has moved the disk then, and not the rest."""
    lab.run("rebuild-tools-vm").expect(0)
    lab.mark(BASE).touch()
    lab.faults({"verb": "rename", "at": "copy", "signal": 9})
    lab.run("rebuild-tools-vm").expect(0)
    assert lab.instances() == {BASE} and not lab.mark(BASE).exists()
    assert lab.is_protected(BASE) and lab.status(BASE) == "Stopped"


def test_killed_while_it_renames(lab: RebuildLab) -> None:
    """The next command finishes."""
    lab.run("rebuild-tools-vm").expect(0)
    lab.mark(BASE).touch()
    lab.faults({"verb": "rename", "at": "end", "match": FRESH, "hang": True})
    running = lab.start("rebuild-tools-vm")
    struck = lab.is_struck()
    running.kill()
    os.kill(struck["pid"], signal.SIGKILL)
    lab.faults()
    assert [row.name for row in lab.rows()] == [BASE]
    assert lab.instances() == {BASE} and not lab.mark(BASE).exists() and lab.is_protected(BASE)
    assert not (lab.state / "rename.json").exists()


@pytest.mark.parametrize("verb", ["create", "start"])
def test_ctrl_c_leaves_nothing(lab: RebuildLab, verb: str) -> None:
    lab.run("rebuild-tools-vm").expect(0)
    lab.mark(BASE).touch()
    lab.faults({"verb": verb, "hang": True})
    running = lab.start("rebuild-tools-vm")
    lab.is_struck()
    running.signal(signal.SIGINT)
    running.wait().expect(INTERRUPTED, "cancelled", "tools-vm was not rebuilt")
    assert lab.instances() == {BASE} and lab.mark(BASE).exists()
    assert list(lab.records()) == [BASE]


def test_what_a_killed_one_left_is_removed(lab: RebuildLab) -> None:
    lab.faults({"verb": "start", "hang": True})
    running = lab.start("rebuild-tools-vm")
    os.kill(lab.is_struck()["pid"], signal.SIGSTOP)
    running.kill()
    assert FRESH in lab.instances()
    lab.faults()
    lab.run("rebuild-tools-vm").expect(0)
    assert lab.instances() == {BASE}


def test_what_a_tool_says_is_text(lab: RebuildLab) -> None:
    """On the terminal and in the log."""
    lab.tools("loud")
    loud = lab.guest / "bin/loud"
    loud.write_text("#!/bin/sh\nprintf 'loud 1\\033]0;gotcha\\007\\n'\n")
    loud.chmod(0o755)
    done = lab.run("rebuild-tools-vm")
    done.expect(0)
    assert "loud 1?]0;gotcha?" in done.text
    log = (lab.state / "log/rebuild-tools-vm.log").read_bytes()
    assert b"ok loud: loud 1?]0;gotcha?\n" in log and b"\x1b" not in log


def test_two_at_once(lab: RebuildLab) -> None:
    """The second would take what the first makes for a leftover."""
    (lab.guest / "bin/one").write_text(f"#!/bin/sh\ntouch {lab.root}/asked\n"
                                       f"until [ -e {lab.root}/go ]; do sleep 0.05; done\necho one 1.0\n")
    first = lab.start("rebuild-tools-vm")
    until(lambda: (lab.root / "asked").exists(), "the first one is at its tools")
    lab.run("rebuild-tools-vm").expect(FAILED, "another process is rebuilding")
    assert lab.instances() == {FRESH}
    (lab.root / "go").touch()
    first.wait().expect(0)
    assert lab.instances() == {BASE} and len(lab.calls("start")) == 1


def test_somebody_elses_vm_of_that_name(lab: RebuildLab) -> None:
    """Said before the work, not after it."""
    lab.foreign(BASE)
    lab.run("rebuild-tools-vm").expect(FAILED, "it is not ours")
    assert lab.instances() == {BASE} and lab.calls("start") == []


def test_a_vm_with_a_project_is_no_base(lab: RebuildLab) -> None:
    lab.make(lab.project("work")).expect(0)
    name = next(iter(lab.records()))
    lab.run("stop", name).expect(0)
    lab.run("rebuild-tools-vm", name).expect(FAILED, f"{name} is the VM of", "and no base")
    record = lab.state / f"vms/{name}.json"
    # As what is made beside the base is called.
    fresh = record.with_name("base-new.json")
    fresh.write_text(record.read_text().replace(f'"{name}"', '"base-new"'))
    lab.run("rebuild-tools-vm", "base").expect(FAILED, "base-new is the VM of")
    assert lab.instances() == {name} and fresh.exists()


def test_a_base_that_runs(lab: RebuildLab) -> None:
    lab.run("rebuild-tools-vm").expect(0)
    lab.library("start", name=BASE)
    lab.run("rebuild-tools-vm").expect(FAILED, "tools-vm is running", "try: claude-sandbox stop tools-vm")
    assert len(lab.calls("start")) == 2


def test_the_base_is_not_deleted_by_the_way(lab: RebuildLab) -> None:
    lab.run("rebuild-tools-vm").expect(0)
    lab.run("delete", BASE).expect(FAILED, "tools-vm is protected", "try: claude-sandbox delete -f tools-vm")
    lab.run("prune", "-f").expect(0)
    assert lab.instances() == {BASE}
    lab.run("delete", "-f", BASE).expect(0)
    assert lab.instances() == set() and lab.records() == {}


def test_a_template_is_cut_to_fit(lab: RebuildLab) -> None:
    template = json.loads(lab.template.read_text())
    lab.template.write_text(json.dumps({**template, "cpus": 255, "memory": "900GiB"}))
    done = lab.run("rebuild-tools-vm").expect(0, "asks for 255 processors", "asks for 921600MiB of memory")
    assert done.err.count("the VM gets") == 2
    config = json.loads((lab.lima_home / BASE / "lima.yaml").read_text())
    assert 1 <= config["cpus"] <= (os.cpu_count() or 1) and config["memory"] != "900GiB"
    lab.run("-d", lab.project(), "--mem", "900GiB", "shell").expect(USAGE, "more than this machine has")


@pytest.mark.parametrize("argv", [("a", "b"), ("../x",), ("-c", "x")])
def test_usage(lab: RebuildLab, argv: tuple[str, ...]) -> None:
    lab.run("rebuild-tools-vm", *argv).expect(USAGE)
    assert lab.calls() == []


# ---- a real one --------------------------------------------------------------------------------------------

SMALL = """\
cpus: 2
memory: 1GiB
param:
  tools: "claude python3 hello"
env:
  HELLO_FROM: the template
provision:
- mode: system
  script: |
    #!/bin/sh
    set -eu
    mkdir -p /usr/local/lib/claude-sandbox
    echo "$PARAM_tools" > /usr/local/lib/claude-sandbox/tools
    printf '#!/bin/sh\\necho hello 1.0\\n' > /usr/local/bin/hello
    chmod 755 /usr/local/bin/hello
    id -u > /root-was
    echo secret > /root/.netrc
- mode: user
  script: |
    #!/bin/sh
    set -eu
    echo "$PWD $HELLO_FROM" > ~/user-was
    mkdir -p ~/.claude && echo '{}' > ~/.claude/.credentials.json
    echo run >> ~/runs
"""


class RealLab(Sandbox):
    timeout = 900.0

    def __init__(self, cli: str) -> None:
        super().__init__(cli, CLAUDE_SANDBOX_ENGINE="qemu")
        self.env["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        images = Path(os.environ.get("CLAUDE_SANDBOX_IMAGES") or os.path.expanduser("~/.claude-sandbox/images"))
        images.mkdir(parents=True, exist_ok=True)
        self.state.mkdir()
        (self.state / "images").symlink_to(images)
        self.template = self.root / "small.yaml"

    def write(self, text: str) -> None:
        self.template.write_text(text)

    def close(self) -> None:
        names = list(self.records())
        if names:
            self.run("delete", "-f", *names)
        super().close()


@pytest.fixture(scope="module")
def real(cli: str) -> Iterator[RealLab]:
    if not any(engine.name == "qemu" for engine in find_engines()[0]):
        pytest.skip("no qemu engine here")
    made = RealLab(cli)
    try:
        yield made
    finally:
        made.close()


def test_a_real_base(real: RealLab) -> None:
    """Its scripts run once, what must not be shared is gone, and a copy of it works."""
    real.write(SMALL)
    done = real.run("rebuild-tools-vm", "-t", real.template, seconds=3600).expect(0)
    assert [line.split()[:2] for line in done.lines()[:3]] == [["ok", "claude"], ["ok", "python3"], ["ok", "hello"]]
    assert [(row.name, row.state, row.project) for row in real.rows()] == [(BASE, "stopped", "")]
    project = real.project()
    look = "cat /root-was ~/user-was ~/runs; hello; echo $HELLO_FROM; cat /etc/machine-id | wc -c;" \
           "sudo test ! -e /root/.netrc && test ! -e ~/.claude/.credentials.json && echo clean"
    lines = real.run("-q", "-d", project, "shell", "--", "bash", "-lc", look).expect(0).lines()
    assert lines[0] == "0" and lines[1].endswith(" the template") and lines[1].startswith("/home/")
    assert lines[2:] == ["run", "hello 1.0", "the template", "33", "clean"]
    real.run("stop", real.row(project).name).expect(0)


def test_a_real_base_that_fails(real: RealLab) -> None:
    """After the one above: the old base stays."""
    before = real.records()[BASE]
    real.write(SMALL.replace("id -u > /root-was", "echo 'no more' >&2; exit 3"))
    done = real.run("rebuild-tools-vm", "-t", real.template, seconds=3600)
    done.expect(FAILED, "the template's script of line 8 ended with status 3", "no more", "was not rebuilt")
    assert real.records()[BASE] == before and FRESH not in real.records()
    assert not (real.state / "qemu" / FRESH).exists()
    until(lambda: not real.holding(f"qemu/{FRESH}"), "its VM ends")


def test_a_script_that_failed_runs_again(real: RealLab) -> None:
    """At the next start, and those before it do not."""
    project = real.project("again")
    real.write(SMALL.replace("echo run >> ~/runs", "echo run >> ~/runs; [ -e ~/mended ] || { touch ~/mended; exit 9; }"))
    argv = ("-d", project, "-t", real.template, "shell", "--", "sh", "-c", "cat ~/runs /root-was; rm -f ~/runs")
    failed = real.run(*argv).expect(FAILED, "line 18 ended with status 9", "start it again")
    assert "[1/2]" in failed.err and "[2/2]" in failed.err
    done = real.run(*argv).expect(0)
    assert done.lines() == ["run", "run", "0"] and "[1/2]" not in done.err
    assert "script" not in real.run(*argv).err


def test_what_qemu_can_not_do_is_named(real: RealLab) -> None:
    for text, says in (("cpus: 1\narch: x86_64\n", '2: the qemu engine can\'t do "arch"'),
                       ("base: template:docker\n", '1: the qemu engine can\'t do the base "template:docker"'),
                       ("provision:\n- mode: boot\n  script: x\n", 'a provision of the mode "boot"')):
        real.write(text)
        real.run("-d", real.project("never"), "-t", real.template, "shell").expect(FAILED, f"{real.template}:", says)
    assert "never" not in "".join(real.records())
