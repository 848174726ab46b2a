"""Prints the name under which programs load a shared library, and its path.

Usage: vendored.py NAME CC...
"""
from __future__ import annotations

import os
import re
import subprocess
import sys


def output(*argv: str) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    name, *cc = sys.argv[1:]
    path = os.path.realpath(output(*cc, f"-print-file-name=lib{name}.so").strip())
    found = re.search(r"\(SONAME\).*\[(.*)\]", output("readelf", "-d", path))
    print(found[1] if found else os.path.basename(path))
    print(path)


if __name__ == "__main__":
    main()
