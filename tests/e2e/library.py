"""Calls libclaudesandbox as a program would, for what the command line has no option for.

    python3 library.py LIBRARY CALL ARGUMENTS-AS-JSON

prints a JSON object: ``{"ok": ...}`` or ``{"code": -10, "message": ..., "detail": ..., "hint": ...}``.
The structs are those of the public headers; an option that is not given is zero, as in the headers.
"""

from __future__ import annotations

import ctypes
import json
import sys
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any


class CtxOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("state_dir", c_char_p), ("engine", c_char_p), ("limactl", c_char_p),
                ("guest_dir", c_char_p), ("timeout_ms", c_int), ("log", c_void_p), ("log_userdata", c_void_p),
                ("progress", c_void_p), ("progress_userdata", c_void_p)]


class VmOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("project_dir", c_char_p), ("settings_dir", c_char_p),
                ("cpus", c_int), ("memory_bytes", c_uint64), ("disk_bytes", c_uint64), ("mounts", c_void_p),
                ("n_mounts", c_size_t), ("flags", c_uint)]


class Failed(Exception):
    """A call that ended with an error, as the JSON object to print."""


class Library:
    def __init__(self, path: str, timeout_ms: int) -> None:
        self.lib = ctypes.CDLL(path)
        for name in ("csb_error_message", "csb_error_detail", "csb_error_hint", "csb_vm_name"):
            function = getattr(self.lib, name)
            function.restype, function.argtypes = c_char_p, [c_void_p]
        self.ctx, self.vm = c_void_p(), c_void_p()
        options = CtxOptions(size=ctypes.sizeof(CtxOptions), timeout_ms=timeout_ms)
        self.call("csb_ctx_new", byref(options), byref(self.ctx))

    def call(self, name: str, *arguments: Any) -> None:
        error = c_void_p()
        function = getattr(self.lib, name)
        function.restype = c_int
        code = function(*arguments, byref(error))
        if code != 0:
            words = {key: (getattr(self.lib, "csb_error_" + key)(error) or b"").decode(errors="replace")
                     for key in ("message", "detail", "hint")}
            raise Failed({"code": code, **words})

    def name(self) -> str:
        return self.lib.csb_vm_name(self.vm).decode()

    # -- the calls --

    def engine(self) -> str:
        """Which engine new machines get, and why."""
        engine, why = c_char_p(), c_char_p()
        self.call("csb_ctx_engine", self.ctx, byref(engine), byref(why))
        return (why.value or b"").decode()

    def create(self, project: str, template: str = "", base: str = "") -> str:
        options = VmOptions(size=ctypes.sizeof(VmOptions), project_dir=project.encode())
        made = ("csb_vm_clone", base.encode()) if base else ("csb_vm_create", template.encode() or None)
        source = c_char_p(made[1])
        self.call(made[0], self.ctx, source, byref(options), byref(self.vm))
        return self.name()

    def start(self, name: str) -> str:
        self.call("csb_vm_open", self.ctx, c_char_p(name.encode()), byref(self.vm))
        self.call("csb_vm_start", self.vm)
        return self.name()


def main() -> None:
    _, path, call, text = sys.argv
    arguments = json.loads(text)
    try:
        library = Library(path, arguments.pop("timeout_ms", 0))
        answer = {"ok": getattr(library, call)(**arguments)}
    except Failed as failed:
        answer = failed.args[0]
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
