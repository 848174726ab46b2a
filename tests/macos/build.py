#!/usr/bin/env python3
"""Compiles and links all of claudesandbox for macOS, on Linux, so that nothing that only Linux has creeps in.

Usage: build.py SOURCES WORK

The compiler comes from PyPI (requirements.txt), jansson and libyaml are built from the distribution's source
packages, in the versions that are installed here. All of it is kept in WORK (500 MB), so that only the first
run fetches anything. Exit status 77, the reason in the last line: what is needed could not be had.
"""
from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Sequence

HERE = Path(__file__).resolve().parent
SKIPPED = 77
MACOS = "13.0"
CPU_TYPES = {"aarch64": 0x0100000C, "x86_64": 0x01000007}   # <mach/machine.h>
MACH_O = 0xFEEDFACF
LINUX_ONLY = re.compile(r"guest/|libclaudesandbox/src/engine/qemu/|.*_(linux|bus)\.c$")   # bus: systemd's D-Bus
NOT_THE_PRODUCT = re.compile(r"(tests|bench|examples|bindings|build(-[^/]*)?)/")


class Skip(Exception):
    """Something outside of the sources is missing."""


class Wrong(Exception):
    """What was built is not what should have been."""


@dataclasses.dataclass(frozen=True)
class Library:
    """Neither source package has a configure script, and both need little of one."""

    source: str
    package: str
    pkg_config: str
    headers: tuple[str, ...]
    defines: tuple[str, ...]
    config: dict[str, str] = dataclasses.field(default_factory=dict)    # for the headers that end in .in

    @property
    def version(self) -> str:
        """Of the source package, Debian's revision included."""
        try:
            return output("dpkg-query", "-W", "-f", "${source:Version}", self.package)
        except (subprocess.CalledProcessError, FileNotFoundError):
            raise Skip(f"{self.package} is not installed as a package") from None

    @property
    def upstream(self) -> str:
        return re.sub(r"^\d+:|-[^-]*$|[+~].*", "", self.version)


def libraries() -> list[Library]:
    has = [f"HAVE_{what} 1" for what in (
        "ATOMIC_BUILTINS CLOSE FCNTL_H GETPID GETTIMEOFDAY OPEN READ SCHED_H SCHED_YIELD STDINT_H SYNC_BUILTINS "
        "SYS_PARAM_H SYS_STAT_H SYS_TIME_H SYS_TYPES_H UNISTD_H").split()]
    jansson = Library(
        "jansson", "libjansson-dev", "jansson", ("src/jansson.h", "src/jansson_config.h.in"),
        (*has, "USE_URANDOM 1", "INITIAL_HASHTABLE_ORDER 3"),
        {"json_inline": "inline", "json_have_long_long": "1", "json_have_localeconv": "1",
         "json_have_atomic_builtins": "1", "json_have_sync_builtins": "1"})
    yaml = Library("libyaml", "libyaml-dev", "yaml-0.1", ("include/yaml.h",), ())
    major, minor, patch = yaml.upstream.split(".")
    version = (f"YAML_VERSION_MAJOR {major}", f"YAML_VERSION_MINOR {minor}", f"YAML_VERSION_PATCH {patch}",
               f'YAML_VERSION_STRING "{yaml.upstream}"')
    return [jansson, dataclasses.replace(yaml, defines=version)]


# ---- running things ----------------------------------------------------------------------------------------

def output(*argv: str | Path) -> str:
    return subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True).stdout


def run(*argv: str | Path, cwd: Path | None = None) -> None:
    print("$ " + shlex.join(map(str, argv)), flush=True)
    subprocess.run([str(a) for a in argv], check=True, cwd=cwd)


def fetch(what: str, *argv: str | Path, cwd: Path) -> None:
    """What it says goes to our output; its first complaint is the reason."""
    print("$ " + shlex.join(map(str, argv)), flush=True)
    try:
        done = subprocess.run([str(a) for a in argv], check=False, cwd=cwd, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
    except FileNotFoundError:
        raise Skip(f"there is no {argv[0]} to fetch {what}") from None
    print(done.stdout, flush=True)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if re.match(r"(E|ERROR|/\S*python\S*): ?", line)] or lines[-1:]
        raise Skip(f"{what} could not be fetched: {(errors or ['no reason was given'])[0]}")


def emptied(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


# ---- what is needed ----------------------------------------------------------------------------------------

def compiler(work: Path) -> Path:
    wanted = (HERE / "requirements.txt").read_bytes()
    place = work / f"zig-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if not place.exists():
        new = emptied(work / "zig.new")
        fetch("the C compiler for macOS", sys.executable, "-m", "pip", "install", "--no-deps", "--no-compile",
              "--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check", "--require-hashes",
              "--target", new, "-r", HERE / "requirements.txt", cwd=work)
        new.rename(place)
    return place / "ziglang" / "zig"


def archives() -> Iterator[str]:
    """Where the distribution itself comes from, asked for its sources."""
    told = dict(re.findall(r'^(ID|VERSION_CODENAME)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.M))
    name, suite = told.get("ID", ""), told.get("VERSION_CODENAME", "")
    known = output("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)",
                   "Created-By: Packages")
    for line in sorted(set(known.splitlines())):
        origin, uri, release, component = line.split(" ", 3)
        if (origin.lower() == name and component == "main" and
                release in (suite, f"{suite}-updates", f"{suite}-security")):
            yield f"deb-src [signed-by=/usr/share/keyrings/{name}-archive-keyring.gpg] {uri} {release} main\n"


def apt_config(work: Path) -> Path:
    """An apt of our own: with this machine's archives and keys, but neither its lists nor its hooks."""
    apt = work / "apt"
    (apt / "lists/partial").mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text("".join(archives()))
    config = apt / "apt.conf"
    config.write_text(f'Dir::Etc::sourcelist "{apt}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
                      f'Dir::State::lists "{apt}/lists";\nDir::Cache "{apt}";\nAPT::Update::Error-Mode "any";\n'
                      "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n")
    return config


def sources(work: Path, library: Library) -> Path:
    """The upstream tarball, its hash checked by apt, unpacked."""
    place = work / f"{library.source}-{library.version}"
    if not place.exists():
        if not shutil.which("apt-get"):
            raise Skip(f"there is no apt-get to fetch the sources of {library.source}")
        new, config = emptied(work / "source.new"), apt_config(work)
        fetch("the lists of source packages", "apt-get", "-c", config, "update", cwd=new)
        fetch(f"the sources of {library.source}", "apt-get", "-c", config, "--download-only", "--tar-only",
              "source", library.source, cwd=new)
        run("tar", "-xf", *new.glob(f"{library.source}_*.orig.tar.*"), "--strip-components=1", cwd=new)
        new.rename(place)
    return place


# ---- building ----------------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Target:
    """A directory with one architecture's libraries and product."""

    arch: str
    place: Path
    zig: Path

    @property
    def cc(self) -> list[str]:
        return [str(HERE / "cc"), str(self.zig), f"{self.arch}-macos.{MACOS}"]

    @property
    def product(self) -> Path:
        return self.place / "claudesandbox"

    @property
    def cross_file(self) -> str:
        return (f"[binaries]\nc = {self.cc}\nar = {[str(self.zig), 'ar']}\npkgconfig = 'pkg-config'\n"
                f"[properties]\npkg_config_libdir = '{self.place}/lib/pkgconfig'\n"
                f"[host_machine]\nsystem = 'darwin'\ncpu_family = '{self.arch}'\ncpu = '{self.arch}'\n"
                "endian = 'little'\n")


def build_library(library: Library, source: Path, target: Target) -> None:
    place = target.place
    include, objects = place / "include", emptied(place / "objects")
    include.mkdir(exist_ok=True)
    (place / "lib/pkgconfig").mkdir(parents=True, exist_ok=True)
    for header in library.headers:
        text = re.sub(r"@(\w+)@", lambda m: library.config.get(m[1], m[0]), (source / header).read_text())
        (include / Path(header).name.replace(".in", "")).write_text(text)
    config = objects / f"{library.source}_private_config.h"
    config.write_text("".join(f"#define {define}\n" for define in library.defines))
    for file in sorted((source / "src").glob("*.c")):
        run(*target.cc, "-c", "-O2", "-g", f"-I{include}", f"-I{objects}", "-include", config, file, cwd=objects)
    name = library.pkg_config.split("-")[0]
    run(target.zig, "ar", "rcs", place / f"lib/lib{name}.a", *sorted(objects.glob("*.o")))
    (place / f"lib/pkgconfig/{library.pkg_config}.pc").write_text(
        f"Name: {name}\nDescription: {name} for macOS\nVersion: {library.upstream}\n"
        f"Libs: -L{place}/lib -l{name}\nCflags: -I{include}\n")


def build_libraries(wanted: dict[Path, Library], target: Target) -> None:
    """Once; and again, the product too, when anything is another version or done in another way."""
    how = [(HERE / name).read_text() for name in ("build.py", "cc")]
    key = hashlib.sha256(repr((how, target, list(wanted))).encode()).hexdigest()
    stamp = target.place / "libraries.stamp"
    if stamp.exists() and stamp.read_text() == key:
        return
    (emptied(target.place) / "cross.ini").write_text(target.cross_file)
    for source, library in wanted.items():
        build_library(library, source, target)
    stamp.write_text(key)


def build_product(source: Path, target: Target) -> None:
    again = ["--reconfigure"] if (target.product / "build.ninja").exists() else []
    run("meson", "setup", *again, "--cross-file", target.place / "cross.ini", "-Dwerror=true", "-Dtests=disabled",
        "-Dman=disabled", target.product, source)
    run("ninja", "-k", "0", "-C", target.product)


# ---- looking at it -----------------------------------------------------------------------------------------

def check_complete(source: Path, product: Path) -> None:
    """A file is left out only where its name says that it is Linux's."""
    commands = json.loads((product / "compile_commands.json").read_text())
    compiled = {os.path.realpath(Path(c["directory"], c["file"])) for c in commands}
    for path in sorted(source.glob("*/**/*.c")):
        name = str(path.relative_to(source))
        if not NOT_THE_PRODUCT.match(name) and not LINUX_ONLY.match(name) and str(path.resolve()) not in compiled:
            raise Wrong(f"{name} is not compiled for macOS, and its name does not say that it is Linux's")


def check_programs(arch: str, product: Path) -> None:
    found = 0
    for target in json.loads(output("meson", "introspect", "--targets", product)):
        if target["type"] in ("executable", "shared library"):
            for name in target["filename"]:
                with open(name, "rb") as file:
                    kind = struct.unpack("<II", file.read(8))
                if kind != (MACH_O, CPU_TYPES[arch]):
                    raise Wrong(f"{name} is no program for macOS on {arch}")
                found += 1
    if found < 2:
        raise Wrong("there is no program in the build")
    print(f"{arch}: {found} programs and libraries", flush=True)


def main(argv: Sequence[str]) -> int:
    source, work = (Path(a).resolve() for a in argv[1:])
    work.mkdir(parents=True, exist_ok=True)
    os.environ["ZIG_GLOBAL_CACHE_DIR"] = os.environ["ZIG_LOCAL_CACHE_DIR"] = str(work / "zig-cache")
    os.environ["LC_ALL"] = "C.UTF-8"
    try:
        zig = compiler(work)
        wanted = {sources(work, library): library for library in libraries()}
        for arch in CPU_TYPES:
            target = Target(arch, work / arch, zig)
            build_libraries(wanted, target)
            build_product(source, target)
            check_complete(source, target.product)
            check_programs(arch, target.product)
    except Skip as skip:
        print(skip)
        return SKIPPED
    except Wrong as wrong:
        print(f"error: {wrong}")
        return 1
    except subprocess.CalledProcessError as error:
        print(f"error: {Path(error.cmd[0]).name} ended with {error.returncode}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
