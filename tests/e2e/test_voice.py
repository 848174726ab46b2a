"""The microphone: the server and the guest's ``rec`` by themselves, then through the command line on a pretended
VM, then through a real one. A file stands in for the microphone, so that what arrives can be compared bit by bit.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Iterator, Optional

import pytest

from fakelab import FakeLab
from realvm import BOOT_SECONDS, IMAGE_SECONDS, KEY, FakeApi, Lab, engine_params
from sandbox import FAILED, USAGE, Done, Sandbox, is_alive, kill, until
from servers import Server, connect, mode, read_all

REC = ["-q", "--buffer", "1024", "-t", "raw", "-r", "16000", "-e", "signed", "-b", "16", "-c", "1", "-"]
SILENCE = ["silence", "1", "0.1", "3%", "1", "2.0", "3%"]
RECORDER = """\
#!/bin/sh
# A microphone that never falls silent.
printf '%s\\n' "$@" >"$RECORDER_NOTES.args"
echo $$ >"$RECORDER_NOTES.tmp" && mv "$RECORDER_NOTES.tmp" "$RECORDER_NOTES"
exec cat /dev/zero
"""

needs_sox = pytest.mark.skipif(not shutil.which("sox"), reason="SoX is not installed")


def make_sound(path: Path, *effects: str) -> bytes:
    """A file to be heard: its samples, as rec is to deliver them."""
    raw = ["-t", "raw", "-r", "16000", "-e", "signed", "-b", "16", "-c", "1"]
    subprocess.run(["sox", "-n", "-r", "16000", "-b", "16", "-c", "1", path, *effects], check=True, timeout=60)
    return subprocess.run(["sox", path, *raw, "-"], check=True, timeout=60, stdout=subprocess.PIPE).stdout


class Audio(Server):
    """The audio server, and the guest's rec as if the VM were here."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, "claude-audio-server")
        self.rec = Path(self.program).parent.parent / "share/claudesandbox/guest/rec"
        self.notes = sandbox.root / "recorder-notes"
        self.recorder = sandbox.root / "recorder"
        self.recorder.write_text(RECORDER)
        self.recorder.chmod(0o755)
        self.env["RECORDER_NOTES"] = str(self.notes)

    def serve(self, vm: str = "claude-sandbox-x-01234567") -> Path:
        return Path(self.run("serve", vm).expect(0).text.rstrip("\n"))

    def endless(self) -> Path:
        """A server whose microphone never falls silent, serving one VM."""
        self.start(CLAUDE_SANDBOX_RECORDER=str(self.recorder))
        return self.serve()

    def begin_rec(self, path: Path, *argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([self.rec, *(argv or REC)], env={**self.env, "CLAUDE_AUDIO_SOCKET": str(path)},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def hear(self, path: Path, *argv: str) -> Done:
        out, err = (process := self.begin_rec(path, *argv)).communicate(timeout=60)
        return Done(process.returncode, out, err.decode(errors="replace"))

    def recorder_pid(self) -> int:
        until(self.notes.exists, "the microphone is opened")
        pid = int(self.notes.read_text())
        self.notes.unlink()
        return pid

    def microphone(self) -> str:
        told = self.status()
        assert told
        return told["microphone"]


@pytest.fixture
def audio(sandbox: Sandbox) -> Iterator[Audio]:
    made = Audio(sandbox)
    try:
        yield made
    finally:
        made.close()


def waiting(connection: socket.socket) -> int:
    """How many bytes have come and were not read."""
    return int.from_bytes(fcntl.ioctl(connection, termios.FIONREAD, bytes(4)), sys.byteorder)


def ask(path: Path, request: bytes) -> bytes:
    with connect(path) as connection:
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(request)
        return read_all(connection)


# ---- what is recorded --------------------------------------------------------------------------------------

@needs_sox
@pytest.mark.parametrize("kind", ["wav", "raw"])
def test_guest_gets_every_bit(audio: Audio, kind: str) -> None:
    wav = audio.sandbox.root / "sound.wav"
    samples = make_sound(wav, "synth", "5", "pinknoise", "vol", "0.7")
    assert len(samples) == 5 * 16000 * 2
    wav.with_suffix(".raw").write_bytes(samples)
    audio.start(CLAUDE_SANDBOX_AUDIO_FILE=str(wav.with_suffix("." + kind)))
    heard = audio.hear(audio.serve()).expect(0)
    assert heard.out == samples and heard.err == ""
    assert audio.microphone() == "closed"


@needs_sox
def test_ends_with_silence_where_that_is_wanted(audio: Audio) -> None:
    wav = audio.sandbox.root / "sound.wav"
    samples = make_sound(wav, "synth", "2", "sine", "440", "pad", "1", "30")
    audio.start(CLAUDE_SANDBOX_AUDIO_FILE=str(wav))
    path = audio.serve()
    assert audio.hear(path).expect(0).out == samples
    trimmed = audio.hear(path, *REC, *SILENCE).expect(0).out
    wanted = subprocess.run(["sox", wav, *REC[3:], *SILENCE], check=True, stdout=subprocess.PIPE, timeout=60).stdout
    assert trimmed == wanted
    assert 2 * 32000 * 0.9 < len(trimmed) < 5 * 32000


def test_recorder_is_told_just_this(audio: Audio) -> None:
    path = audio.endless()
    with connect(path) as guest:
        guest.sendall(b"rec 44100 2 16 signed silence\n")
        assert guest.recv(3) == b"ok\n"
    audio.recorder_pid()
    assert audio.notes.with_suffix(".args").read_text().split("\n") == [
        "-q", "--buffer", "1024", "-d", "-t", "raw", "-r", "44100", "-e", "signed", "-b", "16", "-c", "2", "-",
        *SILENCE, ""]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_microphone_is_closed_when_rec_ends(audio: Audio, number: int) -> None:
    """Also when the recorder has nothing to write just then, and so does not notice by itself."""
    audio.recorder.write_text(RECORDER.replace("exec cat /dev/zero", "head -c 32000 /dev/zero; exec sleep 600"))
    rec = audio.begin_rec(audio.endless())
    assert rec.stdout and len(rec.stdout.read(32000)) == 32000
    pid = audio.recorder_pid()
    assert audio.microphone() == "open" and is_alive(pid)
    rec.send_signal(number)
    assert rec.wait(30) == (-number if number == signal.SIGKILL else 0)
    until(lambda: not is_alive(pid), "the recorder ends")
    assert audio.microphone() == "closed"


def test_guest_that_takes_nothing(audio: Audio) -> None:
    """Nothing piles up, everybody else is served, and when it goes the microphone is closed."""
    path = audio.endless()
    with connect(path) as guest:
        guest.sendall(b"rec 16000 1 16 signed\n")
        pid = audio.recorder_pid()
        assert audio.microphone() == "open"
        assert b"busy" in ask(path, b"rec 16000 1 16 signed\n")
    until(lambda: not is_alive(pid), "the recorder ends")


def test_slow_guest_gets_every_bit(audio: Audio) -> None:
    """The recorder waits for it where it can."""
    samples = os.urandom(2_000_000)
    (audio.sandbox.root / "sound").write_bytes(samples)
    audio.recorder.write_text(f"#!/bin/sh\nexec cat '{audio.sandbox.root}/sound'\n")
    with connect(audio.endless()) as guest:
        guest.sendall(b"rec 48000 2 16 signed\n")
        until(lambda: 0 < waiting(guest) == (time.sleep(0.2) or waiting(guest)), "no more comes")
        assert read_all(guest) == b"ok\n" + samples


def test_guest_that_talks_on(audio: Audio) -> None:
    path = audio.endless()
    with connect(path) as guest:
        guest.sendall(b"rec 16000 1 16 signed\n")
        pid = audio.recorder_pid()
        guest.sendall(b"more")
        until(lambda: not is_alive(pid), "the recorder ends")
    assert audio.microphone() == "closed"


def test_one_at_a_time(audio: Audio) -> None:
    path, other = audio.endless(), audio.serve("other")
    first = audio.begin_rec(path)
    pid = audio.recorder_pid()
    audio.hear(other).expect(1, "busy")
    told = audio.status()
    assert told and told["microphone"] == "open" and told["recording_for"] == "claude-sandbox-x-01234567"
    assert told["recording_since"] >= told["since"]
    assert "recording_for: claude-sandbox-x-01234567" in audio.run("status").expect(0).lines()
    first.terminate()
    first.communicate(timeout=30)
    until(lambda: not is_alive(pid), "the recorder ends")
    second = audio.begin_rec(other)
    audio.recorder_pid()
    second.terminate()
    second.communicate(timeout=30)
    log = audio.log_text()
    assert "claude-sandbox-x-01234567: recording begins (16000 Hz, 1 channel)" in log
    assert "claude-sandbox-x-01234567: recording ended" in log
    assert "other: recording begins" in log


def test_stop_closes_the_microphone(audio: Audio) -> None:
    rec = audio.begin_rec(audio.endless())
    pid = audio.recorder_pid()
    audio.run("stop").expect(0)
    until(lambda: not is_alive(pid), "the recorder ends")
    rec.communicate(timeout=30)


def test_killed_server_closes_the_microphone(audio: Audio) -> None:
    rec = audio.begin_rec(audio.endless())
    pid = audio.recorder_pid()
    told = audio.status()
    assert told
    kill(told["pid"])
    until(lambda: not is_alive(pid), "the recorder ends")
    rec.communicate(timeout=30)
    audio.start()
    audio.serve()       # over what the dead one has left


@pytest.mark.parametrize("script, said", [
    ("echo 'no such device' >&2; exit 1", "no such device"),
    ("printf 'a\\nb\\n' >&2; printf c >&2; exit 0", "c"),
    ("kill -9 $$", "the recorder ended"),
])
def test_recorder_that_fails(audio: Audio, script: str, said: str) -> None:
    audio.recorder.write_text(f"#!/bin/sh\n{script}\n")
    heard = audio.hear(audio.endless()).expect(1)
    assert heard.err == f"rec: {said}\n"
    assert audio.microphone() == "closed"


def test_recorder_that_is_missing(audio: Audio) -> None:
    audio.recorder.unlink()
    audio.hear(audio.endless()).expect(1, "the host has no SoX")


def test_without_end_again_and_again(audio: Audio) -> None:
    """A guest can't have us start programs as fast as it likes."""
    audio.recorder.write_text("#!/bin/sh\necho x\n")
    path = audio.endless()
    answers = [ask(path, b"rec 16000 1 16 signed\n") for _ in range(200)]
    assert answers[0] == b"ok\nx\n"
    assert any(b"too many recordings" in answer for answer in answers)


# ---- what is asked -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("request_", [
    b"\n", b"rec\n", b"GET / HTTP/1.1\r\n", b"rec 16000 1 16 signed; id\n", b"rec 16000 1 16 signed\r\n", b"rec 7999 1 16 signed\n",
    b"rec 48001 1 16 signed\n", b"rec 16000 3 16 signed\n", b"rec 16000 0 16 signed\n", b"rec 16000 1 24 signed\n",
    b"rec 16000 1 16 float\n", b"rec -16000 1 16 signed\n", b"rec 016000 1 16 signed\n", b"rec 16000  1 16 signed\n",
    b"rec 16000 1 16 signed silence 1\n", b"rec 99999999999999999999 1 16 signed\n", b"rec $(id) 1 16 signed\n",
    b"rec 16000 1 16 signed\n\n", b"rec 16000 1 16 signed\0\n", b"\0\n", b"x" * 4096])
def test_what_is_no_request(audio: Audio, request_: bytes) -> None:
    path = audio.endless()
    assert ask(path, request_) == b"error not a request\n"
    assert not audio.notes.exists()


def test_silent_guests_are_hung_up_on(audio: Audio) -> None:
    path, other = audio.endless(), audio.serve("other")
    silent = [connect(path) for _ in range(15)]
    late = connect(path)
    late.sendall(b"rec 16000 ")
    with connect(other) as refused:
        assert read_all(refused) == b"error busy: too many connections\n"
    for guest in [*silent, late]:
        assert read_all(guest) == b"error that took too long\n"
        guest.close()
    with connect(other) as served:
        served.sendall(b"rec 16000 1 16 signed\n")
        assert served.recv(3) == b"ok\n"


def test_guest_that_comes_and_goes(audio: Audio) -> None:
    path = audio.endless()
    for _ in range(200):
        connect(path).close()

    def gets_through() -> bool:
        with connect(path) as guest:
            guest.sendall(b"rec 16000 1 16 signed\n")
            return guest.recv(3) == b"ok\n"

    until(gets_through, "those that went make room")


# ---- which VMs ---------------------------------------------------------------------------------------------

def test_serving(audio: Audio) -> None:
    assert audio.run("serve", "a").expect(1, "claude-audio-server start").text == ""
    assert audio.status() is None, "serve starts nothing"
    audio.start()
    path = audio.serve("a")
    assert audio.serve("a") == path
    assert audio.serve("b") != path
    assert mode(path) == 0o600 and path.is_socket()
    assert mode(path.parent) == 0o700
    told = audio.status()
    assert told and told["vms"] == 2
    audio.run("stop").expect(0)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", ".a", "é", "a\nb", "x" * 64])
def test_names_that_are_none(audio: Audio, name: str) -> None:
    audio.start()
    assert audio.run("serve", name).status in (USAGE, FAILED)
    told = audio.status()
    assert told and told["vms"] == 0


def test_file_where_a_socket_should_be(audio: Audio) -> None:
    audio.start()
    path = audio.serve("a")
    audio.run("restart").expect(0)
    path.write_text("precious")
    audio.run("serve", "a").expect(FAILED, "in the way")
    assert path.read_text() == "precious"


# ---- rec in the guest --------------------------------------------------------------------------------------

def test_rec_without_a_server(audio: Audio) -> None:
    audio.hear(audio.sandbox.root / "nothing").expect(1, "no microphone", "claude-sandbox --voice")


def test_rec_tells_its_version(audio: Audio) -> None:
    assert audio.hear(Path("/"), "--version").expect(0).text.startswith("rec: ")
    sox = audio.sandbox.root / "sox"
    sox.symlink_to(audio.rec)
    done = subprocess.run([sox, "--version"], stdout=subprocess.PIPE, check=True, timeout=30)
    assert done.stdout.startswith(b"sox: ")
    assert subprocess.run([sox, *REC], stderr=subprocess.DEVNULL, check=False, timeout=30).returncode == 2


@pytest.mark.parametrize("argv", [
    ["-q"], ["out.wav"], ["-t", "wav", "-"], [*REC, "trim", "0", "5"], [*REC[:-1], "-c", "6", "-"], [*REC[:-1], "-r"],
    [*REC[:-1], "-r", "16000;id", "-"], [*REC[:-1], "-r", "", "-"], [*REC[:-1], "-b", "8", "-"], [*REC[:-1], "-e", "float", "-"],
    [*REC, "silence", "1", "0.1", "5%"], [*REC, "-"], ["--help"]])
def test_rec_refuses_what_it_can_not(audio: Audio, argv: list[str]) -> None:
    heard = audio.hear(Path("/nonexistent"), *argv)
    assert heard.status == 2 and heard.out == b"" and heard.err.startswith("rec: ")


# ---- the command line, on a pretended VM -------------------------------------------------------------------

class VoiceLab(FakeLab):
    """The guest's /usr/local/bin is its own."""

    def __init__(self, cli: str) -> None:
        super().__init__(cli)
        self.env["FAKE_GUEST_PATHS"] = "/usr/local/bin"
        (self.guest / "usr/local").mkdir(parents=True)
        (self.guest / "usr/local/bin").symlink_to(self.guest / "bin")      # before the host's own rec
        self.rec = self.guest / "usr/local/bin/rec"
        self.server = Server(self, "claude-audio-server")
        self.server.env["PATH"] = self.env["PATH"]

    def close(self) -> None:
        told = self.server.status()
        self.server.pids.update([told["pid"]] if told else [])
        self.server.close()
        super().close()


@pytest.fixture
def voice_lab(cli: str) -> Iterator[VoiceLab]:
    """One at a time: a pretended guest's /dev/shm, where its microphone is, is this machine's own."""
    with open(f"/tmp/csb-voice-{os.getuid()}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = VoiceLab(cli)
        try:
            yield made
        finally:
            made.close()


def record(lab: VoiceLab, project: Path, *more: str, env: Optional[dict[str, str]] = None) -> Done:
    return lab.run("-d", project, "-t", lab.template, *more, "shell", "--", "rec", *REC, env=env)


@needs_sox
@pytest.mark.parametrize("way", ["option", "1", "true"])
def test_voice_reaches_the_guest(voice_lab: VoiceLab, way: str) -> None:
    wav, project = voice_lab.root / "sound.wav", voice_lab.project()
    samples = make_sound(wav, "synth", "2", "pinknoise")
    voice_lab.env["CLAUDE_SANDBOX_AUDIO_FILE"] = str(wav)
    env = {} if way == "option" else {"CLAUDE_SANDBOX_VOICE_MODE": way}
    heard = record(voice_lab, project, *(["--voice"] if way == "option" else []), env=env).expect(0, "can hear the microphone")
    assert heard.out == samples
    assert mode(voice_lab.rec) == 0o755
    told = voice_lab.server.status()
    assert told and told["vms"] == 1 and told["microphone"] == "closed"
    # A VM that runs keeps it, and a second time changes nothing.
    assert record(voice_lab, project).expect(0).out == samples
    quiet = record(voice_lab, project, "--voice", "-q").expect(0)
    assert quiet.out == samples and "microphone" not in quiet.err
    again = voice_lab.server.status()
    assert again and again["pid"] == told["pid"] and again["vms"] == 1


@needs_sox
def test_voice_comes_back_with_the_server(voice_lab: VoiceLab) -> None:
    wav, project = voice_lab.root / "sound.wav", voice_lab.project()
    samples = make_sound(wav, "synth", "1", "sine", "440")
    voice_lab.env["CLAUDE_SANDBOX_AUDIO_FILE"] = str(wav)
    assert record(voice_lab, project, "--voice").expect(0).out == samples
    told = voice_lab.server.status()
    assert told
    kill(told["pid"])
    assert record(voice_lab, project, "--voice").expect(0).out == samples


def test_without_voice_nothing_is_started(voice_lab: VoiceLab) -> None:
    for mode_ in ("", "0", "false"):
        voice_lab.make(voice_lab.project(), env={"CLAUDE_SANDBOX_VOICE_MODE": mode_}).expect(0)
    assert voice_lab.server.status() is None
    assert not voice_lab.rec.exists()


def test_voice_mode_is_yes_or_no(voice_lab: VoiceLab) -> None:
    voice_lab.make(voice_lab.project(), env={"CLAUDE_SANDBOX_VOICE_MODE": "loud"}).expect(USAGE, "loud")
    voice_lab.nothing_is_left()


def test_voice_without_sox(voice_lab: VoiceLab) -> None:
    """Said before the minutes that a VM takes."""
    programs = voice_lab.root / "bin"
    programs.mkdir()
    for name in ("limactl", "ssh"):
        (programs / name).symlink_to(Path(voice_lab.env["PATH"].split(":")[0]) / name)
    done = voice_lab.make(voice_lab.project(), "--voice", env={"PATH": str(programs)})
    done.expect(FAILED, "SoX", "install sox")
    voice_lab.nothing_is_left()
    assert voice_lab.calls() == []


def test_voice_whose_server_can_not_start(voice_lab: VoiceLab) -> None:
    voice_lab.server.run_dir.mkdir(parents=True, mode=0o700)
    voice_lab.server.control.write_text("precious")
    done = voice_lab.make(voice_lab.project(), "--voice", env={"CLAUDE_SANDBOX_RECORDER": "/bin/true"})
    done.expect(FAILED, "claude-audio-server: ", "in the way")


# ---- a real VM ---------------------------------------------------------------------------------------------

@pytest.fixture(scope="module", params=engine_params())
def real(request: pytest.FixtureRequest, cli: str) -> Iterator[Lab]:
    with FakeApi(require_key=KEY) as api, contextlib.ExitStack() as stack:
        lab = Lab(cli, request.param, api)
        stack.callback(lab.close)
        server = Server(lab, "claude-audio-server")
        stack.callback(server.close)
        sound = lab.root / "sound.wav"
        lab.samples = make_sound(sound, "synth", "5", "pinknoise")
        lab.env["CLAUDE_SANDBOX_AUDIO_FILE"] = str(sound)
        lab.run("--voice", "-d", lab.dir, "shell", "--", "true", seconds=IMAGE_SECONDS).expect(0)
        told = server.status()
        assert told
        server.pids.add(told["pid"])
        lab.server = server
        yield lab


@needs_sox
def test_real_vm_gets_every_bit(real: Lab) -> None:
    assert real.shell("rec", *REC).expect(0).out == real.samples
    assert real.shell("sox", "--version").expect(0).text.startswith("sox: ")


@needs_sox
def test_real_vms_microphone_is_its_users_alone(real: Lab) -> None:
    real.shell("sudo", "-u", "nobody", "sh", "-c", "CLAUDE_AUDIO_SOCKET=$1 rec " + " ".join(REC), "sh",
               real.sh("echo /dev/shm/claude-sandbox-$(id -u)/audio.sock").strip()).expect(1, "Permission denied")


@needs_sox
def test_real_vm_closes_the_microphone(real: Lab) -> None:
    """With what rec there, the connection between us and the recorder end."""
    recorder = real.root / "recorder"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    notes = real.root / "notes"
    env = {"CLAUDE_SANDBOX_RECORDER": str(recorder), "RECORDER_NOTES": str(notes)}
    real.server.run("restart", **env).expect(0)
    done = real.run("-q", "--voice", "-d", real.dir, "shell", "--", "sh", "-c",
                    f"timeout --signal=TERM --preserve-status 5 rec {' '.join(REC)} | wc -c", seconds=BOOT_SECONDS)
    assert int(done.expect(0).text) > 32000
    until(notes.exists, "the microphone was opened")
    until(lambda: not is_alive(int(notes.read_text())), "the recorder ends")
    told = real.server.status()
    assert told and told["microphone"] == "closed"
