"""The fakes against the record of the real thing, and their own promises.

The replay runs every call of tests/data/limactl/2.2.0.json, in order, against the fake limactl.  Exit status,
standard output and standard error must be the same; what is compared less strictly stands in LESS_STRICT.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from fakelima import miniyaml, yq  # noqa: E402

RECORD: list[dict[str, Any]] = json.loads((HERE.parent / "data/limactl/2.2.0.json").read_text(encoding="utf-8"))
LIMACTL, SSH = str(HERE / "limactl"), str(HERE / "ssh")
ROBUST_FORM = next(c["argv"][3] for c in RECORD if "--format" in c.get("argv", []))
PREFIX = "/usr/local"

# What the recording did between its calls, by the note of the call that follows.
MEANWHILE: dict[str, Callable[[Path], None]] = {
    "list with a broken yaml": lambda home: (home / "p1/lima.yaml").write_text("cpus: [\n") and None,
    "dir without lima.yaml: list": lambda home: (home / "empty").mkdir(),
}
LESS_STRICT = {
    "list --json": "the defaults which Lima fills into .config are not compared",
    "list --json with a broken yaml": "the same",
    "clone, --set gives an invalid value: the clone stays": "the fake writes JSON, so the excerpt from the file differs",
    "clone from a broken source": "only the first lines of a Go stack",
    "clone, socket path too long": "the length depends on where the test runs",
    "start (boots; qemu tcg)": "the recording's QEMU arguments by environment are remarked upon by Lima",
    "start --timeout too short: fails, VM keeps running": "the same; and the test waits less than 5 s",
}


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The condition's first true value; the test fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return value


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Lab:
    """A home for pretended VMs, short enough for socket paths."""

    def __init__(self, root: Path) -> None:
        self.root, self.home = root, root / ".tr"
        self.home.mkdir()
        self.images = root / "images"
        self.images.mkdir()
        header = b"QFI\xfb" + bytes(20) + (3 << 30).to_bytes(8, "big")
        (self.images / "root.qcow2").write_bytes(header)
        (self.images / "vmlinuz").write_bytes(b"kernel")
        (self.images / "initrd").write_bytes(b"initrd")
        self.log, self.ssh_log, self.script = root / "limactl.jsonl", root / "ssh.jsonl", root / "faults.json"
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(root), "USER": "lima-user", "LIMA_HOME": str(self.home), "TZ": "UTC",
            "FAKE_LIMACTL_ALLOW_ROOT": "1", "FAKE_LIMACTL_ARCH": "x86_64", "FAKE_LIMACTL_CPUS": "2",
            "FAKE_LIMACTL_PREFIX": PREFIX, "FAKE_LIMACTL_MAX_LIFE": "120", "FAKE_LIMACTL_LOG": str(self.log),
            "FAKE_LIMACTL_SCRIPT": str(self.script), "FAKE_SSH_LOG": str(self.ssh_log)}

    def run(self, *argv: str, stdin: str | None = None, program: str = LIMACTL, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *argv], input=stdin or "", cwd=self.root, env={**self.env, **env}, text=True,
                              capture_output=True, timeout=60)

    def popen(self, *argv: str, program: str = LIMACTL, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen([program, *argv], cwd=self.root, env={**self.env, **env}, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def create(self, name: str = "base", **config: Any) -> None:
        config = {"images": [{"location": str(self.images / "root.qcow2")}], "mounts": [], **config}
        done = self.run("create", "--tty=false", "--name", name, "-", stdin=json.dumps(config))
        assert done.returncode == 0, done.stderr

    def started(self, name: str = "base", **config: Any) -> Path:
        self.create(name, **config)
        done = self.run("start", "--tty=false", name)
        assert done.returncode == 0, done.stderr
        return self.home / name

    def listed(self) -> dict[str, dict[str, Any]]:
        lines = self.run("list", "--format", ROBUST_FORM).stdout.splitlines()
        return {value["name"]: value for value in map(json.loads, lines)}

    def ssh(self, *argv: str, name: str = "base", stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        return self.run("-F", str(self.home / name / "ssh.config"), *argv, program=SSH, stdin=stdin, **env)

    def faults(self, *faults: dict[str, Any]) -> None:
        self.script.write_text(json.dumps({"faults": faults}))

    def calls(self, event: str = "call") -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [value for value in map(json.loads, lines) if value["event"] == event]

    def close(self) -> None:
        """Every VM that is left ends with its home; the pid files say whom to wait for."""
        pids = [int(p.read_text() or 0) for p in self.home.glob("*/*.pid")]
        shutil.rmtree(self.root)
        for pid in pids:
            until(lambda: is_dead(pid))


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab(Path(tempfile.mkdtemp(prefix="csb", dir="/tmp")).resolve())
    try:
        yield made
    finally:
        made.close()


# ---- the replay --------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def replay() -> Iterator[list[dict[str, Any]]]:
    made = Lab(Path(tempfile.mkdtemp(prefix="csb", dir="/tmp")).resolve())
    try:
        base = next(c["stdin"] for c in RECORD if c["note"] == "create from stdin")
        made.run("create", "--tty=false", "--name", "base", "-", stdin=base.replace("$IMAGES", str(made.images)))
        yield [answer_of(made, call) for call in RECORD]
    finally:
        made.close()


def answer_of(lab: Lab, call: dict[str, Any]) -> dict[str, Any]:
    MEANWHILE.get(call["note"], lambda _home: None)(lab.home)
    if "content" in call:
        name = "ssh.config" if "ssh.config" in call["note"] else "ha.stdout.log"
        return {"content": normalise((lab.home / "r1" / name).read_text(), lab)}
    argv = ["0.5s" if word == "5s" else word for word in call["argv"][1:]]
    slow = {"FAKE_LIMACTL_BOOT_SECONDS": "60"} if "--timeout" in argv else {}
    stdin = (call["stdin"] or "").replace("$IMAGES", str(lab.images))
    done = lab.run(*argv, stdin=stdin, **slow)
    return {"exit": done.returncode, "stdout": normalise(done.stdout, lab), "stderr": normalise(done.stderr, lab)}


def normalise(text: str, lab: Lab) -> str:
    for value, name in ((lab.home, "$LIMA_HOME"), (lab.images, "$IMAGES"), (PREFIX + "/share", "$PREFIX/share"),
                        ("/home/lima-user/", "$HOME/")):
        text = text.replace(str(value), name)
    return without_numbers(text)


def without_numbers(text: str) -> str:
    """Times, pids and ports, in the recording as in the answers."""
    text = re.sub(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "TIME", text)
    text = re.sub(r"(process|Port:?|\"sshLocalPort\":|\"(?:hostAgent|driver)PID\":) ?(?!0\b)(\d+|PID)", r"\1 N", text)
    return text


def loosen(note: str, answer: dict[str, Any]) -> dict[str, Any]:
    """What LESS_STRICT allows."""
    stdout, stderr = answer["stdout"], answer["stderr"]
    if note.startswith("list --json"):
        stdout = [{k: v for k, v in json.loads(line).items() if k != "config"} for line in stdout.splitlines()]
    elif "invalid value" in note:
        stderr = re.sub(r"\[\d+:\d+\] (.*?)\\n.*", r"\1", stderr)
    elif "broken source" in note:
        stderr = stderr.splitlines()[:2]
    elif "too long" in note:
        stderr = re.sub(r"but is \d+", "but is N", stderr)
    elif "start" in note:
        stderr = [line for line in stderr.splitlines() if "Specifying args" not in line and "Not adding QEMU" not in line]
    return {**answer, "stdout": stdout, "stderr": stderr}


@pytest.mark.parametrize("index", range(len(RECORD)), ids=[c["note"].replace(" ", "-") for c in RECORD])
def test_answers_as_recorded(index: int, replay: list[dict[str, Any]]) -> None:
    call, got = RECORD[index], replay[index]
    wanted = {key: without_numbers(call[key]) if isinstance(call[key], str) else call[key] for key in got}
    if call["note"] == "info":
        wanted["stdout"], got["stdout"] = json.loads(wanted["stdout"]), json.loads(got["stdout"])
    if call["note"] in LESS_STRICT:
        wanted, got = loosen(call["note"], wanted), loosen(call["note"], got)
    assert got == wanted


def test_less_strict_names_exist() -> None:
    assert set(LESS_STRICT) | set(MEANWHILE) <= {c["note"] for c in RECORD}


# ---- limactl -----------------------------------------------------------------------------------------------

def test_refuses_root(lab: Lab) -> None:
    done = lab.run("list", FAKE_LIMACTL_ALLOW_ROOT="")
    assert (done.returncode, "must not run as the root user" in done.stderr) == ((1, True) if os.geteuid() == 0 else (0, False))


def test_life_of_a_vm(lab: Lab) -> None:
    directory = lab.started()
    vm = lab.listed()["base"]
    assert vm["status"] == "Running"
    assert vm["hostAgentPID"] == int((directory / "ha.pid").read_text())
    assert "hostagent" in Path(f"/proc/{vm['hostAgentPID']}/cmdline").read_text()
    assert "qemu-system" in Path(f"/proc/{vm['driverPID']}/cmdline").read_text()
    assert lab.run("stop", "base").returncode == 0
    assert is_dead(vm["hostAgentPID"]) and is_dead(vm["driverPID"])
    assert lab.listed()["base"]["status"] == "Stopped"
    events = [json.loads(line)["status"] for line in (directory / "ha.stdout.log").read_text().splitlines()]
    assert [next(iter(e)) for e in events] == ["sshLocalPort", "running", "exiting"]
    assert lab.run("delete", "base").returncode == 0
    assert lab.listed() == {}


def test_host_agent_killed_leaves_the_driver(lab: Lab) -> None:
    lab.started()
    vm = lab.listed()["base"]
    os.kill(vm["hostAgentPID"], signal.SIGKILL)
    until(lambda: lab.listed()["base"]["status"] == "Broken")
    assert lab.ssh("lima-base", "true").returncode == 0
    assert lab.run("stop", "base").returncode == 1
    assert lab.run("stop", "-f", "base").returncode == 0
    until(lambda: is_dead(vm["driverPID"]))


def test_driver_killed_ends_the_host_agent(lab: Lab) -> None:
    lab.started()
    vm = lab.listed()["base"]
    os.kill(vm["driverPID"], signal.SIGKILL)
    until(lambda: lab.listed()["base"]["status"] == "Stopped")
    until(lambda: is_dead(vm["hostAgentPID"]))


def test_a_running_vm_with_a_broken_yaml_survives_its_deletion(lab: Lab) -> None:
    directory = lab.started()
    vm = lab.listed()["base"]
    (directory / "lima.yaml").write_text("a: [\n")
    assert lab.run("delete", "-f", "base").returncode == 0
    assert not directory.exists() and not is_dead(vm["driverPID"])
    for pid in (vm["hostAgentPID"], vm["driverPID"]):
        os.kill(pid, signal.SIGKILL)


def test_a_mount_that_became_a_file(lab: Lab) -> None:
    place = lab.root / "share"
    place.mkdir()
    lab.create(mounts=[{"location": str(place)}])
    place.rmdir()
    place.write_text("")
    vm = lab.listed()["base"]
    assert vm["status"] == "" and "refers to a non-directory path" in vm["errors"][0]


def test_clone_skips_what_belongs_to_the_source(lab: Lab) -> None:
    lab.started()
    assert lab.run("stop", "base").returncode == 0
    assert lab.run("protect", "base").returncode == 0
    odd = [{"location": f'{lab.root}/ö "\\( \t'}]
    encoded = base64.b64encode(json.dumps(odd).encode()).decode()
    done = lab.run("clone", "--tty=false", "base", "p", "--set", f'.mounts = ("{encoded}" | @base64d | @jsond) | .cpus = 3')
    assert done.returncode == 0, done.stderr
    config = json.loads((lab.home / "p/lima.yaml").read_text())
    assert (config["mounts"], config["cpus"]) == (odd, 3)
    names = {path.name for path in (lab.home / "p").iterdir()}
    assert "protected" not in names and not [n for n in names if n.endswith((".pid", ".sock", ".tmp"))]
    listed = lab.listed()
    assert listed["p"]["sshLocalPort"] == listed["base"]["sshLocalPort"] != 0      # stale, as in Lima


def test_rejected_clone_leaves_both_behind(lab: Lab) -> None:
    lab.create()
    done = lab.run("clone", "--tty=false", "base", "p", "--set", '.mounts = [{"location": "relative"}]')
    assert done.returncode == 1
    assert (lab.root / "lima.REJECTED.yaml").exists() and (lab.home / "p/lima.yaml").exists()


def test_starting_an_unknown_name_mounts_the_home(lab: Lab) -> None:
    """Lima's trap T6, which libclaudesandbox must never step into."""
    assert lab.run("start", "--tty=false", "typo").returncode == 0
    assert json.loads((lab.home / "typo/lima.yaml").read_text())["mounts"] == [{"location": "~"}]


def test_json_log(lab: Lab) -> None:
    done = lab.run("--log-format", "json", "stop", "nosuch")
    assert json.loads(done.stderr)["level"] == "fatal"


# ---- faults and the record ---------------------------------------------------------------------------------

def test_calls_are_recorded(lab: Lab) -> None:
    lab.run("list", "-q", SECRET="not copied")
    call = lab.calls()[-1]
    assert (call["argv"], call["exit"], call["cwd"]) == (["list", "-q"], 0, str(lab.root))
    assert call["LIMA_HOME"] == str(lab.home)
    assert call["fds"] == []
    assert "SECRET" in call["env_names"] and "not copied" not in json.dumps(call)


def test_fault_with_an_exit_and_a_count(lab: Lab) -> None:
    lab.faults({"verb": "list", "times": 2, "stderr": "boom\n", "exit": 7})
    got = [lab.run("list", "-q") for _ in range(3)]
    assert [d.returncode for d in got] == [7, 7, 0]
    assert got[0].stderr == "boom\n"
    assert lab.run("--version").returncode == 0


def test_fault_truncates_the_output(lab: Lab) -> None:
    lab.create()
    lab.faults({"verb": "list", "truncate": 10})
    done = lab.run("list", "--format", ROBUST_FORM)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, '{"name":"b')
    assert lab.calls()[-1]["exit"] == -signal.SIGKILL


def test_fault_full_disk_leaves_a_half_made_clone(lab: Lab) -> None:
    lab.create()
    lab.faults({"verb": "clone", "at": "copy", "kind": "disk_full"})
    done = lab.run("clone", "--tty=false", "base", "p")
    assert done.returncode == 1 and f"write {lab.home}/p/disk: no space left on device" in done.stderr
    assert (lab.home / "p/disk").exists() and not (lab.home / "p/lima.yaml").exists()
    assert lab.listed()["p"]["status"] == "Broken"


def test_fault_hangs_until_a_signal(lab: Lab) -> None:
    lab.faults({"verb": "start", "hang": True})
    hanging = lab.popen("start", "base")
    until(lambda: lab.calls("fault"))
    hanging.terminate()
    assert hanging.wait(10) == -signal.SIGTERM
    assert lab.calls()[-1]["exit"] == -signal.SIGTERM


def test_fault_hangs_even_against_sigterm(lab: Lab) -> None:
    lab.faults({"verb": "list", "hang": True, "ignore_term": True})
    hanging = lab.popen("list")
    until(lambda: lab.calls("fault"))
    hanging.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        hanging.wait(0.3)
    hanging.kill()
    assert hanging.wait(10) == -signal.SIGKILL


def test_fault_while_booting_leaves_a_vm(lab: Lab) -> None:
    lab.create()
    lab.faults({"verb": "start", "at": "boot", "signal": 9})
    assert lab.run("start", "--tty=false", "base").returncode == -signal.SIGKILL
    assert lab.listed()["base"]["status"] == "Running"


# ---- ssh ---------------------------------------------------------------------------------------------------

def test_ssh_passes_everything_through(lab: Lab) -> None:
    lab.started()
    done = lab.ssh("-T", "lima-base", "--", "cat; echo err >&2; exit 42", stdin="in")
    assert (done.returncode, done.stdout, done.stderr) == (42, "in", "err\n")
    assert lab.ssh("lima-base", "kill -9 $$").returncode == 255
    assert lab.ssh("-tt", "lima-base", "test -t 0 && test -t 1 && exit 9").returncode == 9


def test_ssh_environment(lab: Lab) -> None:
    lab.started(env={"FROM_YAML": "1"})
    done = lab.ssh("-o", "SendEnv=LC_* SECRET", "lima-base", "env", LC_TEST="yes", SECRET="no", LANG="C.UTF-8")
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert (seen["LC_TEST"], seen["FROM_YAML"]) == ("yes", "1")
    assert "SECRET" not in seen and "LANG" not in seen
    assert seen["HOME"] == str(lab.home / "base/guest-root/home")


def test_ssh_guest_root_and_paths(lab: Lab) -> None:
    lab.started()
    root = lab.root / "guest"
    env = {"FAKE_GUEST_ROOT": str(root), "FAKE_GUEST_PATHS": "/run/user:/mnt"}
    assert lab.ssh("lima-base", "sudo mkdir -p /run/user/1/x /mnt; pwd", **env).stdout == f"{root}\n"
    assert (root / "run/user/1/x").is_dir() and (root / "home").is_dir()


def test_ssh_mountinfo(lab: Lab) -> None:
    (lab.root / "project").mkdir()
    lab.started(mountType="9p", mounts=[
        {"location": str(lab.root / "project"), "writable": True},
        {"location": str(lab.root / "project"), "mountPoint": "/mnt/a\\040b"},
        {"location": str(lab.root / "project"), "mountPoint": "/mnt/lost one"}])
    lines = lab.ssh("lima-base", "cat /proc/self/mountinfo").stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith(f"36 22 0:30 / {lab.root}/project rw,relatime shared:20 - 9p mount0 rw,")
    assert " / /mnt/a\\040b ro,relatime " in lines[2]
    assert (lab.home / "base/guest-root/mnt/a b").resolve() == lab.root / "project"
    script = "sudo mount -t 9p -o ro tag '/x y'; tail -n1 /proc/self/mountinfo; umount '/x y'; wc -l </proc/self/mountinfo"
    added, count = lab.ssh("lima-base", script).stdout.splitlines()
    assert " / /x\\040y ro,relatime " in added and added.endswith("- 9p tag ro")
    assert count.strip() == "3"


def test_ssh_bind_mount(lab: Lab) -> None:
    """As the kernel has it: the device, type and options of what it is a part of, and which part."""
    lab.started(mountType="9p", mounts=[
        {"location": str(lab.root), "mountPoint": "/mnt/a\\040b", "writable": True},
        {"location": str(lab.root), "mountPoint": "/mnt/a", "writable": False}])
    script = "for s in '/mnt/a b' '/mnt/a b/c d' /mnt/a /mnt/ax/y; do sudo mount --bind \"$s\" /at; done; " \
             "sudo mount --bind -o ro /mnt/ax /at; tail -n5 /proc/self/mountinfo"
    lines = lab.ssh("lima-base", script).stdout.splitlines()
    assert [line.split(" ", 1)[1].split(",access")[0] for line in lines] == [
        "22 0:30 / /at rw,relatime shared:63 - 9p mount0 rw,sync,dirsync",
        "22 0:30 /c\\040d /at rw,relatime shared:64 - 9p mount0 rw,sync,dirsync",
        "22 0:31 / /at ro,relatime shared:65 - 9p mount1 ro,sync,dirsync",
        "22 254:1 /mnt/ax/y /at rw,relatime shared:66 - ext4 /dev/vda1 rw,errors=remount-ro",
        "22 254:1 /mnt/ax /at ro,relatime shared:67 - ext4 /dev/vda1 rw,errors=remount-ro"]


def test_ssh_without_a_vm(lab: Lab) -> None:
    directory = lab.started()
    lab.run("stop", "base")
    log = lab.root / "ssh.err"
    done = lab.ssh("-E", str(log), "lima-base", "true")
    assert (done.returncode, done.stderr) == (255, "")
    assert "Connection refused" in log.read_text()
    assert lab.ssh("-O", "check", "lima-base").returncode == 255
    assert lab.ssh("lima-other", "true").returncode == 255
    assert not (directory / "ssh.sock").exists()


def test_ssh_is_refused_while_booting(lab: Lab) -> None:
    lab.create()
    starting = lab.popen("start", "--tty=false", "base", FAKE_LIMACTL_BOOT_SECONDS="60")
    until(lambda: (lab.home / "base/ssh.config").exists() and lab.listed()["base"]["status"] == "Running")
    assert lab.ssh("lima-base", "true").returncode == 255
    assert lab.run("stop", "-f", "base").returncode == 0
    starting.communicate(timeout=20)
    assert starting.returncode == 1


def test_ssh_master_and_forwards(lab: Lab) -> None:
    lab.started()
    path, host, guest = (str(lab.root / name) for name in ("m.sock", "host.sock", "guest.sock"))
    through = ("-S", path)
    assert lab.ssh(*through, "-O", "check", "lima-base").returncode == 255
    assert lab.ssh("-fN", "-M", *through, "lima-base").returncode == 0
    assert "Master running (pid=" in lab.ssh(*through, "-O", "check", "lima-base").stderr
    forward = ("-R", f"{guest}:{host}", "lima-base")
    for _ in range(2):
        assert lab.ssh(*through, "-O", "forward", *forward).returncode == 0
    assert talk(host, guest) == b"ping"
    assert lab.ssh(*through, "-O", "cancel", *forward).returncode == 0
    assert Path(guest).exists()     # sshd leaves it, and then refuses the next one
    assert lab.ssh(*through, "-O", "forward", *forward).returncode == 255
    os.unlink(guest)
    assert lab.ssh(*through, "-O", "forward", *forward).returncode == 0
    assert lab.ssh(*through, "-O", "exit", "lima-base").returncode == 0
    assert not Path(path).exists()


def talk(listen: str, connect: str) -> bytes:
    """What arrives at one socket of that which is sent to the other."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(listen)
        server.listen()
        server.settimeout(10)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        client.settimeout(10)
        client.connect(connect)
        client.sendall(b"ping")
        thread.join(10)
    return b"".join(heard)


def test_ssh_master_dies_with_its_vm(lab: Lab) -> None:
    lab.started()
    path = lab.root / "m.sock"
    assert lab.ssh("-fN", "-M", "-S", str(path), "lima-base").returncode == 0
    lab.run("stop", "base")
    until(lambda: not path.exists())


def test_ssh_killed_lets_go_of_the_pipes(lab: Lab) -> None:
    lab.started()
    mark = lab.root / "mark"
    config = str(lab.home / "base/ssh.config")
    client = lab.popen("-F", config, "lima-base", f"echo $$ >{mark}; exec sleep 60", program=SSH)
    pid = int(until(lambda: mark.exists() and mark.read_text().strip()))
    client.kill()
    assert client.communicate(timeout=10) == ("", "")
    assert not is_dead(pid)     # as under a real sshd
    os.kill(pid, signal.SIGKILL)


def test_ssh_faults(lab: Lab) -> None:
    lab.started()
    fault = json.dumps([{"verb": "exec", "match": "lucky", "stderr": "broken pipe\n", "exit": 255}])
    assert lab.ssh("lima-base", "true lucky", FAKE_SSH_FAULTS=fault).returncode == 255
    assert lab.ssh("lima-base", "true", FAKE_SSH_FAULTS=fault).returncode == 0


# ---- the small languages -----------------------------------------------------------------------------------

@pytest.mark.parametrize("expression, wanted", [
    (".a = 1", {"a": 1}),
    ('.a = "x|y" | .b.c = true', {"a": "x|y", "b": {"c": True}}),
    ('.a = ("eyJ4IjoiKCJ9"|@base64d|@jsond)', {"a": {"x": "("}}),
    (".l += [2]", {"l": [1, 2]}),
    (".l[0] = null", {"l": [None]}),
    ("del(.l)", {}),
    ('.env["a b"] = "c"', {"env": {"a b": "c"}}),
])
def test_yq(expression: str, wanted: dict[str, Any]) -> None:
    document = {"l": [1]}
    expected = {**({"l": [1]} if ".l" not in expression else {}), **wanted}
    assert yq.evaluate(expression, document) == expected
    assert document == {"l": [1]}


@pytest.mark.parametrize("expression", [".a = = 4", ".a =", '.a = ("!"|@base64d)', ".a = lots", 'x', '.a = "'])
def test_yq_errors(expression: str) -> None:
    with pytest.raises(yq.YqError):
        yq.evaluate(expression, {})


YAML = """
# a template
a: [1, two, "th#ree", {b: c, d: [e]}]   # comment
list:
- x: 1
  y: 'it''s'
- z
nested:
  script: |
    #!/bin/sh
    echo "a: b"

  more: >-
    folded
    text
  url: http://example.org:80/x
empty:
flow: {
  over: lines
}
on: true
n: -3
f: 1.5
"q k": "tab\\t"
"""


def test_mini_yaml_agrees_with_a_real_one() -> None:
    yaml = pytest.importorskip("yaml")
    texts = [YAML] + [c["stdin"] for c in RECORD if c.get("stdin") and "a: [" not in c["stdin"]]
    for text in texts:
        wanted = yaml.safe_load(text)
        if True in wanted:      # YAML 1.1 takes the key "on" for true, Go's does not
            wanted["on"] = wanted.pop(True)
        assert miniyaml.load(text) == wanted
