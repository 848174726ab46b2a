"""Completion in real shells: what they offer is what the program knows."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from fakelab import FakeLab
from sandbox import Terminal

FILES = {"bash": "bash-completion/completions/claude-sandbox", "zsh": "zsh/site-functions/_claude-sandbox",
         "fish": "fish/vendor_completions.d/claude-sandbox.fish"}
VMS = ("claude-sandbox-app-00000001", "claude-sandbox-web-00000002")
BASH = """\
source "$1"; shift
COMP_WORDS=(claude-sandbox "$@")
COMP_CWORD=$#
_claude_sandbox claude-sandbox "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


class CompletionLab(FakeLab):
    def __init__(self, cli: str) -> None:
        super().__init__(cli)
        self.share = Path(cli).resolve().parent.parent / "share"
        self.env["PATH"] = f"{Path(cli).resolve().parent}:{self.env['PATH']}"
        (self.state / "vms").mkdir(parents=True)
        for name in VMS:
            (self.state / f"vms/{name}.json").write_text("{}")
        (self.state / "vms/.x.json").write_text("")
        (self.state / "vms/notes").write_text("")
        for name in ("a dir", "b"):
            (self.projects / name).mkdir()
        (self.projects / "a file.yaml").write_text("")

    def help(self) -> str:
        return self.run("--help").expect(0).text

    def options(self) -> set[str]:
        return set(re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", self.help(), re.M))

    def commands(self) -> set[str]:
        part = self.help().partition("Commands:\n")[2].partition("\n\n")[0]
        return {line.split()[0] for line in part.splitlines()}

    def ask(self, *argv: str) -> list[str]:
        done = subprocess.run(argv, env=self.env, cwd=self.projects, capture_output=True, text=True, timeout=30,
                              stdin=subprocess.DEVNULL)
        assert done.stderr == ""
        return done.stdout.splitlines()

    def bash(self, *words: str) -> set[str]:
        return set(self.ask("bash", "--norc", "-c", BASH, "bash", str(self.share / FILES["bash"]), *words)) - {""}

    def fish(self, *words: str) -> set[str]:
        line = " ".join(["claude-sandbox", *words])
        script = f"source {self.share / FILES['fish']}; complete -C '{line}'"
        return {offer.split("\t")[0] for offer in self.ask("fish", "--no-config", "-c", script)}

    def offers(self, shell: str, *words: str) -> set[str]:
        if not shutil.which(shell):
            pytest.skip(f"{shell} is not installed")
        return {"bash": self.bash, "fish": self.fish}[shell](*words)


@pytest.fixture
def lab(cli: str) -> Iterator[CompletionLab]:
    made = CompletionLab(cli)
    try:
        yield made
    finally:
        made.close()


shells = pytest.mark.parametrize("shell", ["bash", "fish"])


@pytest.mark.parametrize("shell", FILES)
def test_installed(lab: CompletionLab, shell: str) -> None:
    assert (lab.share / FILES[shell]).is_file()


@shells
def test_every_command(lab: CompletionLab, shell: str) -> None:
    assert {"shell", "status", "doctor"} <= lab.commands()
    assert lab.offers(shell, "") & lab.commands() == lab.commands()
    assert lab.offers(shell, "stop-") == {"stop-all"}
    assert lab.offers(shell, "-q", "doc") == {"doctor"}
    assert lab.offers(shell, "-d", "stop", "doc") == {"doctor"}, "the value of an option is no command"


@shells
def test_every_option(lab: CompletionLab, shell: str) -> None:
    assert {"--dir", "--version"} <= lab.options()
    assert lab.offers(shell, "--") >= lab.options()
    assert {offer for offer in lab.offers(shell, "status", "--js")} == {"--json"}


@shells
def test_options_of_the_command(lab: CompletionLab, shell: str) -> None:
    """What it would refuse is not offered; while there is none yet, any may come."""
    for words in (("stop",), ("-q", "-d", "start", "stop"), ("-qd", "start", "stop"),
                  ("-dstart", "stop"), ("-qdstart", "stop")):
        assert {"--suspend", "--force", "--dir", "--help"} <= lab.offers(shell, *words, "--")
        assert not {"--mem", "--json", "--follow"} & lab.offers(shell, *words, "--")
    assert {"--mem", "--share-login"} <= lab.offers(shell, "start", "--")
    assert {"--mem", "--suspend", "--json"} <= lab.offers(shell, "-q", "--")


@shells
@pytest.mark.parametrize("words", [("stop", ""), ("delete", "-f", "claude"), ("prune", "claude"), ("-c", ""),
                                   ("wait", ""), ("events", "--vm", ""), ("rebuild-tools-vm", "claude")])
def test_names_of_vms(lab: CompletionLab, shell: str, words: tuple[str, ...]) -> None:
    assert lab.offers(shell, *words) >= set(VMS)
    assert {offer for offer in lab.offers(shell, *words) if "x" in offer[:2] or "notes" in offer} == set()
    assert lab.calls() == [], "an engine was asked"


@shells
def test_no_vms_where_none_belong(lab: CompletionLab, shell: str) -> None:
    assert not set(VMS) & (lab.offers(shell, "status", "") | lab.offers(shell, "") | lab.offers(shell, "--", ""))


@shells
def test_values(lab: CompletionLab, shell: str) -> None:
    assert lab.offers(shell, "--engine", "") == {"lima", "qemu"}
    assert lab.offers(shell, "--engine", "q") == {"qemu"}
    assert {name.rstrip("/") for name in lab.offers(shell, "-qd", "b")} == {"b"}
    assert lab.offers(shell, "--settings-mode", "") == {"rw", "ro"}
    assert lab.offers(shell, "wait", "--for", "i") == {"idle", "input"}
    assert {name.rstrip("/") for name in lab.offers(shell, "--dir", "b")} == {"b"}
    assert "a file.yaml" not in {name.replace("\\", "") for name in lab.offers(shell, "-d", "")}
    assert "a file.yaml" in {name.replace("\\", "") for name in lab.offers(shell, "-t", "")}
    assert not set(VMS) & lab.offers(shell, "--cpus", "")


def test_bash_with_an_equals_sign(lab: CompletionLab) -> None:
    """It comes as a word of its own."""
    assert lab.offers("bash", "--engine", "=", "l") == {"lima"}
    assert lab.offers("bash", "--engine", "=") == {"lima", "qemu"}
    assert lab.offers("bash", "--engine", "=", "lima", "st") == {"start", "status", "stop", "stop-all"}


def test_nothing_is_said_without_an_answer(lab: CompletionLab) -> None:
    lab.run("__complete", "nonsense").expect(0)
    assert lab.run("__complete").expect(0).out == b""
    shutil.rmtree(lab.state)
    assert lab.run("__complete", "vms").expect(0).out == b""
    assert not lab.state.exists()
    assert "__complete" not in lab.help()


# ---- zsh, which completes on a terminal only ---------------------------------------------------------------

@pytest.fixture
def zsh(lab: CompletionLab) -> Iterator[Terminal]:
    program = shutil.which("zsh")
    if not program:
        pytest.skip("zsh is not installed")
    env = {**lab.env, "PS1": "READY> ", "TERM": "dumb"}
    with Terminal([program, "-f", "-i"], lab.projects, env, (50, 200)) as terminal:
        terminal.send(f"unset zle_bracketed_paste; fpath=('{(lab.share / FILES['zsh']).parent}' $fpath); autoload -Uz compinit; "
                      "compinit -D -u; LISTMAX=1000; zstyle ':completion:*' verbose no; PS1='%# 'ready'> '\n".encode())
        terminal.expect(rb"[%#] ready> ")
        yield terminal


@pytest.mark.parametrize("typed, completed", [
    (b"doct", rb"doctor "), (b"stop-", rb"stop-all "), (b"-q doct", rb"doctor "), (b"--settings-m", rb"--settings-mode="),
    (b"status --js", rb"--json "), (b"--engine=q", rb"qemu "), (b"--engine q", rb"qemu "),
    (b"stop claude-sandbox-a", rb"claude-sandbox-app-00000001 "), (b"-c claude-sandbox-w", rb"claude-sandbox-web-00000002 "),
    (b"stop --su", rb"--suspend "), (b"-d start status --j", rb"--json "), (b"-qd start status --j", rb"--json "),
    (b"-qdstart status --j", rb"--json "), (b"-qd a", rb"a\\ dir/"), (b"-d a", rb"a\\ dir/"), (b"-t a\\ f", rb"a\\ file.yaml ")])
def test_zsh(zsh: Terminal, typed: bytes, completed: bytes) -> None:
    zsh.send(b"claude-sandbox " + typed + b"\t")
    zsh.expect(rb"claude-sandbox .*" + completed, 20)


def test_zsh_offers_all(zsh: Terminal, lab: CompletionLab) -> None:
    """In columns, and then the line again."""
    zsh.send(b"claude-sandbox --\t")
    zsh.expect(rb"(?s)claude-sandbox --.*--version.*ready> claude-sandbox --", 20)
    for option in sorted(lab.options()):
        assert re.search(re.escape(option.encode()) + rb"[\s=]", zsh.everything), option
    zsh.send(b"\x15claude-sandbox \t")
    zsh.expect(rb"(?s)status.*ready> claude-sandbox ", 20)
    for command in sorted(lab.commands()):
        assert re.search(re.escape(command.encode()) + rb"\s", zsh.everything), command


def test_zsh_offers_those_of_the_command(zsh: Terminal) -> None:
    zsh.send(b"claude-sandbox -d start stop --\t")
    zsh.expect(rb"(?s)stop --.*--version.*ready> claude-sandbox -d start stop --", 20)
    assert b"--suspend" in zsh.everything and b"--mem" not in zsh.everything and b"--follow" not in zsh.everything
