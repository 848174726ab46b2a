"""Real VMs of the qemu engine, from the command line to the guest and back."""
from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator

from measure import HERE, OURS, Lab, Table, wait_for

sys.path.insert(0, str(HERE.parent / "tests/support"))

SSH = "ssh over the same master"
BOOT = "cold boot"
FILES = 5000
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
    took: dict[str, dict[str, list[float]]] = {what: {OURS: [], SSH: []} for what in ("login", "plain")}

    def plain_ssh(words: str) -> float:
        begun = time.perf_counter()
        subprocess.run([*ssh, words], env=bench.env, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return (time.perf_counter() - begun) * 1000

    for _ in range(4 * bench.lab.rounds):
        took["login"][OURS].append(bench.timed("-d", project, "shell", "--", "true") * 1000)
        took["login"][SSH].append(plain_ssh("exec bash -lc true"))
    table.add("exec `true` in a running VM, a login shell", "ms", took["login"])
    stamp, stamps = bench.lab.scratch / "stamp", []
    bench.lab.compile("ssh", STAMP)
    for _ in range(4 * bench.lab.rounds):
        stamp.unlink(missing_ok=True)
        begun = time.monotonic()
        bench.run("-d", project, "shell", "--", "true", BENCH_STAMP=str(stamp))
        # The keeper's, then the program's own.
        stamps.append((float(stamp.read_text().splitlines()[-1]) - begun) * 1000)
    (bench.lab.bin / "ssh").unlink()
    table.add("start on a running VM to exec of ssh (≤ 10)", "ms", {OURS: stamps})
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
    table.add(f"copy {FILES} files into a VM (≤ 3)", "s", {OURS: copied})
    table.add(f"`git status` of {FILES} shared files, first", "s", status)
    table.add(f"`git status` of {FILES} shared files, second (≤ 1.5)", "s", again)


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


def memory(bench: Bench, table: Table) -> None:
    rss, used, projects = [], [], []
    for _ in range(3):
        before = available()
        projects.append(bench.project())
        bench.run("-d", projects[-1], "shell", "--", "true")
        time.sleep(5)
        used.append(before - available())
        rss.append(sum(int(line.split()[1]) for pid in pids(bench.name(projects[-1]))
                       for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")) / 1024)
    bench.delete(*projects)
    table.add("an idle VM: resident (≤ 150)", "MiB", {OURS: rss})
    table.add("an idle VM: less memory available on the host", "MiB", {OURS: used})


def measure(lab: Lab) -> Table:
    bench = Bench(lab)
    table = Table([OURS, BOOT, SSH, "9p"],
                  "A new project each time, from the start of claude-sandbox to the end of the command, the VM made for it. The\n"
                  "warm template is there; \"cold boot\" does without. Targets are in brackets.")
    bench.new("true")           # the image and the template, once
    new = {OURS: [], BOOT: []}
    for _ in range(lab.rounds):
        new[OURS].append(bench.new("true"))
        new[BOOT].append(bench.new("true", CLAUDE_SANDBOX_WARM="0"))
    table.add("new project to first command (≤ 1.5; boot ≤ 15)", "s", new)
    table.add("new project to `claude --version` (≤ 4)", "s", {OURS: bench.rounds(lambda: bench.new("claude", "--version"))})
    table.add("new project to the first request of `claude -p` (≤ 10)", "s", {OURS: first_request(bench)})
    running(bench, table)
    files(bench, table)
    memory(bench, table)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    table.add("largest of all our children, ssh and tar among them", "MiB", {OURS: [largest]})
    shutil.rmtree(lab.state / "vms", ignore_errors=True)
    return table
