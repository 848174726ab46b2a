"""The pretended guest: a directory on this machine, and programs run as if in it.

Nothing is isolated.  A script sees the host's files, which is what makes the project directory (mounted at
its own path) work; ``FAKE_GUEST_PATHS`` names the absolute paths that must be the guest's own.

    FAKE_GUEST_ROOT     its directory; default: guest-root in the instance directory, so clones inherit it
    FAKE_GUEST_PATHS    "/mnt:/run/user": these words in a script are prefixed with the guest's root
    FAKE_GUEST_PATH     directories put before PATH in the guest
"""

from __future__ import annotations

import os
import re

from . import miniyaml, store

GUEST_BIN = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "guest-bin")
USER = os.environ.get("USER") or os.environ.get("LOGNAME") or "lima"
MOUNTINFO = "mountinfo.tmp"
OURS = "/usr/local/lib/claude-sandbox"      # always the guest's own


class Guest:
    def __init__(self, instance_dir: str) -> None:
        self.dir = instance_dir
        self.root = os.environ.get("FAKE_GUEST_ROOT") or os.path.join(instance_dir, "guest-root")
        self.home = os.path.join(self.root, "home")
        self.config = self._read_config()

    def _read_config(self) -> dict:
        try:
            with open(os.path.join(self.dir, "lima.yaml"), encoding="utf-8") as file:
                value = miniyaml.load(file.read())
        except (OSError, miniyaml.YamlError):
            return {}
        return value if isinstance(value, dict) else {}

    def prepare(self) -> None:
        os.makedirs(self.home, exist_ok=True)
        info = os.path.join(self.dir, MOUNTINFO)
        if not os.path.exists(info):
            self._link_mounts()
            with open(f"{info}.{os.getpid()}", "w", encoding="utf-8") as file:
                file.write(self.mountinfo())
            os.replace(file.name, info)

    def _link_mounts(self) -> None:
        """A share that is mounted elsewhere than at its own path appears in the guest's root."""
        for host, target, _writable in self.mounts():
            place = target if target.startswith(self.root + "/") else self.root + target
            if target != host and not os.path.lexists(place):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.symlink(host, place)

    # -- mounts --

    def mounts(self) -> list[tuple[str, str, bool]]:
        """(host, guest, writable), later entries for the same place winning as in Lima; absent are those
        whose mountPoint has a blank or a newline, since cloud-init loses them without a word."""
        found: dict[str, tuple[str, str, bool]] = {}
        for mount in self.config.get("mounts") or []:
            location = os.path.expanduser(str(mount.get("location") or ""))
            target = self.expand(str(mount.get("mountPoint") or location))
            if not re.search(r"[ \n]", target):
                target = target.replace("\\040", " ")
                host = found.get(target, (location,))[0]
                found[target] = (host, target, bool(mount.get("writable")))
        return list(found.values())

    def expand(self, text: str) -> str:
        values = {"Home": self.home, "User": USER, "UID": str(os.getuid()), "Name": os.path.basename(self.dir),
                  "Hostname": "lima-" + os.path.basename(self.dir)}
        return re.sub(r"\{\{\s*\.(\w+)\s*\}\}", lambda m: values.get(m[1], "<no value>"), text)

    def mountinfo(self) -> str:
        """proc(5): as the guest's kernel would show the root disk and the shares."""
        kind = self.config.get("mountType") or ("virtiofs" if self.config.get("vmType") == "vz" else "9p")
        lines = ["22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro"]
        for index, (_host, target, writable) in enumerate(self.mounts()):
            access = "rw" if writable else "ro"
            lines.append(f"{36 + index} 22 0:{30 + index} / {escape(target)} {access},relatime shared:{20 + index} - "
                         f"{kind} mount{index} {access},sync,dirsync,access=client,msize=131072,trans=virtio")
        return "\n".join(lines) + "\n"

    # -- programs --

    def localise(self, script: str) -> str:
        """The literal paths of a script, made to mean this guest's."""
        script = script.replace("/proc/self/mountinfo", os.path.join(self.dir, MOUNTINFO))
        prefixes = {OURS, *filter(None, os.environ.get("FAKE_GUEST_PATHS", "").split(":"))}
        words = "|".join(re.escape(p) for p in sorted(prefixes, key=len, reverse=True))
        return re.sub(rf"(?<![\w./-])({words})(?=/|\b)", lambda m: self.root + m[1], script)

    def environment(self, extra: dict[str, str]) -> dict[str, str]:
        """What a session starts with: nothing of the caller's, but /etc/environment as Lima writes it."""
        path = [os.environ.get("FAKE_GUEST_PATH", ""), GUEST_BIN, os.path.join(self.root, "usr/local/bin"),
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        env = {str(k): str(v) for k, v in (self.config.get("env") or {}).items()}
        env.update({
            "HOME": self.home, "USER": USER, "LOGNAME": USER, "SHELL": "/bin/sh", "PATH": ":".join(filter(None, path)),
            "SSH_CONNECTION": "192.168.5.2 40000 192.168.5.15 22",
            "FAKE_GUEST_ROOT": self.root, "CSB_FAKE_MOUNTINFO": os.path.join(self.dir, MOUNTINFO)})
        env.update(extra)
        return env


def escape(path: str) -> str:
    """As the kernel does it in mountinfo."""
    return re.sub(r"[ \t\n\\]", lambda m: f"\\{ord(m[0]):03o}", path)
