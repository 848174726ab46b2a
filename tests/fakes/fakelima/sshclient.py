"""The fake ssh: which machine an invocation means, and what it does to it."""

from __future__ import annotations

import errno
import fcntl
import fnmatch
import os
import pty
import re
import select
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable

from . import machine, store
from .faults import Call
from .guest import Guest
from .master import Master, request, split_spec

WITH_VALUE = "BbcDEeFIiJLlmOopQRSWw"
POLL = 0.05


class SshError(Exception):
    """Ends the client with status 255, and this message in the log."""


class Invocation:
    """An ssh command line, with the configuration file it names."""

    def __init__(self, argv: list[str]) -> None:
        self.options: dict[str, str] = {}
        self.set_env: list[str] = []
        self.send_env: list[str] = []
        self.switches: set[str] = set()
        self.tty = 0
        self.config_file = self.log_file = self.control = self.socket = ""
        self.forwards: list[tuple[str, str, str]] = []
        rest = self._parse(list(argv))
        if not rest:
            raise SshError("usage: ssh [options] destination [command [argument ...]]")
        self.host = rest.pop(0).rpartition("@")[2]
        rest = self._parse(rest)    # ssh looks for options after the host as well, up to "--"
        self.command = " ".join(rest) if rest else None
        self.config = read_config(self.config_file, self.host) if self.config_file else {}

    def _parse(self, rest: list[str]) -> list[str]:
        while rest and rest[0].startswith("-") and rest[0] != "-":
            word = rest.pop(0)
            if word == "--":
                break
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                if letter not in WITH_VALUE:
                    self._switch(letter)
                    continue
                if not letters and not rest:
                    raise SshError(f"option requires an argument -- {letter}")
                self._value(letter, letters or rest.pop(0))
                break
        return rest

    def _switch(self, letter: str) -> None:
        if letter == "t":
            self.tty += 1
        elif letter == "T":
            self.tty = -9
        self.switches.add(letter)

    def _value(self, letter: str, value: str) -> None:
        if letter == "o":
            key, _, setting = value.partition("=") if "=" in value else value.partition(" ")
            self._option(key.strip().lower(), setting.strip())
        elif letter in "LR":
            self.forwards.append((letter, *split_spec(value)))
        elif letter == "F":
            self.config_file = value
        elif letter == "E":
            self.log_file = value
        elif letter == "O":
            self.control = value
        elif letter == "S":
            self.socket = value
        elif letter in "pl":
            self._option({"p": "port", "l": "user"}[letter], value)

    def _option(self, key: str, value: str) -> None:
        if key == "setenv":
            self.set_env += shlex.split(value)
        elif key == "sendenv":
            self.send_env += value.split()
        else:
            self.options.setdefault(key, value)

    def get(self, key: str, default: str = "") -> str:
        value = self.options.get(key) or self.config.get(key) or default
        return shlex.split(value)[0] if value.startswith('"') else value

    @property
    def control_path(self) -> str:
        path = self.socket or self.get("controlpath")
        return "" if path == "none" else path

    def say(self, text: str) -> None:
        """To the -E file or standard error, unless LogLevel is QUIET (-q)."""
        if "q" in self.switches or self.get("loglevel").upper() == "QUIET":
            return
        fd = os.open(self.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if self.log_file else os.dup(2)
        os.write(fd, (text + "\r\n").encode())
        os.close(fd)

    def wants_tty(self) -> bool:
        return self.tty > 1 or self.tty == 1 and os.isatty(0) or self.get("requesttty") == "force"


def read_config(name: str, host: str, depth: int = 0) -> dict[str, str]:
    """ssh_config(5): the first value obtained is used; Host patterns and Include are known, Match is not."""
    try:
        with open(name, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        if depth:
            return {}
        raise SshError(f"Can't open user config file {name}: No such file or directory") from None
    found: dict[str, str] = {}
    applies = True
    for line in lines:
        match = re.match(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*?)\s*$", line)
        if not match:
            continue
        key, value = match[1].lower(), match[2]
        if key == "host":
            applies = matches_host(shlex.split(value), host)
            found["host known"] = "yes" if applies else found.get("host known", "")
        elif applies and key == "include" and depth < 8:
            for path in shlex.split(value):
                for setting, text in read_config(os.path.join(os.path.dirname(name), path), host, depth + 1).items():
                    found[setting] = found.get(setting) or text
        elif applies and key in ("sendenv", "setenv"):
            found[key] = f"{found.get(key, '')} {value}".strip()
        elif applies:
            found.setdefault(key, value)
    return found


def matches_host(patterns: list[str], host: str) -> bool:
    if any(p.startswith("!") and fnmatch.fnmatchcase(host, p[1:]) for p in patterns):
        return False
    return any(fnmatch.fnmatchcase(host, p) for p in patterns)


# ---- the machine on the other side -------------------------------------------------------------------------

def find_instance(call: Invocation) -> str:
    """The directory of the instance: beside the configuration, or the one that has this port, or as told."""
    told = os.environ.get("FAKE_SSH_INSTANCE_DIR", "")
    beside = os.path.dirname(os.path.realpath(call.config_file)) if call.config_file else ""
    if told or is_instance(beside):
        return told or beside
    port = call.get("port")
    for name in store.names():
        config = os.path.join(store.lima_home(), name, "ssh.config")
        if port and str(store.ssh_port(config)) == port:
            return os.path.dirname(config)
    return beside


def is_instance(directory: str) -> bool:
    try:
        return any(name == "lima.yaml" or name.endswith(".pid") for name in os.listdir(directory))
    except OSError:
        return False


def driver_pid(directory: str) -> int:
    """The VM itself: without its host agent, it can still be reached."""
    try:
        names = sorted(n for n in os.listdir(directory) if n.endswith(".pid") and n != "ha.pid")
    except OSError:
        return 0
    return next(filter(None, (peek_pid(os.path.join(directory, n)) for n in names)), 0)


def peek_pid(path: str) -> int:
    """Unlike limactl, ssh removes no stale pid files."""
    try:
        with open(path, encoding="ascii") as file:
            pid = int(file.read().strip() or 0)
    except (OSError, ValueError):
        return 0
    return pid if store.alive(pid) else 0


def is_up(directory: str) -> bool:
    """A Lima instance has to have booted so far; another engine's is up with its process."""
    if os.path.exists(os.path.join(directory, "lima.yaml")) and not os.path.exists(os.path.join(directory, store.GUEST_UP)):
        return False
    return driver_pid(directory) > 0


def connect(call: Invocation) -> str:
    """The instance, or the error of a connection that cannot be made."""
    known = call.config.get("host known") or call.get("hostname")
    if not known and call.host not in ("127.0.0.1", "localhost"):
        raise SshError(f"ssh: Could not resolve hostname {call.host}: Name or service not known")
    directory = find_instance(call)
    if not is_up(directory):
        raise SshError(f"ssh: connect to host {call.get('hostname', call.host)} port {call.get('port', '22')}: Connection refused")
    return directory


# ---- the verbs ---------------------------------------------------------------------------------------------

def control(call: Invocation) -> int:
    """-O: ask the master, and speak of it as ssh does."""
    path = call.control_path
    if not path:
        raise SshError("No ControlPath specified for \"-O\" command")
    if not os.path.exists(path):
        raise SshError(f"Control socket connect({path}): No such file or directory")
    forwards = [[d, localise(call, d, listen), localise(call, "L" if d == "R" else "R", connect_to)]
                for d, listen, connect_to in call.forwards]
    try:
        answer = request(path, verb=call.control, forwards=forwards)
    except OSError as error:
        raise SshError(f"Control socket connect({path}): {os.strerror(error.errno or errno.ECONNREFUSED)}") from None
    if answer["error"]:
        raise SshError(f"mux_client_forward: forwarding request failed: {answer['error']}\n"
                       f"muxclient: master {call.control} request failed" if call.control == "forward" else answer["error"])
    if call.control == "check":
        call.say(f"Master running (pid={answer['pid']})")
    elif call.control in ("exit", "stop"):
        call.say("Exit request sent." if call.control == "exit" else "Stop listening request sent.")
        wait_until_gone(path)
    return 0


def localise(call: Invocation, side: str, end: str) -> str:
    """A path on the guest's side of a forward is inside of the guest's directory."""
    if side == "R" and end.startswith("/"):
        end = Guest(find_instance(call)).localise(end)
        os.makedirs(os.path.dirname(end), exist_ok=True)
    return end


def wait_until_gone(path: str) -> None:
    deadline = time.monotonic() + 5
    while os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.01)


def background_master(call: Invocation) -> int:
    """-fN: the caller goes on when the socket listens; the child lives as long as its VM."""
    directory, path = connect(call), call.control_path
    if "N" not in call.switches or not path or "M" not in call.switches and call.get("controlmaster", "no") == "no":
        return 0        # nothing that anyone could ask for anything
    if os.path.exists(path) and store.can_connect(path):
        call.say(f"ControlSocket {path} already exists, disabling multiplexing")
        return 0
    machine.remove(path)
    ready, told = os.pipe()
    if os.fork() == 0:
        try:
            serve_master(call, directory, path, told)
        finally:
            os._exit(0)
    os.close(told)
    report = os.read(ready, 4096).decode()
    if report != "ok":
        raise SshError(report or "the master died")
    return 0


def serve_master(call: Invocation, directory: str, path: str, told: int) -> None:
    """In the child: tell the parent, let go of its pipes, and stay."""
    try:
        master = Master(path)
    except OSError as error:
        os.write(told, f"unix_listener: cannot bind to path {path}: {os.strerror(error.errno or 0)}".encode())
        return
    for direction, listen, connect_to in call.forwards:
        there = "L" if direction == "R" else "R"
        failed = master.forward(direction, localise(call, direction, listen), localise(call, there, connect_to))
        if failed and call.get("exitonforwardfailure") == "yes":
            master.close()
            os.write(told, f"Error: {failed}".encode())
            return
    os.write(told, b"ok")
    os.close(told)
    machine.detach()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: master.ended.set())
    end = time.monotonic() + float(os.environ.get("FAKE_LIMACTL_MAX_LIFE", "300"))
    while is_up(directory) and time.monotonic() < end and not master.ended.wait(POLL):
        pass
    master.close()


def execute(call: Invocation, record: Call) -> int:
    """Run the command as the guest's sshd would, its pipes being ours and not the caller's."""
    directory = connect(call)
    path = call.control_path
    if path and os.path.exists(path) and not store.can_connect(path):
        call.say(f"Control socket connect({path}): Connection refused")
    guest = Guest(directory)
    guest.prepare()
    script = guest.localise(call.command) if call.command is not None else None
    environment = guest.environment(accepted(call))
    cwd = guest.home if os.environ.get("FAKE_SSH_CWD") == "home" else guest.root
    record.checkpoint("boot")
    session = PtySession if call.wants_tty() else PipeSession
    return session(script, environment, cwd).run("n" in call.switches)


def accepted(call: Invocation) -> dict[str, str]:
    """What SendEnv offers and sshd's AcceptEnv takes."""
    patterns = os.environ.get("FAKE_SSH_ACCEPT_ENV", "LANG LC_*").split()
    offered = call.send_env + call.config.get("sendenv", "").split()
    sent = {k: v for k, v in os.environ.items() if any(fnmatch.fnmatchcase(k, p) for p in offered)}
    for pair in shlex.split(call.config.get("setenv", "")) + call.set_env:
        key, _, value = pair.partition("=")
        sent[key] = value
    taken = {k: v for k, v in sent.items() if any(fnmatch.fnmatchcase(k, p) for p in patterns)}
    if call.wants_tty():
        taken["TERM"] = os.environ.get("TERM", "dumb")
    return taken


# ---- sessions ----------------------------------------------------------------------------------------------

class PipeSession:
    """Without a terminal.  When the client dies the command goes on, as it does under a real sshd: it only
    finds its pipes closed."""

    def __init__(self, script: str | None, environment: dict[str, str], cwd: str) -> None:
        self.script, self.environment, self.cwd = script, environment, cwd
        self.pid = 0

    def run(self, no_input: bool) -> int:
        their_in, to_child = os.pipe()
        from_out, their_out = os.pipe()
        from_err, their_err = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            self._become(their_in, their_out, their_err)
        for fd in (their_in, their_out, their_err):
            os.close(fd)
        self._relay(None if no_input else 0, to_child, {from_out: 1, from_err: 2})
        return self._status()

    def _become(self, *fds: int) -> None:
        """In the child: never returns."""
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            for target, fd in enumerate(fds):
                os.dup2(fd, target)
            os.closerange(3, 256)
            os.chdir(self.cwd)
            argv = ["sh", "-c", self.script] if self.script is not None else ["-sh"]
            os.execve("/bin/sh", argv, self.environment)
        finally:
            os._exit(255)

    def _relay(self, source: int | None, to_child: int, outputs: dict[int, int]) -> None:
        """A thread feeds the input, which may block for ever; the session ends with the last output."""
        if source is None:
            os.close(to_child)
        else:
            threading.Thread(target=_feed, args=(source, to_child), daemon=True).start()
        while outputs:
            for fd in select.select(list(outputs), [], [])[0]:
                data = _read(fd)
                if not data or not _write(outputs[fd], data):
                    os.close(fd)
                    del outputs[fd]

    def _status(self) -> int:
        """A remote death by signal reaches the local caller as 255."""
        _, status = os.waitpid(self.pid, 0)
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 255


class PtySession(PipeSession):
    """With a terminal, which hangs up when the client dies."""

    def run(self, no_input: bool) -> int:
        master, slave = pty.openpty()
        if os.isatty(0):
            import termios
            size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(master)
            os.setsid()
            import termios
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            self._become(slave, slave, slave)
        os.close(slave)
        restore = self._raw() if os.isatty(0) else None
        try:
            if not no_input:
                threading.Thread(target=_feed_terminal, args=(master,), daemon=True).start()
            while data := _read(master):
                if not _write(1, data):
                    break
        finally:
            if restore:
                restore()
        os.close(master)
        return self._status()

    @staticmethod
    def _raw() -> Callable[[], None]:
        import termios
        import tty
        saved = termios.tcgetattr(0)
        tty.setraw(0)
        return lambda: termios.tcsetattr(0, termios.TCSADRAIN, saved)


def _read(fd: int) -> bytes:
    """A terminal whose last user has gone says EIO."""
    try:
        return os.read(fd, 65536)
    except OSError:
        return b""


def _write(fd: int, data: bytes) -> bool:
    try:
        while data:
            data = data[os.write(fd, data):]
        return True
    except OSError:
        return False


def _feed(source: int, sink: int) -> None:
    while data := _read(source):
        if not _write(sink, data):
            break
    os.close(sink)


def _feed_terminal(master: int) -> None:
    """The end of the input is typed, since a terminal cannot be half closed."""
    while data := _read(0):
        if not _write(master, data):
            return
    if not os.isatty(0):
        _write(master, b"\x04")


def run(argv: list[str], record: Call) -> int:
    if argv == ["-V"]:
        sys.stderr.write("OpenSSH_9.2p1 fake, no cryptography\n")
        return 0
    try:
        call = Invocation(argv)
    except SshError as error:
        sys.stderr.write(f"{error}\r\n")
        return 255
    record.verb = call.control or ("master" if "N" in call.switches else "exec")
    record.state_file = os.path.join(store.lima_home(), "_fake", "ssh-faults.json")
    try:
        record.checkpoint("begin")
        if call.control:
            return control(call)
        if "N" in call.switches and "f" in call.switches:
            return background_master(call)
        if "N" in call.switches:
            return foreground_master(call)
        return execute(call, record)
    except SshError as error:
        call.say(str(error))
        return 255


def foreground_master(call: Invocation) -> int:
    """-N without -f: like the background one, but in the caller's hands."""
    directory, path = connect(call), call.control_path
    master = Master(path) if path else None
    while is_up(directory) and not (master and master.ended.is_set()):
        time.sleep(POLL)
    if master:
        master.close()
    return 0 if master and master.ended.is_set() else 255
