"""VMs that are woken rather than booted: from a warm template, from what was suspended, and as forks of that."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

import pytest

from engines import Missing, find_qemu
from fakeapi import FakeApi
from realvm import KEY, ODD, Lab
from sandbox import FAILED, INTERRUPTED, Done, until

# How many VMs in a row, half of them two at a time; CLAUDE_SANDBOX_TEST_SOAK=200 is the whole of it.
SOAK = int(os.environ.get("CLAUDE_SANDBOX_TEST_SOAK", "12"))
BOOTED = re.compile(r"booting[,:]|the VM will boot")


@pytest.fixture(scope="module")
def warm(cli: str) -> Iterator[Lab]:
    """A user whose template is there: the first VM was made and is gone."""
    engine = find_qemu()
    if isinstance(engine, Missing):
        pytest.skip(str(engine))
    with FakeApi(require_key=KEY) as api:
        lab = Lab(cli, engine, api)
        try:
            first(lab, lab.dir, "true").expect(0)
            lab.run("delete", "-f", *lab.records()).expect(0)
            yield lab
        finally:
            lab.close()


def first(lab: Lab, project: Path, *argv: str, **more: object) -> Done:
    """A command in a VM that is made for it."""
    return lab.run("-v", "-d", project, "shell", "--", *argv, seconds=600.0, **more)


def woken(done: Done, status: int = 0) -> Done:
    assert not BOOTED.search(done.expect(status).err), done.err
    return done


def name_of(lab: Lab, project: Path) -> str:
    return lab.row(project).name


def template_of(lab: Lab, project: Path) -> Path:
    config = lab.state / "qemu" / name_of(lab, project) / "config.json"
    return Path(json.loads(config.read_text())["warm"])


def image_of(template: Path) -> str:
    config = template / "config.json"
    return Path(json.loads(config.read_text())["image"]).name if config.exists() else ""


def delete(lab: Lab, *projects: Path) -> None:
    lab.run("delete", "-f", *(name_of(lab, project) for project in projects)).expect(0)


IDENTITY = """
hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id /sys/class/net/eth0/address
head -c 32 /dev/urandom | od -An -tx1 -w32; cat /proc/sys/kernel/random/uuid; mktemp -u XXXXXXXXXXXXXXXX
sudo cat /run/claude-sandbox/ssh_host_ed25519_key | sed -n 4p; cat /run/claude-sandbox/authorized_keys | cut -d' ' -f2
"""


def test_two_share_nothing_that_tells_them_apart(warm: Lab) -> None:
    """Keys, ids, random bytes, addresses, and no connection from before."""
    projects = [warm.project(f"{ODD} {i}") for i in (1, 2)]
    told = [woken(first(warm, p, "sh", "-c", IDENTITY)).lines() for p in projects]
    assert len(told[0]) == len(told[1]) == 9 and all(told[0]), told
    assert not set(told[0]) & set(told[1]), told
    assert told[0][0] == name_of(warm, projects[0])
    for project in projects:
        sockets = first(warm, project, "sh", "-c", "cat /proc/net/tcp; date +%s").lines()
        # One is established: that of the ssh master, by which we ask.
        assert sum(line.split()[3] == "01" for line in sockets[1:-1]) == 1, sockets
        assert abs(int(sockets[-1]) - time.time()) < 5
    delete(warm, *projects)


def test_nothing_of_a_machine_is_in_a_template(warm: Lab) -> None:
    """Neither on its disk nor in its memory; what made it is thrown away."""
    secret = "sk-ant-" + "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=40))
    before = {p for p in (warm.state / "warm").iterdir() if p.is_dir()}
    project = warm.project("secretive")
    woken(first(warm, project, "true", env={"ANTHROPIC_API_KEY": secret}))
    after = {p for p in (warm.state / "warm").iterdir() if p.is_dir()}
    image = image_of(template_of(warm, project))
    delete(warm, project)
    assert before == after
    # Others may be of an image from before a mend, or what is left of one that could not be woken.
    templates = [p for p in before if (p / "ram").exists() and image_of(p) == image]
    assert templates
    for template in templates:
        assert {p.name for p in template.iterdir()} == {"ram", "state", "disk.qcow2", "config.json"}
        ram = (template / "ram").open("rb")
        begin = 0
        while True:
            try:
                begin = os.lseek(ram.fileno(), begin, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(ram.fileno(), begin, os.SEEK_HOLE)
            data = os.pread(ram.fileno(), end - begin, begin)
            for words in (KEY.encode(), secret.encode(), b"b3BlbnNzaC1rZXktdjEA"):
                found = words in data
                assert not found, words
            begin = end


def test_coherent_both_ways(warm: Lab) -> None:
    """A file changed on one side is seen on the other within two seconds."""
    project = warm.project("both sides ä")
    (project / "file").write_text("one")
    assert woken(first(warm, project, "cat", "file")).text == "one"
    for text in ("two", "three, which is longer", "4"):
        (project / "file").write_text(text)
        (project / f"new {text}").touch()
        time.sleep(1.9)     # the promise itself
        assert first(warm, project, "sh", "-c", f"cat file; ls 'new {text}'").text == f"{text}new {text}\n"
        first(warm, project, "sh", "-c", f"printf '%s' 'guest {text}' >file; mkdir -p 'd {text}'").expect(0)
        assert (project / "file").read_text() == f"guest {text}" and (project / f"d {text}").is_dir()
    (project / "file").unlink()
    time.sleep(1.9)
    first(warm, project, "cat", "file").expect(1)
    delete(warm, project)


def test_what_root_makes_is_the_users_in_the_end(warm: Lab) -> None:
    project = warm.project("of root")
    woken(first(warm, project, "sudo", "sh", "-c", "mkdir d; touch d/f; ln -s /etc/passwd l; chmod 4755 d/f")).expect(0)
    warm.run("-d", project, "stop").expect(0)
    for path in (project / "d", project / "d/f", project / "l"):
        owner = path.lstat()
        assert (owner.st_uid, owner.st_gid) == (os.getuid(), os.getgid()), path
    shutil.rmtree(project / "d")
    # Where it was moved to is not known then, but how to have all that is there.
    first(warm, project, "sudo", "touch", "of root's").expect(0)
    moved = project.rename(project.parent / "of root ä moved")
    told = warm.run("stop", name_of(warm, project)).expect(0, f"{project} is gone")
    words = re.search(r"claude-sandbox (shell -- sudo chown -R \d+:\d+ \.)", told.err)
    assert words, told.err
    assert (moved / "of root's").stat().st_uid != os.getuid()
    warm.run("-d", moved, *words[1].split()).expect(0)
    owner = (moved / "of root's").stat()
    assert (owner.st_uid, owner.st_gid) == (os.getuid(), os.getgid())
    delete(warm, moved)
    moved.rename(project)
    # Deeper than a path may be long.
    first(warm, project, "sudo", "perl", "-e", "for (1..30) { mkdir 'e' x 200; chdir 'e' x 200 }").expect(0)
    warm.run("-d", project, "stop").expect(0)
    subprocess.run(["rm", "-r", "e" * 200], cwd=project, check=True)
    delete(warm, project)


def test_what_was_anothers_before_stays_so(warm: Lab) -> None:
    """A database of a container without root: the same numbers that the guest's users have."""
    project = warm.project("with a volume")
    volume = project / "volume"
    volume.mkdir()
    in_namespace = ["unshare", "--user", "--map-auto", "--map-current-user", "--setuid", "0", "--setgid", "0", "--"]
    subprocess.run([*in_namespace, "chown", "999:999", volume], check=True)
    owner = volume.stat().st_uid
    assert owner != os.getuid()
    time.sleep(1.1)     # it is older than the second in which the VM starts
    first(warm, project, "sudo", "touch", "made").expect(0)
    warm.run("-d", project, "stop").expect(0)
    assert (project / "made").stat().st_uid == os.getuid() and volume.stat().st_uid == owner
    subprocess.run([*in_namespace, "chown", f"{os.getuid()}:{os.getgid()}", volume], check=True)
    delete(warm, project)


def virtiofsds() -> set[str]:
    done = subprocess.run(["pgrep", "-f", "/virtiofsd "], capture_output=True, text=True, check=False)
    return set(done.stdout.split())


def test_a_template_that_is_damaged(warm: Lab) -> None:
    """The VM boots, and it is said why; the next one has a template again."""
    project = warm.project("damaged")
    assert warm.library("create", project=str(project))["ok"]       # as Python programs make one
    template = template_of(warm, project)
    (template / "state").write_bytes(b"no state at all")
    done = first(warm, project, "hostname").expect(0, "booting, since waking failed: ")
    assert done.text.strip() == name_of(warm, project)
    after = warm.project("damaged too")
    woken(first(warm, after, "true"))
    # What lies on the old one goes on.
    warm.run("-d", project, "stop").expect(0)
    first(warm, project, "true").expect(0)
    warm.run("prune", "--leftovers", "-y").expect(0)
    assert (template / "disk.qcow2").exists()
    delete(warm, project)
    warm.run("prune", "--leftovers", "-y").expect(0)
    assert not template.exists()
    delete(warm, after)
    assert "booting a template" not in woken(first(warm, project, "true")).err      # "after" had the same
    delete(warm, project)


def config_of(lab: Lab, name: str) -> dict[str, object]:
    configs = [json.loads(config.read_text()) for config in lab.state.glob(f"qemu/*{name}*/config.json")]
    return configs[0] if configs else {}


def interrupt(lab: Lab, project: Path, word: str) -> str:
    """Ctrl-C as soon as the guest runs, which is when its config no longer bears the word; its state then."""
    running = lab.start("-q", "-d", project, "shell", "--", "sleep", "600")
    until(lambda: config_of(lab, project.name).get(word) is False, "the guest runs", 120)
    running.signal(signal.SIGINT)
    running.wait(60).expect(INTERRUPTED)
    return lab.row(project).state


def test_interrupted_while_it_wakes(warm: Lab) -> None:
    """It has not run, then: the next start wakes it as if it were the first."""
    project = warm.project("in-a-hurry")
    # On a fast machine a program ran already.
    assert interrupt(warm, project, "fresh") == "running" or config_of(warm, project.name)["fresh"] is True
    woken(first(warm, project, "true"))
    delete(warm, project)


def test_interrupted_while_it_goes_on(warm: Lab) -> None:
    """What ran in a suspended VM is there only once: it does."""
    project = warm.project("goes-on-in-a-hurry")
    first(warm, project, "sh", "-c", "cd /; setsid -f sleep 4812 <&- >&- 2>&-").expect(0)
    warm.run("-d", project, "stop", "--suspend").expect(0, "")
    assert interrupt(warm, project, "kept") == "running"
    first(warm, project, "pgrep", "-fx", "sleep 4812").expect(0)
    delete(warm, project)


def test_without(warm: Lab) -> None:
    """A switch, and a disk that is smaller than a template's."""
    project = warm.project("cold")
    done = first(warm, project, "cat", "/proc/uptime", env={"CLAUDE_SANDBOX_WARM": "0"}).expect(0)
    assert "guest: 2 ok" not in done.err
    delete(warm, project)


def test_a_base_has_a_template_of_its_own(warm: Lab) -> None:
    """Copies of a protected VM without a project are woken, too; the template goes with what it is of."""
    assert warm.library("base", name="base", argv=["sh", "-c", "sudo touch /var/marker; sync"]) == {"ok": 0}
    for i in (1, 2):
        project = warm.project(f"of a base {i}")
        done = warm.run("-v", "-c", "base", "-d", project, "shell", "--", "sh", "-c", "ls /var/marker; hostname", seconds=600)
        assert woken(done).lines() == ["/var/marker", name_of(warm, project)]
        assert ("booting a template" in done.err) == (i == 1)
        delete(warm, project)
    of_base = [p for p in (warm.state / "warm").glob("*/config.json") if '"base ' in p.read_text()]
    assert len(of_base) == 1
    warm.run("prune", "--leftovers", "-y").expect(0)
    assert of_base[0].exists()
    warm.run("delete", "-f", "base").expect(0)
    warm.run("prune", "--leftovers", "-y").expect(0)
    assert not of_base[0].exists()


# ---- suspended ---------------------------------------------------------------------------------------------

TICKS = "cd /; setsid sh -c 'while sleep 0.2; do echo tick; done' >/tmp/ticks 2>&1 </dev/null & "


def ticks(lab: Lab, project: Path) -> int:
    return int(woken(first(lab, project, "sh", "-c", "wc -l </tmp/ticks")).text)


def test_suspended_and_forked(warm: Lab) -> None:
    project, copy = warm.project("suspended"), warm.project("its copy")
    woken(first(warm, project, "sh", "-c", TICKS + "sleep 1; cp /etc/hostname ~/mine"))
    before = ticks(warm, project)
    assert before > 0
    assert warm.run("-d", project, "stop", "--suspend").expect(0).text == f"Suspended {name_of(warm, project)}.\n"
    assert warm.row(project).state == "suspended"
    warm.run("prune", "--dry-run").expect(0)
    # Nobody changes its sizes meanwhile, but it can be copied.
    assert warm.run("-d", copy, "fork", name_of(warm, project)).expect(0).text.startswith("Made ")
    assert warm.row(copy).state == "suspended"
    for place in (project, copy):
        now = ticks(warm, place)
        assert now >= before
        until(lambda: ticks(warm, place) > now, "what ran goes on")
        told = first(warm, place, "sh", "-c", "hostname; cat ~/mine; date +%s").lines()
        assert told[:2] == [name_of(warm, place), name_of(warm, project)]
        assert abs(int(told[2]) - time.time()) < 5
    delete(warm, project, copy)


def test_a_program_in_the_project_is_in_the_way(warm: Lab) -> None:
    project = warm.project("in use")
    woken(first(warm, project, "sh", "-c", "setsid sleep 600 >/dev/null 2>&1 </dev/null &"))
    done = warm.run("-d", project, "stop", "--suspend").expect(FAILED, f"a program in the VM uses {project}")
    assert "without --suspend" in done.err
    assert warm.row(project).state == "running"
    assert first(warm, project, "pwd").text == f"{project}\n"
    warm.run("-d", project, "stop").expect(0)
    assert warm.row(project).state == "stopped"
    delete(warm, project)


def test_what_was_kept_can_be_given_up(warm: Lab) -> None:
    project = warm.project("given up")
    boot = woken(first(warm, project, "sh", "-c", "touch ~/kept; sync; cat /proc/sys/kernel/random/boot_id")).text
    warm.run("-d", project, "stop", "--suspend").expect(0)
    home = warm.state / "qemu" / name_of(warm, project)
    assert (home / "ram").exists()
    (home / "state").write_bytes(b"damaged")
    first(warm, project, "true").expect(FAILED, "what was kept can't go on", f"claude-sandbox stop {home.name}")
    assert warm.row(project).state == "suspended"
    warm.run("-d", project, "stop").expect(0)
    assert warm.row(project).state == "stopped" and not (home / "ram").exists()
    assert first(warm, project, "sh", "-c", "ls ~/kept >&2 && cat /proc/sys/kernel/random/boot_id").expect(0).text != boot
    delete(warm, project)


def test_who_is_killed_over_keeping_it(warm: Lab) -> None:
    """The VM comes up again, though what ran in it is lost."""
    project = warm.project("killed over it")
    woken(first(warm, project, "sh", "-c", "head -c 300000000 /dev/urandom >/dev/shm/x; touch ~/kept; sync"))
    home = warm.state / "qemu" / name_of(warm, project)
    suspending = warm.start("-d", project, "stop", "--suspend")
    until(lambda: (home / "ram").exists(), "it is being kept")
    suspending.process.kill()
    suspending.wait()
    first(warm, project, "sh", "-c", "ls ~/kept").expect(0)
    warm.run("-d", project, "stop").expect(0)
    assert not (home / "ram").exists() and not (home / "state").exists()
    delete(warm, project)


def test_one_that_wakes_in_vain_leaves_nobody(warm: Lab) -> None:
    project = warm.project("in vain")
    woken(first(warm, project, "true"))
    warm.run("-d", project, "stop", "--suspend").expect(0)
    os.truncate(warm.state / "qemu" / name_of(warm, project) / "ram", 1 << 20)
    before = virtiofsds()
    first(warm, project, "true").expect(FAILED, "wrong size")
    until(lambda: virtiofsds() <= before, "nobody waits for it")
    delete(warm, project)


# ---- many files --------------------------------------------------------------------------------------------

COUNT = "find . -type f -exec stat -c %s {} + | wc -l; findmnt -n -o FSTYPE -T ."


def limit(soft: int, hard: int = 0) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard or resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def many(warm: Lab, name: str) -> Path:
    project = warm.project(name)
    for i in range(3000):
        (project / str(i)).touch()
    return project


def test_more_files_than_may_be_open(warm: Lab) -> None:
    """As sessions begin; for each that the guest knows virtiofsd has one open."""
    project = many(warm, "many")
    done = woken(first(warm, project, "sh", "-c", COUNT, preexec_fn=lambda: limit(1024)))
    assert done.lines() == ["3000", "virtiofs" if (warm.state / "virtiofs").exists() else "9p"]
    delete(warm, project)


def test_more_files_than_may_ever_be_open(warm: Lab) -> None:
    project = many(warm, "too many")
    done = first(warm, project, "sh", "-c", COUNT, preexec_fn=lambda: limit(1024, 3000)).expect(0)
    assert done.lines() == ["3000", "9p"]
    delete(warm, project)


# ---- many --------------------------------------------------------------------------------------------------

def test_soak(warm: Lab) -> None:
    """Each answers its first command, and none of them had to boot."""
    def one(i: int) -> str:
        project = warm.project(f"soak {i}")
        said = woken(first(warm, project, "cat", "/proc/sys/kernel/random/boot_id")).text
        delete(warm, project)
        return said

    told = [one(i) for i in range(SOAK // 2)]
    with ThreadPoolExecutor(2) as two:
        told += list(two.map(one, range(SOAK // 2, SOAK)))
    assert len(set(told)) == SOAK
