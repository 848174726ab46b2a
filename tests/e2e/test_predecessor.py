"""What went wrong in the Python tool that came before, and does not here.

Each row is something that was seen there.  Where a neighbour shows it already, it stands in this table;
the rest is below, on pretended VMs: what these say of names, ports and failures is the same on each engine.

    directories of the same name            test_fake_lima: same_basename_elsewhere
    odd and long names, odd characters      test_fake_lima: odd_names, directory_that_lima_would_take_for_something_else
    a path that is not ASCII, not UTF-8     test_fake_lima: odd_names, directory_with_bytes_that_are_no_text
    a long state directory                  test_fake_lima: state_directory_with_a_long_path, ..._longish_path
    ports that are none, or twice           test_cli: ports, a_port_twice
    sizes that are none                     test_cli: cpus, sizes, sizes_that_no_guest_could_live_with
    code in --mem, --cpus, --disk, -s       test_fake_lima: injection, injection_through_the_settings_directory
    a clone that Lima rejects               test_fake_lima: rejected_edit
    a symlinked project                     test_fake_lima: symlinked_project_is_the_same_project
    -d ~, /, ~/.claude-sandbox              test_fake_lima: directory_that_must_not_be_shared
    a project that was deleted, or moved    test_fake_lima: project_is_deleted, project_is_moved
    other sizes and settings for a VM       test_fake_lima: sizes_change_a_stopped_vm and those below it
    each verb of limactl failing            test_fake_lima: create_fails and those below it, a_change_that_lima_refuses...
    empty and abbreviated options           test_cli: a_value_is_needed, nothing_is_abbreviated, what_does_not_go_together
    2 and 8 first starts at once            test_fake_lima: first_starts_at_the_same_time
    Ctrl-C while a VM is made               test_fake_lima: interrupted_while_the_vm_is_made, killed
    looking makes files                     test_cli, test_doctor: looking_creates_nothing
    a symlinked install                     test_cli: through_a_symlink, test_fake_lima: symlinked_install
    -- --permission-mode plan               test_fake_lima: claude_headless
    a server's stale pid, a second server   test_daemons: pid_in_a_file_means_nothing, many_starts_at_once_make_one
    status that ends a server               test_status: a_server_as_it_is
    exit statuses                           test_fake_lima: status_of_a_program
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from fakelab import BASE, FakeLab
from sandbox import FAILED, INTERRUPTED, USAGE, Done, Sandbox

FATAL = 'time="2026-01-01T00:00:01Z" level=fatal msg="the moon is full"\n'
EXIT = {"stderr": FATAL, "exit": 1}


@pytest.fixture
def lab(cli: str) -> Iterator[FakeLab]:
    made = FakeLab(cli)
    try:
        yield made
    finally:
        made.close()


def one_sentence(done: Done) -> None:
    """What is wrong and what to do: no traceback, no command line, nothing of how we work inside."""
    said = [line for line in done.err.splitlines() if not line.startswith("  | ")]
    assert [line for line in said if line.startswith("claude-sandbox: ")], done.err
    assert len(said) <= 3 and max(map(len, said)) < 300, done.err
    assert not re.search(r"Traceback|base64d|--set|--tty", done.err)


# ---- names -------------------------------------------------------------------------------------------------

def test_names_that_differ_in_dots_and_dashes(lab: FakeLab) -> None:
    projects = [lab.project(name) for name in ("Foo.Bar", "foo-bar", "foo_bar", "foo bar", "foo")]
    for running in [lab.begin(project) for project in projects]:
        running.wait().expect(0)
    assert len({lab.row(project).name for project in projects}) == len(projects) == len(lab.instances())


def test_long_home(lab: FakeLab) -> None:
    """Sockets lie in it; there nothing came up, after a minute and in a page of Python."""
    home = lab.root / ("h" * 100)
    home.mkdir()
    done = lab.make(lab.project(), env={"HOME": str(home), "CLAUDE_SANDBOX_HOME": ""})
    done.expect(USAGE, "path is too long for sockets in it", "try: set CLAUDE_SANDBOX_HOME to a shorter path")
    one_sentence(done)
    assert not list(home.rglob("*.json"))


def test_home_as_the_current_directory(lab: FakeLab) -> None:
    lab.run("-t", lab.template, cwd=lab.home).expect(USAGE, "it is your home directory")
    lab.nothing_is_left()


# ---- VMs of others -----------------------------------------------------------------------------------------

FOREIGN = ("claude-sandbox-base", "claude-sandboxed-db", "claude-sandbox2", "default", BASE)


@pytest.mark.parametrize("base", ["claude-sandbox-base", ""])
@pytest.mark.parametrize("prefix", [(), ("t",), ("d",), ("claude-sandbox",)])
def test_prune_and_foreign_vms(lab: FakeLab, prefix: tuple[str, ...], base: str) -> None:
    lab.env["CLAUDE_SANDBOX_BASE_VM"] = base
    for name in FOREIGN:
        lab.foreign(name, started=name == "default")
    project = lab.project()
    lab.make(project).expect(0)
    lab.run("-d", project, "stop").expect(0)
    ours = lab.row(project).name
    lab.run("prune", *prefix, "-f").expect(0)
    assert lab.instances() == set(FOREIGN) | (set() if prefix in ((), ("claude-sandbox",)) else {ours})
    assert lab.status("default") == "Running" and lab.status("claude-sandbox2") == "Stopped"


def test_prune_spares_our_own_base(lab: FakeLab) -> None:
    project = lab.project("base")
    lab.make(project).expect(0)
    lab.run("-d", project, "stop").expect(0)
    name = lab.row(project).name
    lab.run("prune", "-f", env={"CLAUDE_SANDBOX_BASE_VM": name}).expect(0)
    assert lab.instances() == {name}


def test_stop_all_status_and_foreign_vms(lab: FakeLab) -> None:
    for name in FOREIGN[:3]:
        lab.foreign(name, started=True)
    project = lab.project()
    lab.make(project).expect(0)
    assert [row.project for row in lab.rows()] == [str(project)]
    lab.run("stop-all", "-f").expect(0)
    assert lab.row(project).state == "stopped"
    assert {lab.status(name) for name in FOREIGN[:3]} == {"Running"}


def test_stop_all_goes_on_past_one_that_fails(lab: FakeLab) -> None:
    projects = [lab.project(f"p{i}") for i in range(3)]
    for running in [lab.begin(project) for project in projects]:
        running.wait().expect(0)
    names = [lab.row(project).name for project in projects]
    record = lab.state / "vms" / f"{names[0]}.json"
    record.write_text(record.read_text().replace('"engine": "lima"', '"engine": "vbox"'))
    done = lab.run("stop-all", "-f").expect(FAILED, f"{names[0]} is of the engine vbox, which is not here")
    assert sorted(done.lines()) == [f"Stopped {name}." for name in sorted(names[1:])]
    assert {lab.row(project).state for project in projects[1:]} == {"stopped"}


# ---- limactl that fails, and says things --------------------------------------------------------------------

@pytest.mark.parametrize("verb", ["create", "clone", "start", "edit"])
def test_a_failure_is_one_sentence(lab: FakeLab, verb: str) -> None:
    project = lab.project()
    lab.foreign(BASE)
    if verb == "edit":
        lab.make(project).expect(0)
        lab.run("-d", project, "stop").expect(0)
    lab.faults({"verb": verb, **EXIT})
    source = ("-c", BASE) if verb == "clone" else ("-t", lab.template) if verb != "edit" else ("--cpus", "3")
    done = lab.run("-d", project, *source, "shell", "--", "true").expect(FAILED, f"limactl {verb}: the moon is full")
    one_sentence(done)


@pytest.mark.parametrize("argv", [("delete",), ("stop",), ("stop-all",), ("prune",), ("prune", "-f"), ()])
def test_list_fails(lab: FakeLab, argv: tuple[str, ...]) -> None:
    """Not to know is not to have: what is said to be stopped or deleted is, and else it is not said."""
    project = lab.project()
    lab.make(project).expect(0)
    name = lab.row(project).name
    lab.faults({"verb": "list", **EXIT})
    done = lab.run("-d", project, *argv)
    gone, runs = name not in lab.instances(), bool(lab.holding(lab.lima_home / name))
    lab.faults()
    assert (name not in lab.records()) == gone
    assert not (gone and runs)
    assert (f"Deleted {name}." in done.lines()) <= gone and (f"Stopped {name}." in done.lines()) <= (not runs)
    if argv in (("delete",), ("prune", "-f")):
        assert gone and done.status == 0
    else:
        done.expect(FAILED, "the moon is full")
        assert not gone
        one_sentence(done)
    assert not lab.calls("create")[1:]


def test_list_fails_and_status_says_so(lab: FakeLab) -> None:
    project = lab.project()
    lab.make(project).expect(0)
    lab.faults({"verb": "list", **EXIT})
    (vm,) = json.loads(lab.run("status", "--json").expect(0).text)["vms"]
    assert vm["state"] == "broken" and "the moon is full" in vm["reason"]


@pytest.mark.parametrize("words", ["touch {}", "x=$(touch {})", "PLAY [all] *** (ok=1\ntouch {}\n"])
def test_what_limactl_prints_is_not_run(lab: FakeLab, words: str) -> None:
    mark, project = lab.root / "mark", lab.project()
    lab.foreign(BASE)
    lab.faults(*({"verb": verb, "at": at, "stdout": words.format(mark) + "\n"}
                 for verb in ("clone", "start", "stop", "delete") for at in ("begin", "end")))
    assert lab.run("-d", project, "-c", BASE, "shell", "--", "echo", "said").expect(0).text == "said\n"
    lab.run("-d", project, "stop").expect(0)
    lab.run("-d", project, "delete").expect(0)
    assert not mark.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", ["begin", "copy", "end"])
def test_interrupted_clone(lab: FakeLab, at: str, number: int) -> None:
    """There the bare copy was kept, and started the next time: a VM without the project."""
    project = lab.project()
    lab.foreign(BASE)
    lab.faults({"verb": "clone", "at": at, "hang": True})
    running = lab.start("-d", project, "-c", BASE, "shell", "--", "true")
    lab.is_struck()
    running.signal(number)
    running.wait(20).expect(INTERRUPTED, "cancelled")
    assert lab.orphans() == [] and lab.instances() == {BASE} and lab.records() == {}


# ---- options -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("value", ["70000", "²", pytest.param("8" * 5000, id="long"), "80:٣", "+80", "0x50", "8_0", " 80"])
def test_odd_ports(sandbox: Sandbox, value: str) -> None:
    done = sandbox.run("-p", value, "-t", "x.yaml").expect(USAGE, "ports from 1 to 65535")
    assert len(done.err) < 1000
    assert not sandbox.state.exists()


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_busy_port(lab: FakeLab, busy_port: int) -> None:
    """Refused before minutes go into a VM; for one that is there too."""
    project = lab.project()
    lab.make(project, "-p", f"{busy_port}:80").expect(FAILED, f"port {busy_port} of the host is in use")
    assert not lab.calls("create")
    lab.nothing_is_left()
    lab.make(project).expect(0)
    lab.run("-d", project, "stop").expect(0)
    lab.make(project, "-p", f"{busy_port}:80").expect(FAILED, f"port {busy_port} of the host is in use")
    assert lab.row(project).state == "stopped" and len(lab.calls("start")) == 1


def test_the_same_port_again(lab: FakeLab) -> None:
    """There each start added it once more."""
    project = lab.project()
    for _ in range(3):
        lab.make(project, "-p", "18080:80").expect(0)
        lab.run("-d", project, "stop").expect(0)
    (record,) = lab.records().values()
    assert record["ports"] == [[18080, 80]]
    config = json.loads((lab.lima_home / lab.row(project).name / "lima.yaml").read_text())
    assert len(config["portForwards"]) == 1


def test_settings_with_a_tilde_that_no_shell_saw(lab: FakeLab) -> None:
    """A shell leaves that in --settings=~/x alone; there a directory named ~ was made."""
    project = lab.project()
    done = lab.make(project, "--settings=~/x").expect(USAGE, "only a shell knows what ~ is")
    assert 'write "$HOME/x", or "./~/x" if that is its name' in done.err
    lab.make(project, env={"CLAUDE_SANDBOX_SETTINGS": "~/x"}).expect(USAGE, "only a shell knows")
    assert not (lab.projects / "~").exists()
    lab.nothing_is_left()
    lab.make(project, "-s", "./~/x").expect(0)
    assert (lab.projects / "~/x").is_dir()


@pytest.mark.parametrize("argv, saying", [
    (("prune", "--", "x"), "prune takes nothing behind --"),
    (("stop-all", "x"), "stop-all takes no argument"),
    (("-t", ""), "--template needs a value"),
    (("-d", ""), "--dir needs a value"),
    (("--vo",), "unknown option --vo"),
])
def test_what_was_let_pass(sandbox: Sandbox, argv: tuple[str, ...], saying: str) -> None:
    sandbox.run(*argv).expect(USAGE, saying)
    assert not sandbox.state.exists()


# ---- the surroundings --------------------------------------------------------------------------------------

def test_from_a_directory_that_is_gone(lab: FakeLab) -> None:
    """What needs no current directory works there."""
    project = lab.project()
    lab.make(project).expect(0)
    name = lab.row(project).name
    for argv in (["status"], ["stop", name], ["-d", str(project), "shell", "--", "true"], ["delete", name]):
        gone = lab.project("gone")
        done = lab.start(*argv, cwd=gone, preexec_fn=gone.rmdir).wait().expect(0)
        assert "Traceback" not in done.err
    lab.nothing_is_left()


def without(lab: FakeLab, *missing: str) -> str:
    """A PATH that has all but these."""
    place = lab.root / "some-bin"
    place.mkdir()
    for directory in ("/usr/bin", "/bin"):
        for program in os.listdir(directory):
            if program not in missing and not (place / program).is_symlink():
                (place / program).symlink_to(os.path.join(directory, program))
    return lab.env["PATH"].split(":")[0] + ":" + str(place)


def test_without_tmux_and_ps(lab: FakeLab) -> None:
    """There a VM was made and booted first, and Claude never started."""
    lab.env["PATH"] = without(lab, "tmux", "ps", "jq", "nc", "osascript")
    project = lab.project()
    done = lab.run("-d", project, "-t", lab.template, "--", "-p", "x").expect(7)
    assert "bypassPermissions\n-p\nx\n" in done.text
    with lab.terminal("-d", project, "--", "-p", "y") as terminal:
        terminal.expect(rb"bypassPermissions\s+-p\s+y\s")
        terminal.send(b"\x04")
        assert terminal.wait() == 7
    lab.run("status").expect(0)
    lab.run("stop-all").expect(0)


@pytest.mark.parametrize("user", ["john.doe", "admin"])
def test_guest_home_of_any_name(lab: FakeLab, user: str) -> None:
    """Lima calls the guest's user and home otherwise where the host's name is none for it: so nothing is mounted
    by such a name.  That settings are found from the home that the guest has is in the unit test of setup."""
    lab.env.update(USER=user, LOGNAME=user)
    project = lab.project()
    lab.make(project).expect(0)
    config = json.loads((lab.lima_home / lab.row(project).name / "lima.yaml").read_text())
    assert [m["mountPoint"] for m in config["mounts"]] == [str(project), "/mnt/claude-settings"]


def test_project_is_moved_and_has_one_again(lab: FakeLab) -> None:
    """There its old VM was used: with the old path mounted, and made anew, empty, on the host."""
    before = lab.project("proj", "a")
    lab.make(before).expect(0)
    old = lab.row(before).name
    (lab.projects / "b").mkdir()
    after = before.rename(lab.projects / "b/proj")
    assert lab.run("-d", after, "-t", lab.template, "shell", "--", "pwd").expect(0).text == f"{after}\n"
    assert not before.exists() and lab.row(after).name != old


def old_world(lab: FakeLab) -> Path:
    """As the Python tool leaves it: a VM in ~/.lima, settings, and what its servers wrote."""
    home = lab.home / ".lima"
    sets = [f'.portForwards += {json.dumps([{"guestSocket": "/tmp/claude-hooks.sock", "hostSocket": "/x", "reverse": True}])}',
            f'.mounts += {json.dumps([{"location": "/old", "writable": True}, {"location": "/x", "mountPoint": "/home/a.linux/.claude-shared"}])}',
            '.provision += [{"mode":"user","script":"exit 0"}]', '.env += {"UV_PROJECT_ENVIRONMENT":".venv-agent"}']
    lab.limactl("create", "--tty=false", "--name", "claude-sandbox-myapp", str(lab.template), home=home)
    config = json.loads((home / "claude-sandbox-myapp/lima.yaml").read_text())
    for expression in sets:
        key, _, value = expression[1:].partition(" += ")
        config[key] = json.loads(value) if key == "env" else [*config.get(key, []), *json.loads(value)]
    (home / "claude-sandbox-myapp/lima.yaml").write_text(json.dumps(config))
    (lab.state / ".claude").mkdir(parents=True)
    (lab.state / ".claude/settings.json").write_text("{}")
    return home


def test_vm_is_brought_along(lab: FakeLab) -> None:
    """A new VM from the old one, which stays; later commands need not know where it lies."""
    home, project = old_world(lab), lab.project("myapp")
    old = (home / "claude-sandbox-myapp/lima.yaml").read_bytes()
    lab.run("-d", project, "-c", "claude-sandbox-myapp").expect(FAILED, "has no VM claude-sandbox-myapp in")
    lab.run("-d", project, "-c", "claude-sandbox-myapp", "shell", "--", "true", env={"LIMA_HOME": str(home)}).expect(0)
    row = lab.row(project)
    config = json.loads((home / row.name / "lima.yaml").read_text())
    assert [m["location"] for m in config["mounts"]] == [str(project), str(lab.state / ".claude")]
    assert [f.get("ignore") for f in config["portForwards"]] == [True]
    assert "claude-hooks" not in json.dumps(config)
    assert lab.run("-d", project, "shell", "--", "echo", "said").expect(0).text == "said\n"
    lab.run("-d", project, "stop").expect(0)
    lab.run("-d", project, "delete").expect(0)
    assert (home / "claude-sandbox-myapp/lima.yaml").read_bytes() == old


def test_pid_files_of_the_old_servers(lab: FakeLab) -> None:
    """There whoever had the number by then was killed."""
    old_world(lab)
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        for name in ("claude-hooks-server.pid", "audio-server.pid"):
            (lab.state / name).write_text(f"{bystander.pid}\n")
        (lab.state / "claude-hooks.sock").touch()
        lab.make(lab.project()).expect(0)
        for argv in (["restart-hooks"], ["status"], ["stop-all"]):
            lab.run(*argv).expect(0)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_made_from_the_environment(lab: FakeLab) -> None:
    """The variables are the same: a base wins over a template, an option over both."""
    lab.foreign(BASE)
    env = {"CLAUDE_SANDBOX_BASE_VM": BASE, "CLAUDE_SANDBOX_TEMPLATE": str(lab.template),
           "CLAUDE_SANDBOX_SETTINGS": str(lab.root / "set")}
    lab.run("-d", lab.project("a"), "shell", "--", "true", env=env).expect(0)
    assert (len(lab.calls("clone")), len(lab.calls("create"))) == (1, 0) and (lab.root / "set").is_dir()
    lab.run("-d", lab.project("b"), "-t", lab.template, "shell", "--", "true", env=env).expect(0)
    assert (len(lab.calls("clone")), len(lab.calls("create"))) == (1, 1)
