#!/usr/bin/env python3
"""Runs each fuzzer on what is in its corpus, and then for so many seconds on what it makes of that.

Usage: run.py PROGRAMS CORPORA FOUND SECONDS [SEED]    (by ./bootstrap fuzz [SECONDS])

One that finds something leaves the input in FOUND/NAME and ends with the report; to see it again:
PROGRAMS/fuzz-NAME FOUND/NAME/crash-...
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OPTIONS = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]


def fuzz(program: Path, corpus: Path, found: Path, seconds: int, seed: list[str]) -> tuple[bool, str]:
    found.mkdir(parents=True, exist_ok=True)
    how_long = [f"-max_total_time={seconds}"] if seconds else ["-runs=0"]
    done = subprocess.run([program, *OPTIONS, *how_long, *seed, f"-artifact_prefix={found}/", found, corpus], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        return False, text[-6000:]
    executions = re.search(r"number_of_executed_units:\s*(\d+)", text)
    coverage = re.findall(r"cov: (\d+)", text)
    n = int(executions[1]) if executions else 0
    return n > 0, f"{n} inputs, {n // max(seconds, 1)}/s, {coverage[-1] if coverage else '?'} edges"


def main() -> int:
    programs, corpora, found = (Path(a) for a in sys.argv[1:4])
    names = sorted(p.name.removeprefix("fuzz-") for p in programs.glob("fuzz-*") if os.access(p, os.X_OK) and p.is_file())
    without = [n for n in names if not (corpora / n).is_dir()]
    if not names or without:
        print(f"no corpus for {', '.join(without)}" if names else f"no fuzzers in {programs}")
        return 1
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        seed = [f"-seed={sys.argv[5]}"] if len(sys.argv) > 5 else []
        jobs = {n: pool.submit(fuzz, programs / f"fuzz-{n}", corpora / n, found / n, int(sys.argv[4]), seed) for n in names}
        results = {n: job.result() for n, job in jobs.items()}
    for name, (good, text) in results.items():
        print(f"{name}: {'' if good else 'FAILED: '}{text}")
    bad = [n for n, (good, _) in results.items() if not good]
    print(f"FAILED: {', '.join(bad)}" if bad else f"{len(names)} fuzzers found nothing")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
