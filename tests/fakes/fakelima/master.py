"""The ssh connection that others share: a control socket, and the forwards that hang on it.

Real ssh speaks a binary protocol on that socket; here a client sends one JSON line and gets one back.
Nobody but the fake ssh speaks it, everybody else only looks whether connect() works.
"""

from __future__ import annotations

import json
import os
import socket
import threading


def listen_unix(path: str) -> socket.socket:
    """bind() alone makes the file appear; with the umask's permissions cut to the owner."""
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind(path)
        os.chmod(path, 0o600)
        server.listen(64)
    except OSError:
        server.close()
        raise
    return server


def parse_end(text: str) -> tuple[str, object]:
    """/path, PORT or HOST:PORT as ("unix", path) or ("tcp", (host, port))."""
    if text.startswith("/"):
        return "unix", text
    host, _, port = text.rpartition(":")
    return "tcp", (host.strip("[]") or "127.0.0.1", int(port))


def split_spec(spec: str) -> tuple[str, str]:
    """[bind:]port:host:hostport, port:/path, /path:/path, /path:host:port as (listen, connect)."""
    if spec.startswith("/"):
        listen, _, connect = spec.partition(":")
        return listen, connect
    head, slash, path = spec.partition(":/")
    if slash:
        return head, "/" + path
    *bind, port, host, host_port = spec.split(":")
    return ":".join(bind + [port]), f"{host}:{host_port}"


class Forward:
    """One listener; every connection to it is joined with a new one to the other end."""

    def __init__(self, direction: str, listen: str, connect: str) -> None:
        kind, address = parse_end(listen)
        if kind == "unix":
            self.server = listen_unix(str(address))
        else:
            self.server = socket.create_server(address)
        self.unlink = str(address) if kind == "unix" and direction == "L" else ""
        self.connect = connect
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """A cancelled or broken -R leaves its socket file in the guest, as sshd does."""
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()
        if self.unlink:
            _unlink(self.unlink)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        kind, address = parse_end(self.connect)
        other = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
        try:
            other.connect(address)
        except OSError:
            client.close()
            other.close()
            return
        there = threading.Thread(target=_pump, args=(client, other), daemon=True)
        there.start()
        _pump(other, client)
        there.join()
        client.close()
        other.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


class Master:
    """Answers on a control socket until closed."""

    def __init__(self, path: str) -> None:
        self.path, self.ended = path, threading.Event()
        self.forwards: dict[tuple[str, str], Forward] = {}
        self.server = listen_unix(path)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self.ended.set()
        for forward in self.forwards.values():
            forward.close()
        self.server.close()
        _unlink(self.path)

    def _serve(self) -> None:
        while not self.ended.is_set():
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                try:
                    line = client.makefile().readline()
                    if line.strip():
                        self._reply(client, json.loads(line))
                except (OSError, ValueError):
                    pass

    def _reply(self, client: socket.socket, asked: dict) -> None:
        """The end is made known only after the answer is out: the process leaves at once then."""
        client.sendall((json.dumps(self._answer(asked)) + "\n").encode())
        if asked["verb"] in ("exit", "stop"):
            self.ended.set()

    def _answer(self, request: dict) -> dict:
        verb = request["verb"]
        if verb in ("forward", "cancel"):
            error = ""
            for direction, listen, connect in request["forwards"]:
                error = error or getattr(self, verb)(direction, listen, connect)
            return {"pid": os.getpid(), "error": error}
        return {"pid": os.getpid(), "error": ""}

    def forward(self, direction: str, listen: str, connect: str) -> str:
        """Asking twice for the same is fine; a path in the way is not."""
        if (direction, listen) in self.forwards:
            return ""
        try:
            self.forwards[direction, listen] = Forward(direction, listen, connect)
        except OSError:
            kind = "remote" if direction == "R" else "local"
            return f"{kind} port forwarding failed for listen path {listen}"
        return ""

    def cancel(self, direction: str, listen: str, _connect: str) -> str:
        forward = self.forwards.pop((direction, listen), None)
        if not forward:
            return "port not found"
        forward.close()
        return ""


def request(path: str, **fields: object) -> dict:
    """Ask a master; OSError when there is none."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        client.sendall((json.dumps(fields) + "\n").encode())
        return json.loads(client.makefile().readline() or '{"pid": 0, "error": "no answer"}')
