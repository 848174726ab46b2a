"""$LIMA_HOME as Lima keeps it: the instance directories and what can be read from them."""

from __future__ import annotations

import os
import re
import signal
import socket

from . import miniyaml
from .gotext import Fatal, Log, backquote

VERSION = os.environ.get("FAKE_LIMACTL_VERSION", "2.2.0")
ARCH = os.environ.get("FAKE_LIMACTL_ARCH") or {"arm64": "aarch64"}.get(os.uname().machine, os.uname().machine)
VM_TYPE = os.environ.get("FAKE_LIMACTL_VMTYPE", "qemu")
MAX_SOCKET = 104 if os.uname().sysname == "Darwin" else 108
GUEST_UP = "guest-up.tmp"   # there while sshd of the pretended guest would answer; *.tmp is never cloned

_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*\Z")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKmMgGtTpP]?)(?:[iI]?[bB])?\Z")
_TYPES = {
    "cpus": (int, "CPUs", "int"), "memory": (str, "Memory", "string"), "disk": (str, "Disk", "string"),
    "mounts": (list, "Mounts", "[]limatype.Mount"), "env": (dict, "Env", "map[string]string"),
    "images": (list, "Images", "[]limatype.Image"), "vmType": (str, "VMType", "string"),
    "portForwards": (list, "PortForwards", "[]limatype.PortForward"), "mountType": (str, "MountType", "string"),
}
_SYSTEM_PATHS = ("/", "/bin", "/dev", "/etc", "/home", "/opt", "/sbin", "/tmp", "/usr", "/var")


class ConfigError(Exception):
    """A lima.yaml that cannot be read or is not valid."""


def lima_home() -> str:
    return os.path.realpath(os.environ.get("LIMA_HOME") or os.path.expanduser("~/.lima"))


def parse_size(text: str) -> int:
    match = _SIZE.match(text)
    if not match:
        raise ValueError(f"invalid size: '{text}'")
    return int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " "))


def show_size(size: int) -> str:
    """units.BytesSize"""
    value, unit = float(size), 0
    while value >= 1024 and unit < 5:
        value, unit = value / 1024, unit + 1
    return f"{value:.4g}{['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit]}"


def check_name(name: str) -> None:
    shown = backquote(name)
    if not name:
        why = "identifier must not be empty"
    elif len(name) > 76:
        why = f"identifier {shown} greater than maximum length (76 characters)"
    elif not _NAME.match(name):
        why = f"identifier {shown} must match {backquote('^' + _NAME.pattern[:-2] + '$')}"
    else:
        why = "" if not name.endswith((".yml", ".yaml")) else "must not end with a YAML suffix"
    if why:
        raise Fatal(f"instance name {shown} is not a valid identifier: {why}")


def check_socket_length(name: str) -> None:
    longest = os.path.join(lima_home(), name, "ssh.sock.1234567890123456")
    if len(os.fsencode(longest)) >= MAX_SOCKET:
        raise Fatal(f"instance name {backquote(name)} too long: {backquote(longest)} must be less than "
                    f"UNIX_PATH_MAX={MAX_SOCKET} characters, but is {len(os.fsencode(longest))}")


# ---- configuration -----------------------------------------------------------------------------------------

def parse_config(text: str, source: str) -> dict:
    """Text to a configuration whose fields have the right types; the source is named in errors."""
    try:
        value = miniyaml.load(text)
    except miniyaml.YamlError as error:
        raise ConfigError(f"failed to unmarshal YAML ({source}): {error.explain(text)}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"failed to unmarshal YAML ({source}): [1:1] "
                          f"{_go_kind(value)} was used where mapping is expected")
    for key, (kind, field, go_type) in _TYPES.items():
        got = value.get(key)
        if got is not None and (not isinstance(got, kind) or isinstance(got, bool)):
            place = miniyaml.YamlError(*_place(text, key), f"cannot unmarshal {_go_kind(got)} into Go struct "
                                                           f"field LimaYAML.{field} of type {go_type}")
            raise ConfigError(f"failed to unmarshal YAML ({source}): {place.explain(text)}")
    return value


def _go_kind(value: object) -> str:
    return {str: "string", int: "uint64", float: "float64", bool: "bool", list: "[]interface {}",
            dict: "map[string]interface {}"}.get(type(value), "null")


def _place(text: str, key: str) -> tuple[int, int]:
    """Line and column of a top-level value."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(rf'\s*"?{key}"?\s*:\s*', line)
        if match:
            return number, match.end() + 1
    return 1, 1


def validate(config: dict, log: Log | None = None) -> None:
    """The checks that libclaudesandbox can run into; a log makes it warn as create, clone and edit do."""
    if not config.get("images"):
        raise ConfigError("field `images` must be set")
    for field in ("memory", "disk"):
        try:
            parse_size(config.get(field) or "1GiB")
        except ValueError as error:
            raise ConfigError(f"field `{field}` has an invalid value: {error}") from None
    if config.get("cpus") is not None and config["cpus"] < 0:
        raise ConfigError("field `cpus` must be set")
    for index, mount in enumerate(config.get("mounts") or []):
        _validate_mount(index, mount, log)


def _validate_mount(index: int, mount: dict, log: Log | None) -> None:
    location = str(mount.get("location") or "")
    field, shown = f"field `mounts[{index}].location`", backquote(location)
    place = os.path.expanduser(location)
    if not os.path.exists(place):
        if log:
            log.warning(f"{field} refers to a non-existent directory: {shown}:")
    elif not os.path.isdir(place):
        raise ConfigError(f"{field} refers to a non-directory path: {shown}: %!w(<nil>)")
    if not os.path.isabs(place):
        raise ConfigError(f"{field} must be an absolute path, got {shown}")
    target = mount.get("mountPoint") or place
    if target in _SYSTEM_PATHS:
        raise ConfigError(f"field `mounts[{index}].mountPoint` must not be a system path such as /etc or /usr")


# ---- processes ---------------------------------------------------------------------------------------------

def alive(pid: int) -> bool:
    """A zombie is dead here.  (Real Lima takes it for alive until it is reaped.)"""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return True


def read_pid(path: str) -> int:
    """0 when there is none or it has died; a stale file is removed, as Lima does."""
    try:
        with open(path, encoding="ascii") as file:
            pid = int(file.read().strip() or 0)
    except (OSError, ValueError):
        return 0
    if pid == 0 or alive(pid):
        return pid
    try:
        os.unlink(path)
    except OSError:
        pass
    return 0


def can_connect(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(3)
        try:
            client.connect(path)
        except OSError:
            return False
    return True


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


# ---- instances ---------------------------------------------------------------------------------------------

class Instance:
    """What ``limactl list`` knows of one; with errors, most of it is empty."""

    def __init__(self, name: str) -> None:
        self.name, self.dir = name, os.path.join(lima_home(), name)
        self.status, self.vm_type, self.arch, self.lima_version = "", "", "", ""
        self.ssh_config = ""
        self.cpus = self.memory = self.disk = self.ssh_port = self.host_agent_pid = self.driver_pid = 0
        self.protected = False
        self.config: dict | None = None
        self.errors: list[str] = []

    def path(self, *names: str) -> str:
        return os.path.join(self.dir, *names)

    @property
    def config_file(self) -> str:
        return self.path("lima.yaml")

    def read_config_text(self) -> str:
        with open(self.config_file, encoding="utf-8") as file:
            return file.read()

    def write_config(self, text: str) -> None:
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(text)

    def pid_file(self, kind: str) -> str:
        return self.path("ha.pid" if kind == "ha" else f"{self.vm_type or VM_TYPE}.pid")

    def fields(self) -> dict[str, object]:
        """By the names of the Go template."""
        return {"Name": self.name, "Status": self.status, "Dir": self.dir, "VMType": self.vm_type, "Arch": self.arch,
                "CPUs": self.cpus, "Memory": self.memory, "Disk": self.disk, "SSHLocalPort": self.ssh_port,
                "SSHConfigFile": self.ssh_config, "HostAgentPID": self.host_agent_pid, "DriverPID": self.driver_pid,
                "Protected": self.protected, "LimaVersion": self.lima_version, "Errors": self.errors,
                "Hostname": "lima-" + re.sub(r"[._]", "-", self.name), "SSHAddress": "127.0.0.1" if self.config is not None else "",
                "Message": "", "Config": self.config}


def names() -> list[str]:
    try:
        entries = os.scandir(lima_home())
    except FileNotFoundError:
        return []
    return sorted(e.name for e in entries if e.is_dir() and e.name[0] not in "._")


def exists(name: str) -> bool:
    return os.path.isdir(os.path.join(lima_home(), name))


def inspect(name: str) -> Instance:
    """FileNotFoundError (with Go's words) when there is no lima.yaml; other trouble is in ``errors``."""
    inst = Instance(name)
    try:
        text = inst.read_config_text()
    except FileNotFoundError:
        raise FileNotFoundError(f"open {inst.config_file}: no such file or directory") from None
    except PermissionError:
        inst.errors = [f"open {inst.config_file}: permission denied"]
        return inst
    try:
        inst.config = parse_config(text, f"main file {backquote(inst.config_file)}")
        validate(inst.config)
    except ConfigError as error:
        inst.config, inst.errors = None, [str(error)]
        return inst
    _fill(inst, inst.config)
    _fill_status(inst)
    return inst


def _fill(inst: Instance, config: dict) -> None:
    cpus = int(os.environ.get("FAKE_LIMACTL_CPUS", min(4, os.cpu_count() or 1)))
    inst.vm_type, inst.arch = config.get("vmType") or VM_TYPE, config.get("arch") or ARCH
    inst.cpus = config.get("cpus") or cpus
    inst.memory = parse_size(config.get("memory") or "4GiB")
    inst.disk = parse_size(config.get("disk") or "100GiB")
    inst.ssh_config = inst.path("ssh.config")
    inst.ssh_port = ssh_port(inst.ssh_config)
    inst.protected = os.path.exists(inst.path("protected"))
    try:
        with open(inst.path("lima-version"), encoding="utf-8") as file:
            inst.lima_version = file.read().strip()
    except OSError:
        pass


def _fill_status(inst: Instance) -> None:
    inst.host_agent_pid, inst.driver_pid = read_pid(inst.pid_file("ha")), read_pid(inst.pid_file("driver"))
    if inst.host_agent_pid and inst.driver_pid:
        inst.status = "Running"
    elif not inst.host_agent_pid and not inst.driver_pid:
        inst.status = "Stopped"
    else:
        inst.status = "Broken"
        inst.errors.append("host agent is running but driver is not" if inst.host_agent_pid
                           else "driver is running but host agent is not")
    if inst.host_agent_pid and not can_connect(inst.path("ha.sock")):
        inst.status = "Broken"
        inst.errors.append(f"failed to connect to {backquote(inst.path('ha.sock'))}")


def ssh_port(config_file: str) -> int:
    """Of the last start; for a clone that never ran, its source's."""
    try:
        with open(config_file, encoding="utf-8") as file:
            match = re.search(r"^\s*Port\s+(\d+)", file.read(), re.M)
    except OSError:
        return 0
    return int(match[1]) if match else 0
