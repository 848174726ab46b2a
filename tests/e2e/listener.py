"""Listens for hooks as a program with libclaudesandbox would, beside whoever else does.

    python3 listener.py LIBRARY STATE-DIRECTORY [watch] [deny] [hold] [hang] [tell=TEXT] [open]

prints a line of JSON for each event, ``{"vm": ..., "name": ..., "n": ..., "lost": ...}``, and one when it
ends, ``{"code": -4, "message": ...}``. With "hold" the answer to a PermissionRequest is kept: it becomes "allow" at a line on
standard input, or is given up, which is told as ``{"gone": true}``. "open" is csb_hooks_open() and
csb_hooks_dispatch(), where it is csb_hooks_listen() else.
"""

from __future__ import annotations

import ctypes
import json
import select
import sys
import time
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any, Optional

from library import CtxOptions

WATCH = 1
Callback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)


class HooksOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("body_max", c_size_t), ("rate", c_int), ("request_timeout_ms", c_int),
                ("flags", c_uint)]


def say(**words: Any) -> None:
    print(json.dumps(words), flush=True)


class Listener:
    def __init__(self, path: str, state: str, how: list[str]) -> None:
        self.lib, self.how, self.held = ctypes.CDLL(path), how, c_void_p()
        for name in ("csb_event_vm", "csb_event_name", "csb_event_json", "csb_error_message"):
            getattr(self.lib, name).restype = c_char_p
        self.lib.csb_event_lost.restype = c_uint64
        self.ctx, self.hooks, self.error = c_void_p(), c_void_p(), c_void_p()
        options = CtxOptions(size=ctypes.sizeof(CtxOptions), state_dir=state.encode())
        assert self.lib.csb_ctx_new(byref(options), byref(self.ctx), None) == 0
        self.callback = Callback(self.on_event)
        self.options = HooksOptions(size=ctypes.sizeof(HooksOptions), flags=WATCH if "watch" in how else 0)

    def on_event(self, event: Optional[int], reply: Optional[int], _: Optional[int]) -> int:
        event_, reply_ = c_void_p(event), c_void_p(reply)
        fields = json.loads(self.lib.csb_event_json(event_, None))
        say(vm=self.lib.csb_event_vm(event_).decode(), name=self.lib.csb_event_name(event_).decode(),
            n=fields.get("n"), lost=self.lib.csb_event_lost(event_))
        if "hang" in self.how:
            time.sleep(600)
        if "deny" in self.how:
            self.lib.csb_reply_deny(reply_, b"not today", None)
        for word in self.how:
            if word.startswith("tell="):
                self.lib.csb_reply_context(reply_, word[5:].encode(), None)
        if "hold" in self.how and self.lib.csb_event_name(event_) == b"PermissionRequest":
            assert self.lib.csb_reply_hold(reply_, byref(self.held), None) == 0
        return 0

    def look_after_held(self) -> None:
        if not self.held:
            return
        typed = select.select([sys.stdin], [], [], 0)[0]
        if typed:
            sys.stdin.readline()
            self.lib.csb_reply_allow(self.held, None)
        elif self.lib.csb_reply_waits(self.held):
            return
        code = self.lib.csb_reply_send(self.held, None)
        self.held = c_void_p()
        say(gone=code != 0)

    def run(self) -> int:
        if "open" not in self.how and "hold" not in self.how:
            return self.lib.csb_hooks_listen(self.ctx, byref(self.options), self.callback, None, byref(self.error))
        code = self.lib.csb_hooks_open(self.ctx, byref(self.options), self.callback, None, byref(self.hooks),
                                       byref(self.error))
        if code == 0:
            say(open=True)
        while code == 0:
            select.select([self.lib.csb_hooks_fd(self.hooks), sys.stdin], [], [], 0.1)
            code = self.lib.csb_hooks_dispatch(self.hooks, 0, byref(self.error))
            self.look_after_held()
        return code


def main() -> None:
    listener = Listener(sys.argv[1], sys.argv[2], sys.argv[3:])
    code = listener.run()
    say(code=code, message=listener.lib.csb_error_message(listener.error).decode())


if __name__ == "__main__":
    main()
