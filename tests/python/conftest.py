"""The package as it is installed, in the pretended world of tests/e2e/fakelab.py."""
from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import claudesandbox as cs  # noqa: E402
from fakelab import BASE, FakeLab  # noqa: E402
from sandbox import until  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)    # who runs in the background is begun without


class Web:
    """A machine "web" that is no more than a record, which is enough for its hooks to be heard."""

    def __init__(self, state: Path) -> None:
        self.socket_dir = state / "run/hooks"
        record = {"schema": 1, "name": "web", "engine": "qemu", "engine_home": "", "created": 1, "complete": True,
                  "project_dir": "/home/ann/café", "cpus": 0, "memory": 0, "disk": 0, "mounts": [], "ports": []}
        (state / "vms").mkdir(parents=True)
        (state / "vms/web.json").write_text(json.dumps(record))

    def post(self, **event: Any) -> str:
        """What Claude is answered: JSON."""
        path = until(lambda: list(self.socket_dir.glob("*.sock")), "somebody listens")[0]
        body = json.dumps(event).encode()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(path))
            s.sendall(b"POST /hook HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                      % (len(body), body))
            answer = b"".join(iter(lambda: s.recv(65536), b""))
        head, _, text = answer.partition(b"\r\n\r\n")
        assert head.split()[1] in (b"200", b"204"), answer
        return text.decode()

    def posting(self, **event: Any) -> Posting:
        return Posting(self, event)


class Posting(threading.Thread):
    """Claude, while it waits for an answer."""

    def __init__(self, web: Web, event: dict[str, Any]) -> None:
        super().__init__()
        self.web, self.event, self.text = web, event, "(none)"
        self.start()

    def run(self) -> None:
        self.text = self.web.post(**self.event)

    def answer(self) -> Any:
        """{} where nobody has anything to say."""
        self.join(60)
        assert not self.is_alive()
        return json.loads(self.text)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        for item in items:
            if str(item.fspath).startswith(os.path.dirname(os.path.abspath(__file__)) + os.sep):
                item.add_marker(pytest.mark.skip(reason="the library refuses root"))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLab]:
    """No program of ours is run in it: this process itself lives there."""
    lab = FakeLab("/nonexistent")
    for name, value in lab.env.items():
        monkeypatch.setenv(name, value)
    yield lab
    lab.close()


@pytest.fixture
def ctx(lab: FakeLab) -> Iterator[cs.Context]:
    with cs.Context() as ctx:
        yield ctx


@pytest.fixture
def base(lab: FakeLab) -> str:
    """A stopped VM of the user's, which can be cloned."""
    lab.foreign(BASE)
    return BASE


@pytest.fixture
def vm(lab: FakeLab, ctx: cs.Context, base: str) -> cs.VM:
    """One that runs, of a project."""
    vm = ctx.clone(base, project_dir=lab.project())
    vm.start()
    return vm


@pytest.fixture
def web(lab: FakeLab) -> Web:
    return Web(lab.state)
