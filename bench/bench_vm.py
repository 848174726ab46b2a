"""Real VMs of the qemu engine, from the command line to the guest and back."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator

from measure import HERE, OURS, Lab, Table, Target, in_turns, wait_for

sys.path.insert(0, str(HERE.parent / "tests/support"))

SSH = "ssh, a login shell"
BARE = "ssh"
BOOT = "cold boot"
FILES = 5000
FORKS = 3
STAMP = """\
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct timespec now;
    FILE *f = fopen(getenv("BENCH_STAMP"), "a");
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (f) { fprintf(f, "%lld.%09ld\\n", (long long)now.tv_sec, now.tv_nsec); fclose(f); }
    argv[0] = "ssh";
    execv("/usr/bin/ssh", argv);
    return 127 + argc * 0;
}
"""


class Bench:
    def __init__(self, lab: Lab) -> None:
        self.lab, self.count = lab, 0
        self.env = {**lab.env, "CLAUDE_SANDBOX_ENGINE": "qemu"}
        home = Path(os.path.expanduser("~/.claude-sandbox"))
        lab.state.mkdir(exist_ok=True)
        for name in ("images", "warm"):
            (home / name).mkdir(parents=True, exist_ok=True)
            if not (lab.state / name).exists():
                (lab.state / name).symlink_to(home / name)

    def project(self) -> Path:
        self.count += 1
        path = self.lab.scratch / f"project {self.count}"
        path.mkdir()
        return path

    def run(self, *argv: object, **env: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run([self.lab.cli, "-q", *map(str, argv)], env={**self.env, **env}, capture_output=True, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise SystemExit(f"bench: {argv}: {done.stderr.decode()}")
        return done

    def timed(self, *argv: object, **env: str) -> float:
        begun = time.perf_counter()
        self.run(*argv, **env)
        return time.perf_counter() - begun

    def name(self, project: Path) -> str:
        told = json.loads(self.run("status", "--json").stdout)
        return next(vm["name"] for vm in told["vms"] if vm["project_dir"] == str(project))

    def delete(self, *projects: Path) -> None:
        self.run("delete", "-f", *map(self.name, projects))

    def new(self, *argv: str, **env: str) -> float:
        """The whole of it, in a project that is new."""
        project = self.project()
        took = self.timed("-d", project, "shell", "--", *argv, **env)
        self.delete(project)
        return took

    def rounds(self, work: Callable[[], float]) -> list[float]:
        return [work() for _ in range(self.lab.rounds)]


def first_request(bench: Bench) -> list[float]:
    from fakeapi import FakeApi

    took = []
    for _ in range(bench.lab.rounds):
        project = bench.project()
        with FakeApi() as api:
            begun = time.perf_counter()
            child = subprocess.Popen([bench.lab.cli, "-q", "-d", project, "--", "-p", "[[say x]]"], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     env={**bench.env, "ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "k" * 40,
                                          "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"})
            wait_for(api.messages, "the first request", 120)
            took.append(time.perf_counter() - begun)
            child.wait(120)
        bench.delete(project)
    return took


def running(bench: Bench, table: Table) -> None:
    project = bench.project()
    bench.run("-d", project, "shell", "--", "true")
    config = bench.lab.state / "qemu" / bench.name(project)
    ssh = ["ssh", "-F", config / "ssh.config", "-o", "ControlMaster=no", config.name]
    took: dict[str, list[float]] = {OURS: [], SSH: [], BARE: []}

    def once(who: str) -> None:
        begun = time.perf_counter()
        if who == OURS:
            bench.run("-d", project, "shell", "--", "true")
        else:
            subprocess.run([*ssh, "true" if who == BARE else "exec bash -lc true"], env=bench.env, check=True,
                           capture_output=True, stdin=subprocess.DEVNULL)
        took[who].append((time.perf_counter() - begun) * 1000)

    in_turns(list(took), 4 * bench.lab.rounds, once)
    table.add("exec `true` in a running VM", "ms", took, Target(than=SSH, above=5))
    stamp, stamps = bench.lab.scratch / "stamp", []
    bench.lab.compile("ssh", STAMP)
    for _ in range(4 * bench.lab.rounds):
        stamp.unlink(missing_ok=True)
        begun = time.monotonic()
        bench.run("-d", project, "shell", "--", "true", BENCH_STAMP=str(stamp))
        # The keeper's, then the program's own.
        stamps.append((float(stamp.read_text().splitlines()[-1]) - begun) * 1000)
    (bench.lab.bin / "ssh").unlink()
    table.add("start on a running VM, to exec of ssh", "ms", {OURS: stamps}, Target(most=10))
    bench.delete(project)


def tree(path: Path) -> None:
    for d in range(FILES // 50):
        (path / f"d{d}").mkdir()
        for f in range(50):
            (path / f"d{d}/f{f}").write_text(f"{d} {f}\n")


def files(bench: Bench, table: Table) -> None:
    project = bench.project()
    tree(project)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", project]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True, env=bench.env)
    shares = {OURS: "", "9p": "9p"}
    copied, status, again = [], {name: [] for name in shares}, {name: [] for name in shares}
    for turn in range(bench.lab.rounds):
        for name, kind in shares.items():
            if kind and turn > 0:       # takes half a minute
                continue
            bench.run("-d", project, "shell", "--", "true", CLAUDE_SANDBOX_SHARES=kind)
            status[name].append(bench.timed("-d", project, "shell", "--", "git", "status"))
            again[name].append(bench.timed("-d", project, "shell", "--", "git", "status"))
            if not kind:
                begun = time.perf_counter()
                pack = subprocess.Popen(["tar", "-c", "-C", project, "--exclude=.git", "."], stdout=subprocess.PIPE)
                subprocess.run([bench.lab.cli, "-q", "-d", project, "shell", "--", "sh", "-c", "mkdir /var/tmp/x && tar -x -C /var/tmp/x"],
                               stdin=pack.stdout, env=bench.env, check=True)
                pack.wait()
                copied.append(time.perf_counter() - begun)
            bench.delete(project)
    table.add(f"copy {FILES} files into a VM", "s", {OURS: copied}, Target(most=3))
    table.add(f"`git status` of {FILES} shared files, first", "s", status)
    table.add(f"`git status` of {FILES} shared files, second", "s", again, Target(most=1.5))


def pids(name: str) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if f"/{name}/".encode() in words or f"\0{name}\0".encode() in words:
            yield int(path.parent.name)


def available() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1024
    raise KeyError


def kib(path: Path, key: str) -> int:
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(f"{key}:"))


def share(pid: int) -> int:
    """A process's share of what it has in common with others; all of it, where it is another user's."""
    try:
        return kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss")
    except OSError:
        return kib(Path(f"/proc/{pid}/status"), "VmRSS")


def memory(bench: Bench, table: Table) -> None:
    """Of all that a VM is: QEMU, virtiofsd, and the keeper's ssh."""
    resident, shares, used, projects = [], [], [], []
    for _ in range(FORKS):
        before = available()
        projects.append(bench.project())
        bench.run("-d", projects[-1], "shell", "--", "true")
        time.sleep(5)
        used.append(before - available())
    for project in projects:
        found = list(pids(bench.name(project)))
        resident.append(sum(kib(Path(f"/proc/{pid}/status"), "VmRSS") for pid in found) / 1024)
        shares.append(sum(map(share, found)) / 1024)
    bench.delete(*projects)
    table.add(f"an idle VM of {FORKS}: its share of resident memory", "MiB", {OURS: shares}, Target(most=150))
    table.add(f"an idle VM of {FORKS}: resident, common pages counted again", "MiB", {OURS: resident})
    table.add(f"an idle VM of {FORKS}: less available on the host", "MiB", {OURS: used})


def measure(lab: Lab) -> Table:
    bench = Bench(lab)
    table = Table([OURS, BOOT, SSH, BARE, "9p"],
                  "A new project each time, from the start of claude-sandbox to the end of the command.\n"
                  "The warm template is there; \"cold boot\" does without. ssh goes over the master that claude-sandbox has.")
    bench.new("true")           # the image and the template, once
    new: dict[str, list[float]] = {OURS: [], BOOT: []}
    in_turns(list(new), lab.rounds,
             lambda who: new[who].append(bench.new("true", **({"CLAUDE_SANDBOX_WARM": "0"} if who == BOOT else {}))))
    table.add("new project to first command", "s", new, Target(most=1.5))
    table.add("the same, cold boot", "s", {OURS: new[BOOT]}, Target(most=15))
    version = bench.rounds(lambda: bench.new("claude", "--version"))
    table.add("new project to `claude --version`", "s", {OURS: version}, Target(most=4))
    table.add("new project to the first request of `claude -p`", "s", {OURS: first_request(bench)}, Target(most=10))
    running(bench, table)
    files(bench, table)
    memory(bench, table)
    largest = lab.timed([lab.cli, "-q", "status"], bench.env, lab.scratch).peak_mib
    table.add("largest size of `status`", "MiB", {OURS: [largest]}, Target(most=8))
    shutil.rmtree(lab.state / "vms", ignore_errors=True)
    return table
