"""Writes the C of claudesandbox._native. Usage: native.py DECLARATIONS OUTPUT"""
from __future__ import annotations

import sys
from pathlib import Path

import cffi

# Called by the library; `userdata` is a handle of a Python object (see _lane.py and _hooks.py).
CALLBACKS = """
extern "Python" void csb_py_log(int level, const char *text, void *userdata);
extern "Python" void csb_py_progress(int step, int steps, const char *text, void *userdata);
extern "Python" void csb_py_clean(const char *what, const char *path, uint64_t bytes,
                                  const csb_error *failure, void *userdata);
extern "Python" int csb_py_hook(const csb_event *event, csb_reply *reply, void *userdata);
"""


def main() -> None:
    declarations, output = map(Path, sys.argv[1:])
    ffi = cffi.FFI()
    ffi.cdef(declarations.read_text() + CALLBACKS)
    ffi.set_source("claudesandbox._native", "#include <claudesandbox.h>\n")
    ffi.emit_c_code(str(output))


if __name__ == "__main__":
    main()
