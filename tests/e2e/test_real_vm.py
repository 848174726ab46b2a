"""A real VM, the real Claude Code in it, and a scripted API: the main job, from end to end."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from realvm import KEY, ODD, Lab
from sandbox import INTERRUPTED, NAME, kill, processes, sampling, until

SHARES = ("9p", "virtiofs", "fuse.sshfs", "sshfs")
SETTINGS = "/mnt/claude-settings"


# ---- making it ---------------------------------------------------------------------------------------------

def test_two_first_starts(lab: Lab) -> None:
    """One VM, and both are in it."""
    assert [(done.expect(0).text, done.err) for done in lab.first_ends] == [("1\n", ""), ("2\n", "")]
    row = lab.vm()
    assert (row.state, row.engine, row.project) == ("running", lab.engine.name, str(lab.dir))
    assert NAME.fullmatch(row.name) and list(lab.records()) == [row.name]
    assert len([pid for pid in lab.machines(row.name) if "qemu-system" in processes().get(pid, "").split()[0]]) == 1


def test_status(lab: Lab) -> None:
    """Columns with tabs between where a program reads, in line where a person does."""
    row = lab.vm()
    assert int(row.cpus) >= 1 and re.fullmatch(r"\d+[MG]iB", row.memory) and re.fullmatch(r"\d+[MG]iB", row.disk)
    with lab.terminal("status", size=(24, 250)) as terminal:
        terminal.expect(rb"NAME +STATE +ENGINE")
        terminal.expect(row.name.encode() + rb" +running +" + row.engine.encode())
        assert terminal.wait() == 0


def test_second_project_of_the_same_name(lab: Lab) -> None:
    """It gets its own VM; making it needs no boot."""
    other = lab.project(ODD, "elsewhere")
    name = lab.library("create", project=str(other), template=lab.engine.template, base=lab.engine.base)["ok"]
    assert name != lab.vm().name and NAME.fullmatch(name)
    assert lab.row(other).name == name and lab.row(other).state == "stopped"
    assert lab.records()[name]["project_dir"] == str(other)
    lab.run("-d", other, "delete").expect(0)
    assert [row.project for row in lab.rows()] == [str(lab.dir)]
    assert lab.vm().state == "running"


# ---- Claude ------------------------------------------------------------------------------------------------

def test_claude_writes_a_file_and_runs_a_command(lab: Lab) -> None:
    prompt = "[[write hello.txt :: Hello\\nworld é\\n]] [[bash uname -n >host.txt; cat hello.txt | wc -l]] [[say lines:]] [[result]]"
    others = len(lab.api.messages())
    done = lab.claude("-p", prompt).expect(0)
    assert done.text == "lines:\n2\n"
    assert (lab.dir / "hello.txt").read_text() == "Hello\nworld é\n"
    assert (lab.dir / "host.txt").read_text().strip() not in ("", socket.gethostname())
    for name in ("hello.txt", "host.txt"):
        owner = (lab.dir / name).stat()
        assert (owner.st_uid, owner.st_gid) == (os.getuid(), os.getgid())
        assert not owner.st_mode & 0o7022
    assert {request.api_key for request in lab.api.messages()[others:]} == {KEY}


def test_claude_says_just_that(lab: Lab) -> None:
    assert lab.claude("-p", "[[say exactly this]]").expect(0).out == b"exactly this\n"
    done = lab.claude("-p", stdin=b"[[say from stdin]]").expect(0)
    assert done.out == b"from stdin\n"


def test_claude_reads_what_the_host_writes(lab: Lab) -> None:
    (lab.dir / "from host.txt").write_text("seen\n")
    assert lab.claude("-p", "[[bash cat 'from host.txt']] [[result]]").expect(0).text == "seen\n"
    (lab.dir / "from host.txt").write_text("seen again\n")
    assert lab.sh("cat 'from host.txt'") == "seen again\n"


def test_claude_fails_when_the_api_does(lab: Lab) -> None:
    done = lab.claude("-p", "[[status 401]]")
    assert done.status == 1
    assert b"API" in done.out or b"401" in done.out or b"key" in done.out


# Claude asks whether it may use a key of the environment; an answer given beforehand is a part of the
# key on the guest's disk.
@pytest.mark.parametrize("credential", ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"])
def test_claude_on_a_terminal(lab: Lab, credential: str) -> None:
    """The prompt at once: no dialog asks for anything. Ctrl-C twice ends it."""
    env = {"ANTHROPIC_API_KEY": "", credential: KEY}
    with lab.terminal("-q", "-d", lab.dir, size=(40, 120), env=env) as terminal:
        terminal.expect("❯".encode(), 120)
        terminal.expect(rb"bypass.{0,40}permissions.{0,40}on", 60)
        terminal.send(b"[[say it works so far]]")
        terminal.expect(rb"so.{0,20}far\]\]", 30)
        terminal.send(b"\r")
        terminal.expect("●".encode(), 60)
        terminal.expect(rb"works", 30)
        # The first may end what its hooks are still doing.
        deadline = time.monotonic() + 60
        while terminal.process.poll() is None and time.monotonic() < deadline:
            terminal.send(b"\x03\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                terminal.wait(3)
        assert terminal.wait() == 0
        assert terminal.modes_are_back()
    for words in ("trust", "API key", "Select login", "Bypass Permissions mode"):
        assert words.encode() not in terminal.everything, words


# ---- what passes through -----------------------------------------------------------------------------------

@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 3", 3), ("exit 126", 126), ("exit 127", 127), ("exit 255", 255),
    ("kill -KILL $$", 137), ("kill -TERM $$", 143), ("kill -SEGV $$", 139)])
def test_status_of_a_program(lab: Lab, script: str, status: int) -> None:
    done = lab.shell("sh", "-c", script).expect(status)
    assert done.out == b""


def test_program_that_is_none(lab: Lab) -> None:
    lab.shell("no-such-program").expect(127)
    lab.shell("/etc/passwd").expect(126)


def test_bytes_pass_unchanged(lab: Lab) -> None:
    data = bytes(range(256)) * 8 + random.Random(1).randbytes(3 << 20) + b"\n~.\n~?"
    done = lab.shell("cat", stdin=data).expect(0)
    assert done.out == data and done.err == ""


def test_big_output(lab: Lab) -> None:
    size = 24 << 20
    assert len(lab.shell("head", "-c", str(size), "/dev/zero").expect(0).out) == size


def test_output_and_errors_are_kept_apart(lab: Lab) -> None:
    done = lab.shell("sh", "-c", "echo out; echo err >&2; echo out").expect(0)
    assert (done.out, done.err) == (b"out\nout\n", "err\n")


def test_words_pass_unchanged(lab: Lab) -> None:
    words = ["", " ", "a b", "'", '"', "$HOME", "`id`", "\\", "a\nb", "*", "é", "--", "-n", "\x01", "x" * 5000]
    done = lab.shell("printf", "<%s>\\n", *words).expect(0)
    assert done.text == "".join(f"<{word}>\n" for word in words)


def test_program_is_in_the_project_as_its_owner(lab: Lab) -> None:
    where, uid, owner = lab.sh("pwd; id -u; stat -c %u .").splitlines()
    assert where == str(lab.dir)
    assert uid == owner != "0"


def test_pipe_that_closes_early(lab: Lab) -> None:
    running = lab.begin("while echo y; do :; done")
    assert running.process.stdout
    until(lambda: running.process.stdout and running.process.stdout.read(2) == b"y\n", "the first line", 60)
    running.process.stdout.close()
    assert running.process.wait(60) != 0
    until(lambda: "while echo y" not in lab.sh("ps -eo args | grep -v grep || :").replace("sh -c", ""), "it ends", 30)


def test_links_modes_and_git(lab: Lab) -> None:
    """What programs do in projects, over the share."""
    out = lab.sh("mkdir w && cd w && ln -s target link && echo x >f && chmod 755 f && mv f g && "
                 "git init -q . && git add g && git -c user.name=n -c user.email=e commit -qm m && git status --short && "
                 "readlink link && rm link")
    assert out == "?? link\ntarget\n"
    assert (lab.dir / "w/g").stat().st_mode & 0o777 == 0o755


# ---- what must not pass ------------------------------------------------------------------------------------

def test_guest_sees_no_other_directory(lab: Lab) -> None:
    lines = [line.split() for line in lab.sh("cat /proc/self/mountinfo").splitlines()]
    shares = {decode(words[4]): words for words in lines if words[words.index("-") + 1] in SHARES}
    ours = {place for place in shares if not place.startswith("/mnt/claude-sandbox/")}
    assert ours == {str(lab.dir), SETTINGS}
    assert len({words[2] for words in shares.values()}) == 2      # devices: two shares, wherever they are bound
    found = lab.sh("sudo find / -xdev -name 'marker-in-*' 2>/dev/null; "
                   "sudo find / -name proc -prune -o -name sys -prune -o -name 'marker-in-*' -print 2>/dev/null; :")
    assert found == ""
    assert lab.shell("ls", str(lab.home)).status != 0


def decode(text: str) -> str:
    """Octal escapes of mountinfo."""
    raw = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), text.encode())
    return raw.decode()


def test_environment_of_the_host_stays_there(lab: Lab) -> None:
    seen = lab.sh("env")
    for hidden in ("bar-of-the-host", KEY, str(lab.home), "CLAUDE_SANDBOX", "ANTHROPIC"):
        assert hidden not in seen
    seen = lab.claude("-p", "[[bash env | grep -v ^ANTHROPIC_]] [[result]]").expect(0).text
    for hidden in ("bar-of-the-host", str(lab.home), "CLAUDE_SANDBOX_"):
        assert hidden not in seen


def test_key_is_in_no_argument_and_on_no_disk(lab: Lab) -> None:
    leaks: list[str] = []

    def look() -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if KEY.encode() in path.read_bytes():
                    leaks.append(path.read_text(errors="replace"))

    with sampling(look):
        prompt = "[[bash ps -eo args >ps.txt; ls -A /dev/shm >shm.txt]] [[slow 1]] [[say done]]"
        lab.claude("-p", prompt).expect(0)
    assert leaks == []
    assert "claude" in (lab.dir / "ps.txt").read_text()
    assert KEY not in (lab.dir / "ps.txt").read_text()
    assert "csb-env" not in (lab.dir / "shm.txt").read_text()
    found = lab.shell("sudo", "grep", "-rlFf", "-", "/home", "/root", "/etc", "/var", "/tmp", "/opt", "/srv",
                      stdin=KEY.encode() + b"\n")
    assert found.text == ""
    kept = [p for p in lab.state.rglob("*") if p.is_file() and "images" not in p.parts and p.suffix in (".json", ".yaml", ".log", "")
            and p.stat().st_size < 1 << 20 and KEY.encode() in p.read_bytes()]
    assert kept == []


# ---- programs that run beside us ---------------------------------------------------------------------------

def test_spawned(lab: Lab) -> None:
    """By the library: much in both directions, from one loop."""
    argv = ["sh", "-c", "cat; echo done >&2; exit 9"]
    answer = lab.library("spawn", name=lab.vm().name, argv=argv, stdin="é", times=300_000)["ok"]
    assert (answer["status"], answer["err"]) == (9, "done\n")
    assert answer["out"] == "é" * 300_000


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGKILL, 137), (signal.SIGINT, 130)])
def test_spawned_and_signalled(lab: Lab, number: int, status: int) -> None:
    # What "&" begins ignores SIGINT, and would keep the pipes open.
    script = "echo up; exec sleep 3005" if number == signal.SIGINT else "sleep 3005 & echo up; wait"
    answer = lab.library("spawn", name=lab.vm().name, argv=["sh", "-c", script], signo=int(number))
    assert (answer["ok"]["status"], answer["ok"]["out"]) == (status, "up\n"), answer
    assert not lab.has_program("sleep 3005")


# ---- terminals and signals ---------------------------------------------------------------------------------

def test_terminal_size_and_status(lab: Lab) -> None:
    with lab.terminal("-q", "-d", lab.dir, "shell", "--", "sh", "-c", "tty; stty size; read x; stty size; exit 7",
                      size=(33, 101)) as terminal:
        terminal.expect(rb"/dev/pts/\d+\r\n33 101\r\n", 60)
        terminal.resize(44, 122)
        terminal.process.send_signal(signal.SIGWINCH)
        until(lambda: "44 122" in lab.sh("for t in /dev/pts/[0-9]*; do stty size <$t; done 2>/dev/null || :"), "the new size")
        terminal.send(b"\r")
        terminal.expect(rb"44 122\r\n")
        assert terminal.wait() == 7
        assert terminal.modes_are_back()


def test_ctrl_c_on_a_terminal_is_the_programs(lab: Lab) -> None:
    """Not ours: the program may do with it what it likes, and so may the shell."""
    script = "trap 'echo caught' INT; echo ready; while :; do read x && [ $x = end ] && exit 5; done"
    with lab.terminal("-q", "-d", lab.dir, "shell", "--", "bash", "-c", script) as terminal:
        terminal.expect(b"ready", 60)
        terminal.send(b"\x03")
        terminal.expect(b"caught")
        terminal.send(b"end\r")
        assert terminal.wait() == 5
        assert terminal.modes_are_back()


def test_login_shell(lab: Lab) -> None:
    with lab.terminal("-q", "-d", lab.dir, "shell") as terminal:
        terminal.send(b"echo $((6*7)) \"$PWD\"\r")
        terminal.expect(b"42 " + re.escape(str(lab.dir).encode()))
        terminal.send(b"exit 4\r")
        assert terminal.wait() == 4


def test_interrupt_without_a_terminal_ends_the_program(lab: Lab) -> None:
    running = lab.begin("echo $$ >up; exec sleep 3001")
    until((lab.dir / "up").exists, "the program runs", 60)
    assert lab.has_program("sleep 3001")
    running.signal(signal.SIGINT)
    assert running.wait(60).status == INTERRUPTED
    until(lambda: not lab.has_program("sleep 3001"), "no orphan", 30)


def test_command_line_is_killed(lab: Lab) -> None:
    """The VM does not depend on us; what we ran in it does, unless it made a session of its own."""
    pids = lab.machines(lab.vm().name)
    running = lab.begin("setsid sleep 3003 & echo >killed; exec sleep 3002")
    until((lab.dir / "killed").exists, "the program runs", 60)
    until(lambda: lab.has_program("sleep 3003"), "the other has a session of its own", 60)
    running.kill()
    until(lambda: not lab.has_program("sleep 3002"), "no orphan", 30)
    assert lab.has_program("sleep 3003")
    assert lab.vm().state == "running"
    assert lab.machines(lab.vm().name) == pids
    lab.sh("pkill -f '^sleep 3003' || :")


def test_terminal_is_lost(lab: Lab) -> None:
    with lab.terminal("-q", "-d", lab.dir, "shell", "--", "sh", "-c", "trap '' HUP; echo ready; exec sleep 3004") as terminal:
        terminal.expect(b"ready", 60)
        assert lab.has_program("sleep 3004")
        terminal.process.kill()
        until(lambda: not lab.has_program("sleep 3004"), "no orphan", 30)


# ---- its life ----------------------------------------------------------------------------------------------

def test_reboot_from_inside(lab: Lab) -> None:
    if lab.engine.name == "lima":
        pytest.skip("one boot less: how a guest reboots is Lima's own")
    before = lab.sh("cat /proc/sys/kernel/random/boot_id; sync")
    pids = lab.machines(lab.vm().name)
    lab.shell("sudo", "systemctl", "reboot")
    until(lambda: lab.shell("cat", "/proc/sys/kernel/random/boot_id").text not in ("", before), "it is back", 300)
    assert lab.machines(lab.vm().name) == pids
    assert lab.sh("cat hello.txt") == "Hello\nworld é\n"
    test_guest_sees_no_other_directory(lab)


def test_stop_and_start(lab: Lab) -> None:
    """What is in the guest's home survives; Claude is the one who starts it."""
    name = lab.vm().name
    lab.sh("echo kept >~/kept")
    assert lab.run("-d", lab.dir, "stop").expect(0).text == f"Stopped {name}.\n"
    assert lab.vm().state == "stopped"
    assert lab.machines(name) == []
    done = lab.claude("-p", "[[bash cat ~/kept hello.txt]] [[result]]").expect(0)
    assert done.text == "kept\nHello\nworld é\n"
    assert [row.name for row in lab.rows()] == [name]


def test_tmp_of_a_boot(lab: Lab) -> None:
    """It is cleaned, but not of what the first command puts there while the boot goes on."""
    lab.sh("mkdir /tmp/before && echo old >/tmp/before/file")
    lab.run("-d", lab.dir, "stop").expect(0)
    lab.sh("echo new >/tmp/now; ls -d /tmp/before 2>&1 || [ $? = 2 ]; stat -c %a /tmp")
    lab.sh("systemctl is-system-running --wait >/dev/null; cat /tmp/now && [ ! -e /tmp/before ] && [ ! -e /.old-tmp ]")


def test_killed_behind_our_back(lab: Lab) -> None:
    name = lab.vm().name
    lab.sh("echo kept >~/kept-again; sync")
    for pid in lab.machines(name):
        if "qemu-system" in processes().get(pid, ""):
            kill(pid)
    until(lambda: lab.vm().state == "stopped", "it is seen to be dead", 30)
    assert lab.sh("cat ~/kept-again hello.txt") == "kept\nHello\nworld é\n"
    assert lab.vm().state == "running"


def test_delete_while_it_runs(lab: Lab) -> None:
    """Everything of it goes: processes, files and the record; nothing of the project does."""
    lab.sh("true")
    name = lab.vm().name
    assert lab.vm().state == "running"
    lab.run("delete", name).expect(0)
    assert lab.rows() == [] and lab.records() == {}
    until(lambda: not lab.machines(name) and not lab.holding(name), "its processes end")
    left = [p for p in lab.state.rglob("*") if name in p.name and p.suffix != ".lock"]
    assert left == []
    lima_home = dict(lab.engine.env).get("LIMA_HOME")
    assert not lima_home or not (Path(lima_home) / name).exists()
    assert (lab.dir / "hello.txt").exists()
