"""The command line before it does anything: no VM, no engine, only words."""

from __future__ import annotations

import os
import re

import pytest

from sandbox import FAILED, USAGE, Sandbox

COMMANDS = ("start", "shell", "status", "stop", "stop-all", "delete", "prune", "doctor")
WITH_VALUE = ("--dir", "--clone-from", "--template", "--settings", "--settings-mode", "--cpus", "--mem", "--disk", "--ports",
              "--engine")
FLAGS = ("--force", "--force-mount", "--dry-run", "--leftovers", "--json", "--yes", "--no-tmux", "--quiet", "--verbose")
SHORT = {"-d": "--dir", "-c": "--clone-from", "-t": "--template", "-s": "--settings", "-p": "--ports"}


def refused(sandbox: Sandbox, *argv: str, saying: str = "") -> None:
    """Usage errors say what is wrong and where to look, print nothing else and leave nothing behind."""
    done = sandbox.run(*argv).expect(USAGE, "claude-sandbox: ", saying)
    assert done.out == b""
    assert "try: " in done.err
    assert not sandbox.state.exists()


# ---- help and version --------------------------------------------------------------------------------------

@pytest.mark.parametrize("argv", [("-h",), ("--help",), ("-d", "x", "-h"), ("-h", "--", "x"), ("-qvh",)])
def test_help(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    done = sandbox.run(*argv).expect(0)
    assert done.text.startswith("Usage: claude-sandbox [OPTIONS] [COMMAND] [-- ARGS]\n")
    assert done.err == ""
    for word in (*COMMANDS, *WITH_VALUE, *FLAGS, *SHORT, "--version", "125", "130"):
        assert re.search(rf"(^|[ ,]){word}\b", done.text, re.M), word
    assert max(map(len, done.lines())) <= 100


@pytest.mark.parametrize("argv", [("stop", "--help"), ("-f", "stop", "-h"), ("--help", "stop")])
def test_help_of_a_command(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    text = sandbox.run(*argv).expect(0).text
    assert text.startswith("Usage: claude-sandbox stop [OPTIONS] [VM...]\n")
    assert "--suspend" in text and "--dir DIR" in text and "--mem" not in text


@pytest.mark.parametrize("argv", [("stop", "--mem", "4GiB"), ("--mem", "4GiB", "stop")])
def test_option_that_is_for_others(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    sandbox.run(*argv).expect(USAGE, "--mem is for start, shell, fork and rebuild-tools-vm, not for stop")
    assert not sandbox.state.exists()


def test_version(sandbox: Sandbox) -> None:
    done = sandbox.run("--version").expect(0)
    assert re.fullmatch(r"claude-sandbox \d+\.\d+\.\d+\n", done.text)
    assert done.err == ""


@pytest.mark.parametrize("argv", [("--help",), ("--version",), ("status",)])
def test_looking_creates_nothing(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    sandbox.run(*argv).expect(0)
    assert not sandbox.state.exists()
    assert list(sandbox.home.iterdir()) == []


def test_status_without_vms_is_a_head_only(sandbox: Sandbox) -> None:
    assert sandbox.rows() == []


def test_status_on_a_terminal_says_what_to_do(sandbox: Sandbox) -> None:
    with sandbox.terminal("status") as terminal:
        terminal.expect(rb"There are no VMs yet.*\r\n")
        assert terminal.wait() == 0


# ---- what is refused ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("word", ["--unknown", "-x", "--unknown=1", "-", "--=x", "---"])
def test_unknown_words(sandbox: Sandbox, word: str) -> None:
    refused(sandbox, word, saying=f"unknown {'command' if word == '-' else 'option'}")


@pytest.mark.parametrize("word", ["purge", "Stop", "", " status", "statuss"])
def test_unknown_commands(sandbox: Sandbox, word: str) -> None:
    refused(sandbox, word, saying=f'unknown command "{word}"')


@pytest.mark.parametrize("words", [
    ["--vers"], ["--hel"], ["--eng", "lima"], ["--force-m"], ["--di", "x"], ["--f"],
    ["stat"], ["sh"], ["del"], ["sto"]])
def test_nothing_is_abbreviated(sandbox: Sandbox, words: list[str]) -> None:
    refused(sandbox, *words, saying="unknown ")


@pytest.mark.parametrize("option", [*WITH_VALUE, *SHORT])
def test_a_value_is_needed(sandbox: Sandbox, option: str) -> None:
    name = SHORT.get(option, option)
    refused(sandbox, option, saying=f"{name} needs a value")
    refused(sandbox, option, "", saying=f"{name} needs a value")
    refused(sandbox, "status", option, "", saying=f"{name} needs a value")
    if option == name:
        refused(sandbox, option + "=", saying=f"{name} needs a value")


@pytest.mark.parametrize("option", FLAGS)
def test_a_flag_takes_no_value(sandbox: Sandbox, option: str) -> None:
    refused(sandbox, option + "=yes", saying=f"{option} takes no value")


@pytest.mark.parametrize("argv, saying", [
    (("status", "x"), "status takes no argument"),
    (("shell", "ls"), 'goes behind --'),
    (("-vx", "status"), "unknown option -vx"),
    (("-qd",), "--dir needs a value"),
    (("-p", "fix"), "claude-sandbox -- -p"),
    (("-p", "80, 81"), "nor none"),
    (("status", "--", "x"), "status takes nothing behind --"),
    (("stop", "--", "x"), "stop takes nothing behind --"),
    (("delete", "x", "--"), "delete takes nothing behind --"),
    (("stop", "-d", "x", "y"), "either --dir or names"),
    (("delete", "y", "--dir=x"), "either --dir or names"),
    (("-c", "x", "-t", "y"), "either --clone-from or --template"),
    (("stop", "a b"), "is not a name"),
    (("delete", "../x"), "is not a name"),
    (("--engine", "vbox", "status"), 'no engine "vbox"'),
])
def test_what_does_not_go_together(sandbox: Sandbox, argv: tuple[str, ...], saying: str) -> None:
    sandbox.run(*argv).expect(USAGE, saying)


@pytest.mark.parametrize("value", ["abc", "0", "-1", "257", "1.5", "0x2", "2 ", " 2", "1e1", "٣", "9" * 30])
def test_cpus(sandbox: Sandbox, value: str) -> None:
    refused(sandbox, "--cpus", value, saying=f"--cpus {value}: ")


@pytest.mark.parametrize("option", ["--mem", "--disk"])
@pytest.mark.parametrize("value", ["lots", "-1", "0", "4Gib4", "1e9", "4 GB x", "GiB", ".5G", "9" * 30, "NaN"])
def test_sizes(sandbox: Sandbox, option: str, value: str) -> None:
    refused(sandbox, option, value, saying=f"{option}: ")


@pytest.mark.parametrize("value", [
    "abc", "0", "-1", "65536", "99999:80", "80:0", "80,", ",", ":", "1:2:3", "80 ", "٣", "9" * 30, "22;x"])
def test_ports(sandbox: Sandbox, value: str) -> None:
    refused(sandbox, "--ports", value, saying="ports")


@pytest.mark.parametrize("value", ["80,80", "8080:1,8080:2"])
def test_a_port_twice(sandbox: Sandbox, value: str) -> None:
    sandbox.run("--ports", value, "-t", "x.yaml").expect(USAGE, "is given twice")


@pytest.mark.parametrize("argv", [("--mem", "100MiB"), ("--mem", "2TiB"), ("--disk", "1GiB"), ("--disk", "65TiB")])
def test_sizes_that_no_guest_could_live_with(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    sandbox.run(*argv, "-t", "x.yaml").expect(USAGE, "must be at least")


def test_what_is_said_cannot_talk_to_the_terminal(sandbox: Sandbox) -> None:
    done = sandbox.run("--\x1b]0;title\x07\x9b31m").expect(USAGE)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.err)


# ---- where options may stand -------------------------------------------------------------------------------

@pytest.mark.parametrize("argv", [
    ("-q", "stop", "claude-sandbox-x"), ("stop", "-q", "claude-sandbox-x"), ("stop", "claude-sandbox-x", "-q"),
    ("--quiet", "delete", "-y", "claude-sandbox-x"), ("-qf", "delete", "-vy", "claude-sandbox-x"), ("delete", "claude-sandbox-x", "--yes", "--force")])
def test_options_stand_anywhere(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    sandbox.run(*argv).expect(FAILED, "there is no VM named claude-sandbox-x")


@pytest.mark.parametrize("spelling", [["-d", "DIR"], ["-dDIR"], ["--dir", "DIR"], ["--dir=DIR"],
                                      ["-qvdDIR"], ["-qd", "DIR"]])
def test_spellings_of_a_value(sandbox: Sandbox, spelling: list[str]) -> None:
    project = sandbox.project("a=b")
    words = [word.replace("DIR", str(project)) for word in spelling]
    sandbox.run(*words, "stop").expect(FAILED, f"{project} has no VM")
    sandbox.run("stop", *words).expect(FAILED, f"{project} has no VM")


@pytest.mark.parametrize("argv", [("--", "--version"), ("shell", "--", "--help"), ("--", "status"), ("-q", "--", "-h")])
def test_what_is_behind_the_dashes_is_not_ours(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    done = sandbox.run(*argv).expect(FAILED, "no usable VM engine")
    assert done.out == b""


def test_every_name_is_served(sandbox: Sandbox) -> None:
    done = sandbox.run("stop", "one", "two").expect(FAILED)
    assert "named one" in done.err and "named two" in done.err


# ---- the surroundings --------------------------------------------------------------------------------------

def test_state_directory_must_be_absolute(sandbox: Sandbox) -> None:
    sandbox.run("status", env={"CLAUDE_SANDBOX_HOME": "relative"}).expect(USAGE, "relative is not an absolute path")


@pytest.mark.parametrize("place, saying", [
    (b"/tmp/\xff", "not UTF-8"), (b"/tmp/a\x1bb", "control characters"), (b"/tmp/${HOME}", 'ssh takes "${" for a variable')])
def test_state_directory_that_can_not_be_written_down(sandbox: Sandbox, place: bytes, saying: str) -> None:
    done = sandbox.run("status", env={"CLAUDE_SANDBOX_HOME": os.fsdecode(place)})
    done.expect(USAGE, saying, "try: set CLAUDE_SANDBOX_HOME to another path")


def test_state_directory_defaults_to_the_home(sandbox: Sandbox) -> None:
    sandbox.run("-q", "--", env={"CLAUDE_SANDBOX_HOME": ""}).expect(FAILED, "no usable VM engine")
    assert {p.name for p in sandbox.home.iterdir()} <= {".claude-sandbox"}


def test_engine_from_the_environment(sandbox: Sandbox) -> None:
    sandbox.run("status", env={"CLAUDE_SANDBOX_ENGINE": "vbox"}).expect(USAGE, 'no engine "vbox"')


def test_a_current_directory_that_is_gone(sandbox: Sandbox) -> None:
    gone = sandbox.project("gone")
    started = sandbox.start("stop", cwd=gone, preexec_fn=gone.rmdir)
    started.wait().expect(USAGE, "the current directory is gone")


def test_through_a_symlink(sandbox: Sandbox) -> None:
    link = sandbox.root / "link"
    link.symlink_to(sandbox.cli)
    sandbox.cli = str(link)
    sandbox.run("--version").expect(0)
    assert sandbox.rows() == []
