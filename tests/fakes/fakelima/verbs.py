"""The commands of limactl 2.2.0, as far as libclaudesandbox and its tests use them.

Wording and order of the messages follow tests/data/limactl; test_fakes.py compares the two.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time

from . import machine, store, yq
from .faults import Call
from .gotext import Fatal, Log, backquote, dumps, quote
from .guest import Guest

NOT_CLONED = (".pid", ".sock", ".tmp")
PREFIX = os.environ.get("FAKE_LIMACTL_PREFIX", "/usr/local")
BASE_IMAGE_SIZE = 3 << 30    # of an image that is not a qcow2 file
START_TIMEOUT = 600.0
DEFAULT_TEMPLATE = {"images": [{"location": "fake:default"}], "mounts": [{"location": "~"}]}   # mounts all of $HOME!

GLOBAL_FLAGS = {"tty": bool, "yes": bool, "debug": bool, "log-format": str, "log-level": str, "help": bool}
SHORTHANDS = {"y": "yes", "h": "help"}


class Command:
    """One verb's flags and arguments, parsed as cobra does: flags may stand anywhere."""

    def __init__(self, argv: list[str], flags: dict[str, type], shorthands: dict[str, str],
                 stop_at_argument: int = 0) -> None:
        self.flags = {**GLOBAL_FLAGS, **flags}
        self.shorthands = {**SHORTHANDS, **shorthands}
        self.values: dict[str, object] = {}
        self.args: list[str] = []
        rest = list(argv)
        while rest:
            word = rest.pop(0)
            if word == "--" or stop_at_argument and len(self.args) >= stop_at_argument:
                self.args += rest if word == "--" else [word, *rest]
                break
            if word.startswith("--"):
                self._long(word, rest)
            elif word.startswith("-") and word != "-":
                self._short(word, rest)
            else:
                self.args.append(word)

    def _long(self, word: str, rest: list[str]) -> None:
        name, equals, value = word[2:].partition("=")
        if name not in self.flags:
            raise Fatal(f"unknown flag: --{name}")
        self._set(name, value if equals else None, rest, "--" + name)

    def _short(self, word: str, rest: list[str]) -> None:
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter not in self.shorthands:
                raise Fatal(f"unknown shorthand flag: {quote(letter).replace(chr(34), chr(39))} in {word}")
            name = self.shorthands[letter]
            if self.flags[name] is bool:
                self._set(name, None, rest, "")
            else:
                self._set(name, letters.removeprefix("=") or None, rest, f"'{letter}' in {word}")
                return

    def _set(self, name: str, value: str | None, rest: list[str], shown: str) -> None:
        kind = self.flags[name]
        if kind is bool:
            self.values[name] = value is None or value.lower() in ("1", "t", "true")
            return
        if value is None:
            if not rest:
                raise Fatal(f"flag needs an argument: {shown}")
            value = rest.pop(0)
        if kind is list:
            self.values.setdefault(name, []).append(value)
        else:
            self.values[name] = value

    def get(self, name: str, default: object = None) -> object:
        return self.values.get(name, default)

    def need(self, least: int, most: int | None, usage: str) -> None:
        count = len(self.args)
        if count < least or most is not None and count > most:
            wanted = f"accepts {least} arg(s)" if least == most else f"requires at least {least} arg(s)"
            raise Fatal(f'"limactl {usage}" {wanted}, received {count}.')


class Limactl:
    def __init__(self, call: Call, log: Log, program: str) -> None:
        self.call, self.log, self.program = call, log, program

    # ---- asking --------------------------------------------------------------------------------------------

    def info(self, command: Command) -> int:
        prefix, home = PREFIX, store.lima_home()
        block = ("BASH* DISPLAY DYLD_* EUID FPATH GID GROUP HOME HOSTNAME LD_* LOGNAME OLDPWD PATH PWD SHELL SHLVL "
                 "SSH_* TERM TERMINFO TMPDIR UID USER XAUTHORITY XDG_* ZDOTDIR ZSH* _*").split()
        templates = ["_default/mounts", "_images/almalinux-10"]
        agent = f"{prefix}/share/lima/lima-guestagent.Linux-{store.ARCH}"
        value = {
            "version": store.VERSION,
            "templates": [{"name": t, "location": f"{prefix}/share/lima/templates/{t}.yaml"} for t in templates],
            "limaHome": home, "vmTypes": [store.VM_TYPE], "vmTypesEx": {store.VM_TYPE: {"location": "internal"}},
            "guestAgents": {store.ARCH: {"location": agent}}, "shellEnvBlock": block,
            "hostOS": os.uname().sysname.lower(), "hostArch": store.ARCH, "identityFile": f"{home}/_config/user",
            "plugins": None, "libexecPaths": None, "sharePaths": [f"{prefix}/share/lima"]}
        self.call.out(json.dumps(value, indent=4, ensure_ascii=False) + "\n")
        return 0

    def list(self, command: Command) -> int:
        wanted, known = command.args, store.names()
        chosen = [name for name in known if not wanted or name in wanted]
        unknown = [name for name in wanted if name not in known]
        for name in unknown:
            self.log.warning(f"No instance matching {name} found.")
        if not known and not wanted:
            self.log.warning("No instance found. Run `limactl create` to create an instance.")
        if command.get("quiet"):
            self.call.out("".join(f"{name}\n" for name in chosen))
        else:
            found = [self._inspect_for_list(name) for name in known]      # all, whatever was asked for
            self._list(command, [inst for inst in found if inst.name in chosen])
        if unknown:
            raise Fatal("unmatched instances")
        return 0

    def _inspect_for_list(self, name: str) -> store.Instance:
        try:
            inst = store.inspect(name)
        except FileNotFoundError as error:
            inst = store.Instance(name)
            inst.status, inst.errors = "Broken", [str(error)]
            stat = str(error).replace("open ", "stat ", 1)
            self.log.warning(f"The directory {backquote(store.lima_home())} does not look like a valid Lima directory: {stat}")
        return inst

    def _list(self, command: Command, found: list[store.Instance]) -> None:
        for inst in found:
            if inst.errors:
                self.log.warning(f"instance {backquote(inst.name)} has errors", errors="[" + " ".join(inst.errors) + "]")
        form = str(command.get("format") or ("json" if command.get("json") else "table"))
        if form == "json":
            self.call.out("".join(dumps(_json_of(inst)) + "\n" for inst in found))
        elif form == "table":
            if found:
                self.call.out(_table(found))
        else:
            self.call.out("".join(_render(form, inst) + "\n" for inst in found))

    # ---- making --------------------------------------------------------------------------------------------

    def create(self, command: Command) -> int:
        command.need(0, 1, "create")
        inst = self._create(command)
        self.log.info(f"Run `limactl start {inst.name}` to start the instance.")
        self.call.checkpoint("end")
        return 0

    def _create(self, command: Command) -> store.Instance:
        source = command.args[0] if command.args else "template:default"
        text, name, shown = self._template(source, str(command.get("name") or ""))
        store.check_name(name)
        store.check_socket_length(name)
        if store.exists(name):
            raise Fatal(f"instance {backquote(name)} already exists")
        try:
            config = store.parse_config(text, shown)
            self.log.info("Terminal is not available, proceeding without opening an editor")
            expressions = command.get("set", [])
            if expressions:
                config = yq.evaluate(" | ".join(expressions), config)
                text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
            store.validate(config, self.log)
        except (store.ConfigError, yq.YqError) as error:
            raise Fatal(str(error)) from None
        inst = store.Instance(name)
        self._make_directory(inst, text)
        self._prepare(inst, config)
        return inst

    def _template(self, source: str, name: str) -> tuple[str, str, str]:
        """Text, instance name, and how errors call it."""
        if source == "-":
            if not name:
                raise Fatal("must pass instance name with --name when reading template from stdin")
            return sys.stdin.read(), name, "-"
        if source.startswith("template:"):
            return json.dumps(DEFAULT_TEMPLATE), name or source.partition(":")[2].strip("/"), source
        try:
            with open(source, encoding="utf-8") as file:
                return file.read(), name or re.sub(r"\.ya?ml$", "", os.path.basename(source)), source
        except FileNotFoundError:
            raise Fatal(f"open {source}: no such file or directory") from None

    def _make_directory(self, inst: store.Instance, text: str) -> None:
        self._make_keys()
        os.mkdir(inst.dir, 0o700)
        self.call.checkpoint("copy", inst.config_file)
        inst.write_config(text)
        for name, content in (("lima-version", store.VERSION), ("cloud-config.yaml", "#cloud-config\n")):
            with open(inst.path(name), "w", encoding="utf-8") as file:
                file.write(content)

    @staticmethod
    def _make_keys() -> None:
        """One identity for all instances; the fake ssh does not look at it."""
        folder = os.path.join(store.lima_home(), "_config")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name in ("user", "user.pub"):
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
                    file.write("not a key\n")

    def _prepare(self, inst: store.Instance, config: dict) -> None:
        """Fetch the image and make the disk of it, unless there is one."""
        if os.path.exists(inst.path("disk")):
            return
        image = config["images"][0]
        arch = image.get("arch") or store.ARCH
        self._fetch("image", image, arch, inst.path("disk"))
        for kind in ("kernel", "initrd"):
            if isinstance(image.get(kind), dict):
                self._fetch(kind, image[kind], arch, inst.path(kind))
        if isinstance(image.get("kernel"), dict) and image["kernel"].get("cmdline"):
            with open(inst.path("kernel.cmdline"), "w", encoding="utf-8") as file:
                file.write(image["kernel"]["cmdline"])
        have, want = _virtual_size(inst.path("disk")), store.parse_size(config.get("disk") or "100GiB")
        if want != have:
            self.log.info(f"Resize instance {inst.name}'s disk from {store.show_size(have)} to {store.show_size(want)}")

    def _fetch(self, kind: str, file: dict, arch: str, target: str) -> None:
        location = str(file.get("location") or "")
        self.log.info(f"Attempting to download the {kind}", arch=arch, digest=str(file.get("digest") or ""), location=location)
        source = os.path.expanduser(location)
        if not os.path.isabs(source):      # the network is not faked: any URL gives the same few bytes
            with open(target, "w", encoding="utf-8") as out:
                out.write(f"fake {kind} from {location}\n")
        elif not os.path.exists(source):
            raise Fatal(f"failed to download {backquote(location)}: failed to open source {location}: "
                        f"open {location}: no such file or directory")
        else:
            _copy(source, target)
        self.log.info(f"Downloaded the {kind} from {backquote(location)}")

    def clone(self, command: Command) -> int:
        command.need(2, 2, "clone OLDINST NEWINST")
        old_name, new_name = command.args
        store.check_name(new_name)
        source = self._source(old_name)
        store.check_socket_length(new_name)
        target = store.Instance(new_name)
        if store.exists(new_name):
            raise Fatal(f"instance {backquote(new_name)} already exists")
        if source.status == "Running":
            raise Fatal("cannot clone a running instance")
        self._copy_instance(source, target)
        if source.config is None:
            self._panic()
        self._edit(target, source.config, list(command.get("set", [])))
        self.call.checkpoint("end")
        return 0

    def rename(self, command: Command) -> int:
        """File by file, in the order of names; what a clone does not get is lost."""
        command.need(2, 2, "rename OLDINST NEWINST")
        old_name, new_name = command.args
        source = self._source(old_name)
        if old_name == new_name:
            raise Fatal(f"new instance name {backquote(new_name)} must be different from {backquote(old_name)}")
        store.check_name(new_name)
        store.check_socket_length(new_name)
        target = store.Instance(new_name)
        if store.exists(new_name):
            raise Fatal(f"instance {backquote(new_name)} already exists")
        if source.status == "Running":
            raise Fatal("cannot rename a running instance")
        os.mkdir(target.dir, 0o700)
        for name in sorted(os.listdir(source.dir)):
            if name in ("protected", "swtpm") or name.endswith(NOT_CLONED):
                continue
            if name == "lima.yaml":
                self.call.checkpoint("copy", target.path("disk"))
            os.rename(source.path(name), target.path(name))
        import shutil
        shutil.rmtree(source.dir)
        self.call.checkpoint("end")
        return 0

    @staticmethod
    def _source(name: str) -> store.Instance:
        try:
            return store.inspect(name)
        except FileNotFoundError:
            raise Fatal(f"instance {backquote(name)} not found") from None

    def _copy_instance(self, source: store.Instance, target: store.Instance) -> None:
        """In the order of names, as WalkDir does: the disk is there before lima.yaml is."""
        try:
            os.mkdir(target.dir, 0o700)
        except FileExistsError:
            raise Fatal(f"instance {backquote(target.name)} already exists") from None
        copied_half = False
        for name in sorted(os.listdir(source.dir)):
            if name in ("protected", "swtpm") or name.endswith(NOT_CLONED):
                continue
            if name >= "lima.yaml" and not copied_half:
                copied_half = True
                self.call.checkpoint("copy", target.path("disk"))
            _copy(source.path(name), target.path(name))

    def _panic(self) -> None:
        sys.stderr.write("panic: runtime error: invalid memory address or nil pointer dereference\n"
                         "[signal SIGSEGV: segmentation violation code=0x1 addr=0x208 pc=0x1201cb0]\n\n"
                         "goroutine 1 [running]:\n")
        self.call.finish(2)

    def edit(self, command: Command) -> int:
        command.need(1, 1, "edit INSTANCE")
        inst = self._source(command.args[0])
        if inst.status == "Running":
            raise Fatal("cannot edit a running instance")
        if inst.config is None:
            raise Fatal(inst.errors[0])
        if not self._edit(inst, inst.config, list(command.get("set", []))):
            self.log.info("Aborting, no changes made to the instance")
            return 0
        self.log.info(f"Instance {backquote(inst.name)} configuration edited")
        self.call.checkpoint("end")
        return 0

    def _edit(self, inst: store.Instance, config: dict, expressions: list[str]) -> bool:
        """False when nothing changes.  What is invalid is not written, but the instance stays as it was."""
        try:
            changed = yq.evaluate(" | ".join(expressions), config) if expressions else config
        except yq.YqError as error:
            raise Fatal(str(error)) from None
        if changed == config:
            return False
        text = json.dumps(changed, ensure_ascii=False, indent=2) + "\n"
        try:
            store.parse_config(text, f"main file {backquote(inst.config_file)}")
        except store.ConfigError as error:
            raise Fatal(str(error)) from None
        try:
            store.validate(changed, self.log)
        except store.ConfigError as error:
            with open("lima.REJECTED.yaml", "w", encoding="utf-8") as file:
                file.write(text)
            raise Fatal(f"the YAML is invalid, saved the buffer as `lima.REJECTED.yaml`: {error}") from None
        inst.write_config(text)
        return True

    # ---- running -------------------------------------------------------------------------------------------

    def start(self, command: Command) -> int:
        command.need(0, 1, "start")
        name = command.args[0] if command.args else "default"
        if name == "-" or "/" in name or name.startswith("template:") or name.endswith((".yaml", ".yml")):
            inst = self._create(command)
        elif store.exists(name):
            inst = self._existing(name)
        else:
            self.log.warning("This form is deprecated. Use `limactl start --name=NAME template:default` instead")
            command.args, command.values["name"] = ["template:default"], name
            inst = self._create(command)
        inst = store.inspect(inst.name)
        if inst.status == "Running":
            self.log.info(f"The instance {backquote(inst.name)} is already running. "
                          f"Run `limactl shell {inst.name}` to open the shell.")
            return 0
        if inst.status != "Stopped":
            raise Fatal(f"expected status `Stopped`, got {backquote(inst.status)}")
        if command.get("set"):
            self._edit(inst, inst.config or {}, list(command.get("set", [])))
        self._skip_half_made()
        self._prepare(inst, inst.config or {})
        self._boot(inst, _seconds(str(command.get("timeout") or "10m")))
        self.call.checkpoint("end")
        return 0

    def _existing(self, name: str) -> store.Instance:
        try:
            inst = store.inspect(name)
        except FileNotFoundError as error:
            raise Fatal(str(error)) from None
        if inst.errors and inst.config is None:
            what = f"Instance {quote(name)} has configuration errors"
            self.log("error", what, error=inst.errors[0])
            raise Fatal(f"instance {quote(name)} has configuration errors: {inst.errors[0]}")
        self.log.info(f"Using the existing instance {backquote(name)}")
        return inst

    def _boot(self, inst: store.Instance, timeout: float) -> None:
        name, shown = inst.name, backquote
        self.log.info(f"Starting the instance {shown(name)} with internal VM driver {shown(inst.vm_type)}")
        self._agent("TCP (except for SSH) and UDP port forwarding is disabled")
        self._agent(f"hostagent socket created at {inst.path('ha.sock')}")
        self._agent(f"Starting QEMU (hint: to watch the boot progress, see {shown(inst.path('serial*.log'))})")
        log = inst.path("ha.stdout.log")
        machine.remove(log)
        machine.spawn([self.program, "hostagent", "--pidfile", inst.pid_file("ha"), "--socket", inst.path("ha.sock"), name])
        deadline = time.monotonic() + timeout
        first = _await_event(log, "sshLocalPort", inst, deadline)
        if first:
            self.log.info(f"SSH Local Port: {first['sshLocalPort']}")
            self._agent("Waiting for the essential requirement 1 of 3: `ssh`")
        self.call.checkpoint("boot")
        if not first or not _await_event(log, "running", inst, deadline):
            raise Fatal("did not receive an event with the `running` status")
        self._ready(inst)

    def _ready(self, inst: store.Instance) -> None:
        sockets = f"`/run/lima-guestagent.sock` (guest) to {backquote(inst.path('ga.sock'))} (host)"
        for line in (
                "The essential requirement 1 of 3 is satisfied",
                "Waiting for the essential requirement 2 of 3: `user session is ready for ssh`",
                "The essential requirement 2 of 3 is satisfied",
                "Waiting for the essential requirement 3 of 3: `Explicitly start ssh ControlMaster`",
                "The essential requirement 3 of 3 is satisfied",
                "Waiting for the guest agent to be running",
                f"Stopping forwarding {sockets}", f"Forwarding {sockets}",
                "Guest agent is running",
                "Waiting for the final requirement 1 of 1: `boot scripts must have finished`",
                "Time sync: guest agent is alive, starting time synchronization",
                "The final requirement 1 of 1 is satisfied"):
            self._agent(line)
        self.log.info(f"READY. Run `limactl shell {inst.name}` to open the shell.")

    def _agent(self, line: str) -> None:
        self.log.info("[hostagent] " + line)

    def stop(self, command: Command) -> int:
        command.need(0, 1, "stop INSTANCE")
        inst = self._open_for_stop(command.args[0] if command.args else "default")
        if command.get("force"):
            self._stop_forcibly(inst)
        else:
            self._stop(inst)
        self._skip_half_made()
        self.call.checkpoint("end")
        return 0

    @staticmethod
    def _open_for_stop(name: str) -> store.Instance:
        try:
            return store.inspect(name)
        except FileNotFoundError as error:
            raise Fatal(str(error)) from None

    def _stop(self, inst: store.Instance) -> None:
        if inst.status != "Running":
            raise Fatal(f"expected status `Running`, got {backquote(inst.status)} (maybe use `limactl stop -f`?)")
        self.log.info(f"Sending SIGINT to hostagent process {inst.host_agent_pid}")
        store.kill(inst.host_agent_pid, signal.SIGINT)
        self.log.info("Waiting for the host agent and the driver processes to shut down")
        deadline = time.monotonic() + 190
        while store.alive(inst.host_agent_pid) or store.alive(inst.driver_pid):
            if time.monotonic() > deadline:
                raise Fatal("did not receive an event with the \"exiting\" status")
            time.sleep(0.01)
        for line in ("Received SIGINT, shutting down the host agent", "Shutting down the host agent",
                     f"Stopping forwarding `/run/lima-guestagent.sock` (guest) to {backquote(inst.path('ga.sock'))} (host)",
                     "Shutting down QEMU with the power button", "Sending QMP system_powerdown command",
                     "QEMU has exited"):
            self._agent(line)
        self.log.info("Waiting for the instance to shut down")
        self.log.info(f"The instance {inst.name} has shut down")

    def _stop_forcibly(self, inst: store.Instance) -> None:
        """Kills by the pid files, but without a readable lima.yaml it knows no pids: the VM lives on unseen."""
        for pid, what in ((inst.driver_pid, f"{inst.vm_type} driver"), (inst.host_agent_pid, "host agent")):
            if pid:
                self.log.info(f"Sending SIGKILL to the {what} process {pid}")
                store.kill(pid)
            else:
                self.log.info(f"The {what} process seems already stopped")
        self.log.info(f"Removing *.pid *.sock *.tmp under {backquote(inst.dir)}")
        for name in sorted(os.listdir(inst.dir)):
            if name.endswith(NOT_CLONED):
                if not name.endswith(".tmp"):    # the fake's own markers
                    self.log.info(f"Removing {backquote(inst.path(name))}")
                machine.remove(inst.path(name))

    def shell(self, command: Command) -> int:
        command.need(1, None, "shell INSTANCE [COMMAND...]")
        inst = self._source(command.args[0])
        if inst.status == "Stopped":
            raise Fatal(f"instance {backquote(inst.name)} is stopped, run `limactl start {inst.name}` to start the instance")
        guest = Guest(inst.dir)
        guest.prepare()
        where = str(command.get("workdir") or guest.home)
        if not os.path.isdir(where):
            sys.stderr.write(f"bash: line 1: cd: {where}: No such file or directory\n")
            return 1
        os.chdir(where)
        self.call.record("call", exit=None, note="exec")
        words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in command.args[1:])
        os.execve("/bin/sh", ["sh", "-c", guest.localise("exec " + words if words else "exec sh")], guest.environment({}))

    # ---- ending --------------------------------------------------------------------------------------------

    def delete(self, command: Command) -> int:
        command.need(1, None, "delete INSTANCE [INSTANCE, ...]")
        failed = [error for error in (self._delete(name, bool(command.get("force"))) for name in command.args) if error]
        self._skip_half_made()
        if failed:
            raise Fatal("\n".join(failed))
        self.call.checkpoint("end")
        return 0

    def _delete(self, name: str, force: bool) -> str:
        """The error, if it is one that does not keep the others from being deleted."""
        if not store.exists(name):
            self.log.warning(f"Ignoring non-existent instance {backquote(name)}")
            return ""
        try:
            inst = store.inspect(name)
        except FileNotFoundError:
            place = os.path.join(store.lima_home(), name)
            return (f"instance {backquote(name)} directory {backquote(place)} exists but its `lima.yaml` could not be "
                    "read; it was NOT deleted, in case it is currently being cloned into. If no `limactl` operation is "
                    "using it, remove it manually")
        refused = f"failed to delete instance {backquote(name)}: "
        if os.path.exists(inst.path("protected")):
            raise Fatal(refused + "instance is protected to prohibit accidental removal (Hint: use `limactl unprotect`)")
        if not force and inst.status != "Stopped":
            raise Fatal(refused + f"expected status `Stopped`, got {backquote(inst.status)}")
        self._stop_forcibly(inst)
        import shutil
        shutil.rmtree(inst.dir, ignore_errors=True)
        self.log.info(f"Deleted {backquote(name)} ({backquote(inst.dir)})")
        return ""

    def _skip_half_made(self) -> None:
        """Lima looks at all instances for their networks, and remarks upon those which have no lima.yaml."""
        for name in store.names():
            inst = store.Instance(name)
            if not os.path.exists(inst.config_file):
                self.log.warning(f"Skipping instance {backquote(name)} during network reconcile: "
                                 f"open {inst.config_file}: no such file or directory")

    def protect(self, command: Command) -> int:
        return self._set_protection(command, True)

    def unprotect(self, command: Command) -> int:
        return self._set_protection(command, False)

    def _set_protection(self, command: Command, wanted: bool) -> int:
        verb, word = ("protect", "protected") if wanted else ("unprotect", "unprotected")
        command.need(1, None, f"{verb} INSTANCE [INSTANCE, ...]")
        for name in command.args:
            try:
                mark = store.inspect(name).path("protected")
            except FileNotFoundError as error:
                raise Fatal(f"failed to inspect instance {backquote(name)}: {error}") from None
            if os.path.exists(mark) == wanted:
                state = "is already protected" if wanted else "isn't protected"
                self.log.warning(f"Instance {backquote(name)} {state}. Skipping.")
                continue
            if wanted:
                os.close(os.open(mark, os.O_WRONLY | os.O_CREAT, 0o400))
            else:
                os.unlink(mark)
            self.log.info(f"{word.capitalize()} {backquote(name)}")
        return 0

    # ---- the processes of a running instance ---------------------------------------------------------------

    def hostagent(self, command: Command) -> int:
        return machine.host_agent(store.inspect(command.args[0]), self.program)

    def driver(self, argv: list[str]) -> int:
        return machine.driver(store.inspect(argv[-1]))


VERBS: dict[str, tuple[dict[str, type], dict[str, str]]] = {
    "info": ({}, {}),
    "list": ({"format": str, "json": bool, "quiet": bool}, {"f": "format", "q": "quiet"}),
    "create": ({"name": str, "set": list}, {}),
    "start": ({"name": str, "set": list, "timeout": str, "progress": bool}, {}),
    "clone": ({"set": list}, {}),
    "rename": ({"set": list}, {}),
    "edit": ({"set": list}, {}),
    "stop": ({"force": bool}, {"f": "force"}),
    "delete": ({"force": bool}, {"f": "force"}),
    "protect": ({}, {}),
    "unprotect": ({}, {}),
    "shell": ({"workdir": str}, {}),
    "hostagent": ({"pidfile": str, "socket": str}, {}),
}
ALIASES = {"ls": "list", "rm": "delete", "remove": "delete"}


# ---- helpers -----------------------------------------------------------------------------------------------

_RANGE = "{{range $i,$e := .Errors}}{{if $i}},{{end}}{{json $e.Error}}{{end}}"
_FIELD = re.compile(re.escape(_RANGE) + r"|\{\{\s*(?:(json)\s+)?\.(\w+)\s*\}\}|(\{\{)")


def _render(template: str, inst: store.Instance) -> str:
    """The parts of Go's text/template that are used; anything else is an error, never a silent blank."""
    fields = inst.fields()

    def one(match: re.Match) -> str:
        if match[0] == _RANGE:
            return ",".join(map(dumps, inst.errors))
        if match[3] or match[2] not in fields:
            raise Fatal(f"template: format:1: the fake limactl cannot evaluate {template[match.start():][:40]}")
        value = fields[match[2]]
        if match[1]:
            return dumps(value)
        return str(value).lower() if isinstance(value, bool) else str(value)

    return _FIELD.sub(one, template)


def _json_of(inst: store.Instance) -> dict:
    """`list --json`, without the defaults that Lima fills into "config"; errors get lost as in the real one."""
    fields = inst.fields()
    named = {"name": "Name", "hostname": "Hostname", "status": "Status", "dir": "Dir", "vmType": "VMType",
             "arch": "Arch", "cpus": "CPUs", "memory": "Memory", "disk": "Disk", "sshLocalPort": "SSHLocalPort",
             "sshConfigFile": "SSHConfigFile", "hostAgentPID": "HostAgentPID", "driverPID": "DriverPID",
             "config": "Config", "sshAddress": "SSHAddress"}
    always = ("name", "hostname", "status", "dir", "vmType", "arch")
    value = {key: fields[field] for key, field in named.items() if fields[field] or key in always}
    if inst.errors:
        value["errors"] = []
    value.update({"protected": inst.protected, "limaVersion": inst.lima_version, "HostOS": os.uname().sysname.lower(),
                  "HostArch": store.ARCH, "LimaHome": store.lima_home(),
                  "IdentityFile": os.path.join(store.lima_home(), "_config", "user")})
    return value


def _table(found: list[store.Instance]) -> str:
    home = os.path.expanduser("~")
    rows = [["NAME", "STATUS", "SSH", "VMTYPE", "ARCH", "CPUS", "MEMORY", "DISK", "DIR"]]
    for inst in found:
        place = "~" + inst.dir[len(home):] if inst.dir.startswith(home + "/") else inst.dir
        rows.append([inst.name, inst.status, f"127.0.0.1:{inst.ssh_port}", inst.vm_type, inst.arch, str(inst.cpus),
                     store.show_size(inst.memory), store.show_size(inst.disk), place])
    widths = [max(map(len, column)) + 4 for column in zip(*rows)]
    return "".join("".join(cell.ljust(width) for cell, width in zip(row[:-1], widths)) + row[-1] + "\n" for row in rows)


def _copy(source: str, target: str) -> None:
    import shutil
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _virtual_size(path: str) -> int:
    with open(path, "rb") as file:
        head = file.read(32)
    return int.from_bytes(head[24:32], "big") if head[:4] == b"QFI\xfb" else BASE_IMAGE_SIZE


def _seconds(text: str) -> float:
    """Go's time.ParseDuration."""
    parts = re.findall(r"([0-9.]+)(ms|h|m|s)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise Fatal(f"invalid argument {quote(text)} for \"--timeout\" flag: time: invalid duration {quote(text)}")
    return sum(float(n) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[u] for n, u in parts)


def _await_event(log: str, key: str, inst: store.Instance, deadline: float) -> dict | None:
    """The status of the first event that has this key; None when the time or the host agent's life is over."""
    seen, patience = False, time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with open(log, encoding="utf-8") as file:
                whole = [line for line in file if line.endswith("\n")]
        except FileNotFoundError:
            whole = []
        statuses = [json.loads(line)["status"] for line in whole]
        for status in statuses:
            if status.get(key):
                return status
        if any(status.get("exiting") for status in statuses):
            return None
        alive = store.read_pid(inst.pid_file("ha")) > 0
        if not alive and (seen or time.monotonic() > patience):
            return None
        seen = seen or alive
        time.sleep(0.01)
    return None
