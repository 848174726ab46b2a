"""A "running VM": a process in the place of Lima's host agent, and one in that of QEMU.

They do nothing but live, hold their pid files and sockets, and die as the real ones do: SIGINT to the host
agent shuts down both, the driver's death ends the host agent, the host agent's death leaves the driver.
So that no test can litter a machine, both end when $LIMA_HOME is gone, and after FAKE_LIMACTL_MAX_LIFE
seconds (300) in any case.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time

from . import store
from .gotext import now
from .master import Master, listen_unix

DRIVER_SOCKETS = ("qmp.sock", "serial.sock", "serialv.sock")
POLL = 0.05

SSH_CONFIG = """\
# This SSH config file can be passed to 'ssh -F'.
# This file is created by Lima, but not used by Lima itself currently.
# Modifications to this file will be lost on restarting the Lima instance.
Host lima-{name}
  IdentityFile "{home}/_config/user"
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  NoHostAuthenticationForLocalhost yes
  PreferredAuthentications publickey
  Compression no
  BatchMode yes
  IdentitiesOnly yes
  GSSAPIAuthentication no
  Ciphers "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
  User {user}
  ControlMaster auto
  ControlPath "{dir}/ssh.sock"
  ControlPersist yes
  Hostname 127.0.0.1
  Port {port}
"""


class Lifetime:
    """Why a pretended machine should end."""

    def __init__(self) -> None:
        self.asked = False
        self.end = time.monotonic() + float(os.environ.get("FAKE_LIMACTL_MAX_LIFE", "300"))
        self.home = store.lima_home()

    def on(self, *numbers: int) -> None:
        for number in numbers:
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def over(self) -> bool:
        return self.asked or time.monotonic() > self.end or not os.path.isdir(self.home)


def detach() -> None:
    """A session of its own, and no hold on the caller's pipes."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


def spawn(argv: list[str]) -> None:
    """Start a program in the background for good: an orphan at once, so that nobody need wait for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        detach()
        if os.fork() == 0:
            os.closerange(3, 1024)      # a Go program hands nothing down but 0, 1 and 2
            os.execv(sys.executable, [sys.executable, "-I", "-S", *argv])
    finally:
        os._exit(0)


def create_pid_file(path: str) -> bool:
    """False when another one is there already.  Linked into place: nobody may read it empty."""
    draft = f"{path}.{os.getpid()}.tmp"
    with open(draft, "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True


def remove(*paths: str) -> None:
    for path in paths:
        try:
            os.unlink(path)
        except OSError:
            pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def reparented(pid_file: str, deadline: float) -> int:
    while time.monotonic() < deadline:
        pid = store.read_pid(pid_file)
        if pid:
            return pid
        time.sleep(0.01)
    return 0


# ---- the driver --------------------------------------------------------------------------------------------

def driver(inst: store.Instance) -> int:
    """Stands for qemu-system-*."""
    life = Lifetime()
    life.on(signal.SIGTERM, signal.SIGINT)
    held = []
    for name in DRIVER_SOCKETS:
        remove(inst.path(name))
        held.append(listen_unix(inst.path(name)))
    pid_file = inst.pid_file("driver")
    remove(pid_file)
    create_pid_file(pid_file)
    while not life.over():
        time.sleep(POLL)
    if store.read_pid(pid_file) == os.getpid():
        remove(pid_file, *map(inst.path, DRIVER_SOCKETS))
    return 0


# ---- the host agent ----------------------------------------------------------------------------------------

class HostAgent:
    def __init__(self, inst: store.Instance, program: str) -> None:
        self.inst, self.program = inst, program
        self.port = free_port()
        self.life = Lifetime()
        self.master: Master | None = None
        self.events = open(inst.path("ha.stdout.log"), "w", encoding="utf-8")
        self.errors = open(inst.path("ha.stderr.log"), "w", encoding="utf-8")

    def run(self) -> int:
        self.life.on(signal.SIGINT, signal.SIGTERM)
        remove(self.inst.path("ha.sock"), self.inst.path("ssh.sock"), self.inst.path("ga.sock"))
        api = listen_unix(self.inst.path("ha.sock"))
        threading.Thread(target=self._serve_api, args=(api,), daemon=True).start()
        driver_pid = self._start_driver()
        self._write_ssh_config()
        self._event(sshLocalPort=self.port)
        if driver_pid and self._boot(driver_pid):
            self._event(running=True, sshLocalPort=self.port)
        self._wait(driver_pid)
        self._event(exiting=True, sshLocalPort=self.port)
        self._shut_down(driver_pid)
        return 0

    def _start_driver(self) -> int:
        spawn([self.program, "fake-qemu-system-" + self.inst.arch, "-name", "lima-" + self.inst.name,
               "-pidfile", self.inst.pid_file("driver"), self.inst.name])
        return reparented(self.inst.pid_file("driver"), time.monotonic() + 10)

    def _boot(self, driver_pid: int) -> bool:
        """sshd answers at about half of the time, as on a real one; False when it came to nothing."""
        seconds = float(os.environ.get("FAKE_LIMACTL_BOOT_SECONDS", "0"))
        if not self._live_for(seconds / 2, driver_pid):
            return False
        with open(self.inst.path(store.GUEST_UP), "w", encoding="ascii"):
            pass
        self.master = Master(self.inst.path("ssh.sock"))
        if not self._live_for(seconds / 2, driver_pid):
            return False
        self._ga = listen_unix(self.inst.path("ga.sock"))
        return True

    def _live_for(self, seconds: float, driver_pid: int) -> bool:
        end = time.monotonic() + seconds
        while not self.life.over() and store.alive(driver_pid):
            if time.monotonic() >= end:
                return True
            time.sleep(min(POLL, seconds))
        return False

    def _wait(self, driver_pid: int) -> None:
        while not self.life.over() and store.alive(driver_pid):
            self._drop_ended_master()
            time.sleep(POLL)
        if not self.life.asked:
            time.sleep(4 * POLL)    # a "stop -f" kills the driver first, and us next: leave it the tidying up

    def _drop_ended_master(self) -> None:
        """``ssh -O exit``: Lima does not make a new one."""
        if self.master and self.master.ended.is_set():
            self.master.close()
            self.master = None

    def _shut_down(self, driver_pid: int) -> None:
        if self.master:
            self.master.close()
        if driver_pid:
            store.kill(driver_pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while store.alive(driver_pid) and time.monotonic() < end:
            time.sleep(0.01)
        self._remove_traces()

    def _remove_traces(self) -> None:
        remove(*map(self.inst.path, ("ga.sock", "ha.sock", store.GUEST_UP, "mountinfo.tmp")), self.inst.pid_file("ha"))

    def _write_ssh_config(self) -> None:
        user = os.environ.get("USER") or os.environ.get("LOGNAME") or "lima"
        text = SSH_CONFIG.format(name=self.inst.name, home=store.lima_home(), dir=self.inst.dir, port=self.port, user=user)
        fd = os.open(self.inst.path("ssh.config"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, text.encode())
        os.close(fd)

    def _event(self, **status: object) -> None:
        self.events.write(json.dumps({"time": now(), "status": status}, separators=(",", ":")) + "\n")
        self.events.flush()

    def _serve_api(self, server: socket.socket) -> None:
        """GET /v1/info, whatever is asked."""
        body = json.dumps({"sshLocalPort": self.port}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        while True:
            client, _ = server.accept()
            with client:
                client.settimeout(3)
                try:
                    if client.recv(4096):
                        client.sendall(head % len(body) + body)
                except OSError:
                    pass


def host_agent(inst: store.Instance, program: str) -> int:
    """The pid file is the lock: who finds one alive goes away."""
    if store.read_pid(inst.pid_file("ha")):
        return 1
    if not create_pid_file(inst.pid_file("ha")):
        return 1
    return HostAgent(inst, program).run()
