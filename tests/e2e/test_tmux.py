"""Claude in tmux, with the real one; each test has a server of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import Any, Iterator

import pytest

from fakelab import FakeLab
from sandbox import INTERRUPTED, Terminal, processes, until

TMUX = shutil.which("tmux")
SECRET = "sk-ant-not-for-your-eyes"
# Says what it has, and waits for the end of its input.
CLAUDE = """\
#!/bin/sh
[ "$*" != --version ] || exit 0
printf '<%s>' "$@"
printf '\\nkey=%s odd=%s term=%s where=%s\\n' "$ANTHROPIC_API_KEY" "$ODD" "$TERM" "$PWD"
cat
echo "the end"
exit 7
"""

pytestmark = pytest.mark.skipif(not TMUX, reason="tmux is not installed")


class TmuxLab(FakeLab):
    def __init__(self, cli: str) -> None:
        super().__init__(cli)
        (self.guest / "bin/claude").write_text(CLAUDE)
        (self.root / "t").mkdir(mode=0o700)
        self.env.update(TMUX_TMPDIR=str(self.root / "t"), ANTHROPIC_API_KEY=SECRET, CLAUDE_SANDBOX_TMUX="")
        self.dir = self.project()

    def tmux(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run([TMUX or "", "-f", "/dev/null", *argv], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20, cwd=self.projects)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def sessions(self) -> list[str]:
        return self.tmux("list-sessions", "-F", "#S", check=False).split()

    def on_terminal(self, *argv: str, **more: Any) -> Terminal:
        return self.terminal("-d", str(self.dir), "-t", str(self.template), *argv, size=(40, 200), **more)

    def name(self) -> str:
        return self.row(self.dir).name

    def close(self) -> None:
        self.tmux("kill-server", check=False)
        super().close()


@pytest.fixture
def lab(cli: str) -> Iterator[TmuxLab]:
    made = TmuxLab(cli)
    try:
        yield made
    finally:
        made.close()


# ---- outside -----------------------------------------------------------------------------------------------

def test_a_session_of_its_own(lab: TmuxLab) -> None:
    """Named after the VM; what was asked for arrives byte by byte, and so does the exit status."""
    with lab.on_terminal("--", "do this;", "kill-server", "a  b", "#{pid}$(id)", env={"ODD": "x;"}) as terminal:
        terminal.expect(rb"<--permission-mode><bypassPermissions><do this;><kill-server><a  b><#\{pid\}\$\(id\)>")
        terminal.expect(rb"key=" + SECRET.encode())
        assert lab.sessions() == [lab.name()]
        assert lab.tmux("list-windows", "-a", "-F", "#W").split() == [lab.name()]
        terminal.send(b"\x04")
        assert terminal.wait() == 7
    assert lab.sessions() == []
    assert list((lab.state / "run").glob("tmux-*")) == []


def test_secrets_are_nowhere(lab: TmuxLab) -> None:
    with lab.on_terminal() as terminal:
        terminal.expect(rb"key=" + SECRET.encode())
        assert not [args for args in processes().values() if SECRET in args]
        assert SECRET not in lab.tmux("show-environment", "-g") + lab.tmux("show-environment")
        kept = [p for p in lab.state.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
        assert kept == []
        terminal.send(b"\x04")
        assert terminal.wait() == 7


def test_an_old_server_has_an_old_environment(lab: TmuxLab) -> None:
    """What counts is the environment and the directory of who calls now."""
    old = {**lab.env, "ANTHROPIC_API_KEY": "old", "PATH": os.environ["PATH"]}
    subprocess.run([TMUX or "", "-f", "/dev/null", "new-session", "-d", "-s", "other"], env=old, check=True, timeout=20,
                   stdin=subprocess.DEVNULL, cwd="/")
    with lab.terminal("-t", str(lab.template), cwd=lab.dir, size=(40, 200)) as terminal:
        terminal.expect(rb"key=" + SECRET.encode())
        terminal.expect(rb"term=(screen|tmux)")
        assert sorted(lab.sessions()) == sorted([lab.name(), "other"])
        terminal.send(b"\x04")
        assert terminal.wait() == 7
    assert lab.sessions() == ["other"]


def test_detach_and_come_back(lab: TmuxLab) -> None:
    with lab.on_terminal() as terminal:
        terminal.expect(rb"key=")
        terminal.send(b"\x02d")
        assert terminal.wait() == 0
    assert lab.sessions() == [lab.name()]
    with lab.on_terminal() as terminal:
        terminal.expect(rb"key=")
        assert len([a for a in processes().values() if str(lab.guest / "bin/claude") in a]) == 1
        terminal.send(b"\x04")
        assert terminal.wait() == 0
    until(lambda: lab.sessions() == [], "the session ends")


def test_words_for_claude_are_not_lost_on_another_session(lab: TmuxLab) -> None:
    with lab.on_terminal() as first:
        first.expect(rb"key=")
        with lab.on_terminal("--", "something else") as second:
            second.expect(rb"<something else>")
            second.send(b"\x04")
            assert second.wait() == 7
        first.send(b"\x04")
        assert first.wait() == 7


@pytest.mark.parametrize("argv, env", [
    (["--no-tmux"], {}), ([], {"CLAUDE_SANDBOX_TMUX": "0"}), (["--", "-p", "x"], {}), ([], {"TERM": "dumb"})])
def test_without_tmux(lab: TmuxLab, argv: list[str], env: dict[str, str]) -> None:
    with lab.on_terminal(*argv, env=env) as terminal:
        terminal.expect(rb"key=" + SECRET.encode())
        assert lab.sessions() == []
        terminal.send(b"\x04")
        assert terminal.wait() == 7


def test_tmux_is_not_installed(lab: TmuxLab) -> None:
    place = lab.root / "bin"
    place.mkdir()
    for directory in ("/bin", "/usr/bin"):
        for program in os.listdir(directory):
            if program != "tmux" and not (place / program).is_symlink():
                (place / program).symlink_to(f"{directory}/{program}")
    path = lab.env["PATH"].split(":")[0]
    with lab.on_terminal(env={"PATH": f"{path}:{place}"}) as terminal:
        terminal.expect(rb"key=")
        terminal.send(b"\x04")
        assert terminal.wait() == 7


def test_without_a_terminal(lab: TmuxLab) -> None:
    done = lab.run("-d", lab.dir, "-t", lab.template, stdin=b"x")
    assert done.status == 7 and "the end" in done.text and lab.sessions() == []


def test_a_failure_is_seen_where_it_was_asked_for(lab: TmuxLab) -> None:
    """Before there is any session that could take the words with it."""
    lab.faults({"verb": "start", "exit": 1, "stderr": 'level=fatal msg="the moon is full"\n'})
    with lab.on_terminal() as terminal:
        terminal.expect(rb"the moon is full")
        assert terminal.wait() == 125
    assert lab.sessions() == []


def test_the_inner_call_is_for_nobody_else(lab: TmuxLab) -> None:
    lab.run("--in-tmux", str(lab.root / "nothing")).expect(2, "is not for you to use")


# ---- inside ------------------------------------------------------------------------------------------------

def windows(lab: TmuxLab) -> str:
    return lab.tmux("display-message", "-p", "-t", "mine:", "#W")


def automatic(lab: TmuxLab) -> str:
    return lab.tmux("show-options", "-wqv", "-t", "mine:", "automatic-rename").strip()


def run_inside(lab: TmuxLab, *argv: str, automatic_rename: str = "") -> int:
    """In a window of the user's own, which stays when the command line ends: its process."""
    lab.make(lab.dir).expect(0)
    pid = lab.root / "pid"
    script = f"echo $$ >'{pid}.tmp'; mv '{pid}.tmp' '{pid}'; exec '{lab.cli}' \"$@\""
    wrapper = lab.root / "wrapper"
    wrapper.write_text(f"#!/bin/sh\nsh -c {shell_word(script)} sh \"$@\"\necho $? >'{lab.root}/status.tmp'\n"
                       f"mv '{lab.root}/status.tmp' '{lab.root}/status'\nexec cat\n")
    wrapper.chmod(0o755)
    lab.tmux("new-session", "-d", "-x", "200", "-y", "40", "-s", "mine", "-n", "keeper", "cat")
    lab.tmux("set-option", "-t", "mine", "update-environment", "")
    if automatic_rename:
        lab.tmux("set-option", "-w", "-t", "mine:", "automatic-rename", automatic_rename)
    else:
        lab.tmux("set-option", "-gw", "automatic-rename", "off")
        lab.tmux("set-option", "-wu", "-t", "mine:", "automatic-rename")
    lab.tmux("respawn-pane", "-k", "-t", "mine:", str(wrapper), "-d", str(lab.dir), *argv)
    return int(until(lambda: pid.exists() and pid.read_text().strip(), "the command line runs"))


def shell_word(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def ended(lab: TmuxLab) -> int:
    path = lab.root / "status"
    return int(until(lambda: path.exists() and path.read_text().strip(), "the command line ends"))


ODD_NAME = "my #{pid} #(touch pwned) %Y 100%"


@pytest.mark.parametrize("setting", ["", "off"])
@pytest.mark.parametrize("end", ["ends", signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_window_bears_the_name(lab: TmuxLab, end: Any, setting: str) -> None:
    pid = run_inside(lab, automatic_rename=setting)
    until(lambda: windows(lab) == lab.name() + "\n", "the window is renamed")
    assert lab.sessions() == ["mine"]
    if end == "ends":
        until(lambda: "key=" in lab.tmux("capture-pane", "-p", "-t", "mine:"), "claude runs")
        lab.tmux("send-keys", "-t", "mine:", "C-d")
    else:
        os.kill(pid, end)
    assert ended(lab) == (7 if end == "ends" else INTERRUPTED)
    assert windows(lab) == "keeper\n" and automatic(lab) == setting


def test_an_odd_name_comes_back_as_it_was(lab: TmuxLab) -> None:
    """tmux takes names for formats, which can run programs."""
    run_inside(lab, "--no-tmux")
    until(lambda: "key=" in lab.tmux("capture-pane", "-p", "-t", "mine:"), "claude runs")
    assert windows(lab) == "keeper\n"
    lab.tmux("send-keys", "-t", "mine:", "C-d")
    assert ended(lab) == 7
    (lab.root / "status").unlink()
    (lab.root / "pid").unlink()
    lab.tmux("rename-window", "-t", "mine:", ODD_NAME.replace("#", "##"))
    assert windows(lab) == ODD_NAME + "\n"
    lab.tmux("respawn-pane", "-k", "-t", "mine:", str(lab.root / "wrapper"), "-d", str(lab.dir))
    until(lambda: windows(lab) == lab.name() + "\n", "the window is renamed")
    until(lambda: "key=" in lab.tmux("capture-pane", "-p", "-t", "mine:"), "claude runs")
    lab.tmux("send-keys", "-t", "mine:", "C-d")
    assert ended(lab) == 7
    assert windows(lab) == ODD_NAME + "\n"
    assert list(lab.root.rglob("pwned")) == []


def test_a_name_given_meanwhile_stays(lab: TmuxLab) -> None:
    run_inside(lab)
    until(lambda: windows(lab) == lab.name() + "\n", "the window is renamed")
    until(lambda: "key=" in lab.tmux("capture-pane", "-p", "-t", "mine:"), "claude runs")
    lab.tmux("rename-window", "-t", "mine:", "mine")
    lab.tmux("send-keys", "-t", "mine:", "C-d")
    assert ended(lab) == 7
    assert windows(lab) == "mine\n"


def test_a_shell_renames_nothing(lab: TmuxLab) -> None:
    run_inside(lab, "shell", "--", "sh", "-c", "echo ready; cat")
    until(lambda: "ready" in lab.tmux("capture-pane", "-p", "-t", "mine:"), "the shell runs")
    assert windows(lab) == "keeper\n"


def test_tmux_that_is_gone(lab: TmuxLab) -> None:
    """TMUX is set, but nobody is there."""
    with lab.on_terminal(env={"TMUX": f"{lab.root}/t/none,1,0", "TMUX_PANE": "%0"}) as terminal:
        terminal.expect(rb"key=")
        terminal.send(b"\x04")
        assert terminal.wait() == 7
