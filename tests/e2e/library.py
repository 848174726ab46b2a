"""Calls libclaudesandbox as a program would, for what the command line has no option for.

    python3 library.py LIBRARY CALL ARGUMENTS-AS-JSON

prints a JSON object: ``{"ok": ...}`` or ``{"code": -10, "message": ..., "detail": ..., "hint": ...}``.
The structs are those of the public headers; an option that is not given is zero, as in the headers.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import sys
import threading
import time
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from pathlib import Path
from typing import Any


class CtxOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("state_dir", c_char_p), ("engine", c_char_p), ("limactl", c_char_p),
                ("guest_dir", c_char_p), ("timeout_ms", c_int), ("log", c_void_p), ("log_userdata", c_void_p),
                ("progress", c_void_p), ("progress_userdata", c_void_p)]


class VmOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("project_dir", c_char_p), ("settings_dir", c_char_p),
                ("cpus", c_int), ("memory_bytes", c_uint64), ("disk_bytes", c_uint64), ("mounts", c_void_p),
                ("n_mounts", c_size_t), ("flags", c_uint)]


class ExecOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("argv", c_void_p), ("env", c_void_p), ("cwd", c_char_p), ("stdin_fd", c_int),
                ("stdout_fd", c_int), ("stderr_fd", c_int), ("flags", c_uint), ("timeout_ms", c_int)]


PIPE, END = -2, 3       # CSB_EXEC_PIPE, CSB_PROCESS_END


class Failed(Exception):
    """A call that ended with an error, as the JSON object to print."""


class Library:
    def __init__(self, path: str, timeout_ms: int) -> None:
        self.lib = ctypes.CDLL(path)
        self.lib.csb_vm_free.argtypes = self.lib.csb_vm_list_free.argtypes = [c_void_p]
        self.lib.csb_process_fd.argtypes = self.lib.csb_process_close.argtypes = [c_void_p, c_int]
        self.lib.csb_process_free.argtypes = self.lib.csb_ctx_cancel.argtypes = [c_void_p]
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

    def base(self, name: str, argv: list[str]) -> int:
        """A machine without a project in which a program has run, and that is protected then."""
        options = VmOptions(size=ctypes.sizeof(VmOptions), name=name.encode())
        self.call("csb_vm_create", self.ctx, c_char_p(None), byref(options), byref(self.vm))
        self.call("csb_vm_start", self.vm)
        status = self.execute(name, argv)
        self.stop(name)
        self.call("csb_vm_protect", self.vm, c_int(1))
        return status

    def open(self, name: str) -> None:
        self.call("csb_vm_open", self.ctx, c_char_p(name.encode()), byref(self.vm))

    def start(self, name: str) -> str:
        self.open(name)
        self.call("csb_vm_start", self.vm)
        return self.name()

    def stop(self, name: str) -> None:
        self.open(name)
        self.call("csb_vm_stop", self.vm, c_uint(0))

    def delete(self, name: str) -> None:
        self.open(name)
        self.call("csb_vm_delete", self.vm, c_uint(0))

    def rename(self, name: str, to: str) -> None:
        self.open(name)
        self.call("csb_vm_rename", self.vm, c_char_p(to.encode()), c_uint(0))

    def configure(self, name: str, cpus: int) -> None:
        self.open(name)
        self.call("csb_vm_configure", self.vm, byref(VmOptions(size=ctypes.sizeof(VmOptions), cpus=cpus)), byref(c_int()))

    def list(self) -> None:
        found = c_void_p()
        self.call("csb_vm_list_new", self.ctx, byref(found))
        self.lib.csb_vm_list_free(found)

    def execute(self, name: str, argv: list[str]) -> int:
        """A program that reads from and writes to nothing."""
        self.open(name)
        status = c_int(-1)
        self.call("csb_vm_exec", self.vm, byref(exec_options(argv, -1)), byref(status))
        return status.value

    def spawn(self, name: str, argv: list[str], stdin: str = "", times: int = 1, signo: int = 0) -> dict[str, Any]:
        """A program, by one loop over all that it has to poll. The signal is for when it first says something."""
        self.open(name)
        process, status = c_void_p(), c_int(-1)
        self.call("csb_vm_spawn", self.vm, byref(exec_options(argv, PIPE)), byref(process))
        self.lib.csb_vm_free(self.vm)
        fds = [self.lib.csb_process_fd(process, which) for which in (0, 1, 2, END)]
        left, said = stdin.encode() * times, {fds[1]: b"", fds[2]: b""}
        reading, writing = {*fds[1:]}, {fds[0]}
        os.set_blocking(fds[0], False)
        while reading:
            readable, writable, _ = select.select(reading, writing, [], 60)
            assert readable or writable, "nothing happens"
            if writable and left:
                left = left[os.write(fds[0], left):]
            elif writable:
                self.lib.csb_process_close(process, 0)
                writing.clear()
            for fd in readable:
                data = os.read(fd, 65536) if fd in said else b""
                if signo and data:
                    self.call("csb_process_kill", process, c_int(signo))
                    signo = 0
                if data:
                    said[fd] += data
                else:
                    reading.remove(fd)
        self.call("csb_process_wait", process, c_int(-1), byref(status))
        self.lib.csb_process_free(process)
        return {"status": status.value, "out": said[fds[1]].decode(), "err": said[fds[2]].decode()}

    # -- cancelling --

    def cancel_when(self, path: str) -> None:
        """Cancels, from another thread, the call that runs when a line with "fault" has come into the file."""
        def look() -> None:
            while not (os.path.exists(path) and '"fault"' in Path(path).read_text()):
                time.sleep(0.01)
            self.lib.csb_ctx_cancel(self.ctx)

        threading.Thread(target=look, daemon=True).start()


def exec_options(argv: list[str], stream: int) -> ExecOptions:
    words = (c_char_p * (len(argv) + 1))(*[word.encode() for word in argv], None)
    options = ExecOptions(size=ctypes.sizeof(ExecOptions), argv=ctypes.cast(words, c_void_p), stdin_fd=stream,
                          stdout_fd=stream, stderr_fd=stream)
    options.words = words       # it must live as long
    return options


def main() -> None:
    _, path, call, text = sys.argv
    arguments = json.loads(text)
    try:
        library = Library(path, arguments.pop("timeout_ms", 0))
        if "cancel_when" in arguments:
            library.cancel_when(arguments.pop("cancel_when"))
        answer = {"ok": getattr(library, call)(**arguments)}
    except Failed as failed:
        answer = failed.args[0]
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
