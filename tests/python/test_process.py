"""Programs in a guest, and Claude Code among them."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import claudesandbox as cs
import pytest
from fakelab import FakeLab
from sandbox import is_alive, until

SLEEP = ["sh", "-c", "echo $$; exec sleep 300"]
LINES: list[dict[str, Any]] = [
    {"type": "system", "subtype": "init", "session_id": "s1", "tools": []},
    {"type": "assistant", "session_id": "s1", "message": {"model": "m", "content": [
        {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "I look. "}, {"type": "new", "x": 1},
        {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}]}},
    {"type": "user", "session_id": "s1", "message": {"content": [
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a\n"}], "is_error": True}]}},
    {"type": "tomorrow", "session_id": "s1"},
    {"type": "result", "subtype": "success", "session_id": "s1", "is_error": False, "result": "done", "num_turns": 2,
     "duration_ms": 7, "total_cost_usd": 0.25}]


def write_claude(lab: FakeLab, script: str) -> None:
    program = lab.guest / "bin/claude"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)


@pytest.fixture
def lines(lab: FakeLab) -> list[dict[str, Any]]:
    """What claude says; it notes its arguments."""
    text = "".join(json.dumps(line) + "\n" for line in LINES)
    (lab.guest / "said").write_text(text)
    write_claude(lab, f'printf "%s\\n" "$@" >{lab.guest}/args; echo oops >&2; exec /bin/cat {lab.guest}/said\n')
    return LINES


# ---- run ---------------------------------------------------------------------------------------------------

def test_run(vm: cs.VM, capfd: pytest.CaptureFixture[str]) -> None:
    done = vm.run(["sh", "-c", "cat; echo err >&2; exit 3"], input="in", capture_output=True, text=True)
    assert isinstance(done, subprocess.CompletedProcess)
    assert (done.returncode, done.stdout, done.stderr) == (3, "in", "err\n")
    assert vm.run(["printf", "%s.", "a b", "'", "$X"], capture_output=True).stdout == b"a b.'.$X."
    assert vm.run(["echo", "ours"], stdin=subprocess.DEVNULL).stdout is None
    assert capfd.readouterr().out == "ours\n"


def test_run_where_and_with_what(vm: cs.VM) -> None:
    def said(script: str, **options: Any) -> str:
        return str(vm.run(["sh", "-c", script], capture_output=True, text=True, check=True, **options).stdout)

    assert said("pwd") == f"{vm.project_dir}\n"
    assert said("pwd", cwd=Path("/usr")) == "/usr\n"
    assert said("echo $A-$B", env={"A": "x y", "B": "$"}) == "x y-$\n"
    with pytest.raises(cs.InvalidArgumentError):
        said("true", env={"A=B": "x"})
    assert said("echo out; echo err >&2") == "out\n"
    done = vm.run(["sh", "-c", "echo out; echo err >&2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (sorted(done.stdout.split()), done.stderr) == (["err", "out"], None)


def test_run_into_files(lab: FakeLab, vm: cs.VM) -> None:
    (lab.root / "in").write_bytes(b"x" * 200_000)
    with open(lab.root / "in", "rb") as source, open(lab.root / "out", "wb") as target:
        vm.run(["cat"], stdin=source, stdout=target, check=True)
    assert (lab.root / "out").read_bytes() == b"x" * 200_000


def test_much_in_both_directions(vm: cs.VM) -> None:
    data = os.urandom(1 << 20)
    assert vm.run(["cat"], input=data, capture_output=True).stdout == data
    assert vm.run(["true"], input=data, capture_output=True).returncode == 0       # it does not want it


def test_failures(vm: cs.VM) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        vm.run(["sh", "-c", "echo why >&2; exit 5"], check=True, capture_output=True, text=True)
    assert (caught.value.returncode, caught.value.stderr) == (5, "why\n")
    assert vm.run(["no-such-program"], stderr=subprocess.DEVNULL).returncode == 127
    assert vm.run(["sh", "-c", "kill -KILL $$"], stderr=subprocess.DEVNULL).returncode == 137
    with pytest.raises(TypeError, match="list"):
        vm.run("ls -l")
    for wrong in ({"input": b"", "stdin": subprocess.DEVNULL}, {"capture_output": True, "stdout": subprocess.PIPE}):
        with pytest.raises(ValueError):
            vm.run(["true"], **wrong)       # type: ignore[call-overload]
    with pytest.raises(cs.InvalidArgumentError):
        vm.run([])


def test_a_machine_that_does_not_run(ctx: cs.Context, vm: cs.VM) -> None:
    vm.run(["true"], check=True)
    vm.stop()
    with pytest.raises(cs.StateError):
        vm.run(["true"])
    vm.start()
    vm.run(["true"], check=True)


def pid_of(out: bytes) -> int:
    return int(out.split()[0])


def test_run_that_takes_too_long(vm: cs.VM) -> None:
    with pytest.raises(cs.TimedOutError) as caught:
        vm.run(SLEEP, capture_output=True, timeout=2)
    until(lambda: not is_alive(pid_of(caught.value.output)), "it has ended")


def test_ctrl_c(lab: FakeLab, vm: cs.VM) -> None:
    """Answered within 100 ms, but for the time that it takes to end the program."""
    pid_file, times = lab.root / "pid", list[float]()

    def interrupt() -> None:
        until(lambda: pid_file.exists() and pid_file.read_text(), "it runs")
        times.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    process = vm.spawn(["sh", "-c", f"echo $$ >{pid_file}; exec sleep 300"])
    with pytest.raises(KeyboardInterrupt):
        process.wait()
    times.append(time.monotonic())
    thread.join()
    assert process.poll() is None       # it is not the program's
    process.close()
    assert not is_alive(int(pid_file.read_text()))


def test_many_at_the_same_time(vm: cs.VM) -> None:
    """On one machine: each waits for the others."""
    processes = [vm.spawn(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        assert process.poll() is None
    for number, process in enumerate(processes):
        assert process.communicate(b"%d" % number) == (b"%d" % number, None)


# ---- spawn -------------------------------------------------------------------------------------------------

def test_a_dialog(vm: cs.VM) -> None:
    with vm.spawn(["sh", "-c", "while read x; do echo \"<$x>\"; done; exit 4"], stdin=subprocess.PIPE,
                  stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr is None
        for word in (b"one\n", b"two\n"):
            process.stdin.write(word)
            process.stdin.flush()
            assert process.stdout.readline() == b"<%s>\n" % word.strip()
        assert process.returncode is None
        process.stdin.close()
        assert process.wait() == process.returncode == process.poll() == 4


def test_signals(vm: cs.VM) -> None:
    script = "trap 'echo got; exit 9' USR1; echo up; while :; do sleep 0.1; done"
    with vm.spawn(["sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"up\n"
        with pytest.raises(cs.TimedOutError):
            process.wait(0.2)
        process.send_signal(signal.SIGUSR1)
        assert (process.wait(), process.stdout.read()) == (9, b"got\n")
        process.kill()      # it has ended: fine
    with vm.spawn(SLEEP, stdout=subprocess.PIPE) as process:
        with pytest.raises(cs.InvalidArgumentError):
            process.send_signal(signal.SIGSEGV)
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("end", ["with", "close", "forgotten"])
def test_no_program_is_left(vm: cs.VM, end: str) -> None:
    process = vm.spawn(SLEEP, stdout=subprocess.PIPE)
    assert process.stdout
    pid = pid_of(process.stdout.readline())
    if end == "with":
        with process:
            pass
    elif end == "close":
        process.close()
        with pytest.raises(cs.StateError):
            process.wait()
    del process
    until(lambda: not is_alive(pid), "it has ended")


def test_descriptors_are_given_back(vm: cs.VM) -> None:
    """Handles of the machine are kept, a few."""
    def all_of_it() -> None:
        vm.run(["true"], capture_output=True, input=b"x")
        with contextlib.suppress(cs.InvalidArgumentError):
            vm.run(["true"], cwd="not/absolute", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        vm.spawn(["true"], stdout=subprocess.PIPE).close()

    all_of_it()
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        all_of_it()
    assert len(os.listdir("/dev/fd")) <= before


# ---- claude ------------------------------------------------------------------------------------------------

def test_claude(lab: FakeLab, vm: cs.VM, lines: list[dict[str, Any]]) -> None:
    work = vm.claude("do it", args=["--model", "opus"])
    messages = list(work)
    assert [message.raw for message in messages] == lines
    init, assistant, user, other, result = messages
    assert isinstance(init, cs.SystemMessage) and init.subtype == "init" and init.session_id == "s1"
    assert isinstance(assistant, cs.AssistantMessage) and assistant.text == "I look. " and assistant.model == "m"
    assert assistant.content == (
        cs.ThinkingBlock("hm"), cs.TextBlock("I look. "), cs.OtherBlock("new", {"type": "new", "x": 1}),
        cs.ToolUseBlock("t1", "Bash", {"command": "ls"}))
    assert isinstance(user, cs.UserMessage) and user.content == (cs.ToolResultBlock("t1", "a\n", True),)
    assert type(other) is cs.Message and other.type == "tomorrow"
    assert isinstance(result, cs.ResultMessage) and result is work.result
    assert (result.text, result.is_error, result.num_turns, result.total_cost_usd) == ("done", False, 2, 0.25)
    assert (work.returncode, work.stderr) == (0, "oops\n")
    args = (lab.guest / "args").read_text().split("\n")
    assert args[-3:] == ["--", "do it", ""] and "stream-json" in args and "--verbose" in args and "opus" in args
    with pytest.raises(cs.StateError):
        list(work)


def test_only_the_result_of_claude(vm: cs.VM, lines: list[dict[str, Any]]) -> None:
    assert vm.claude("do it").finish().text == "done"


def test_messages_come_as_they_are_said(lab: FakeLab, vm: cs.VM, lines: list[dict[str, Any]]) -> None:
    """And a loop that is left ends Claude."""
    write_claude(lab, f"echo $$ >{lab.guest}/pid; head -n1 {lab.guest}/said; exec sleep 300\n")
    for message in vm.claude("do it"):
        assert isinstance(message, cs.SystemMessage)
        break
    assert not is_alive(int((lab.guest / "pid").read_text()))


def test_claude_takes_too_long(lab: FakeLab, vm: cs.VM) -> None:
    write_claude(lab, "exec sleep 300\n")
    with pytest.raises(cs.TimedOutError):
        vm.claude("do it", timeout=1).finish()


@pytest.mark.parametrize("said, error, words", [
    ("echo Please log in >&2; exit 1", cs.ClaudeError, "Please log in"), ("echo no json", cs.ProtocolError, "no json"),
    ("echo '[1]'", cs.ProtocolError, "JSON"), ("exit 0", cs.ProtocolError, "without a result"),
    ("printf '%0200000d' 0 | tr 0 [", cs.ProtocolError, "JSON")])
def test_claude_that_fails(lab: FakeLab, vm: cs.VM, said: str, error: type[Exception], words: str) -> None:
    write_claude(lab, said + "\n")
    with pytest.raises(error, match=words):
        vm.claude("do it").finish()


def test_an_odd_result_is_one(lab: FakeLab, vm: cs.VM) -> None:
    """What is missing, or of another type, is empty: the machine may say anything."""
    write_claude(lab, """echo '{"type":"assistant","message":{"content":[1,{"type":"text","text":5}]}}'
        echo '{"type":"user","message":"x"}'; echo; echo '{"type":7}'; printf '{"type":"result","num_turns":"x"}'""")
    assistant, user, other, result = vm.claude("do it")
    assert isinstance(assistant, cs.AssistantMessage) and assistant.content == (cs.TextBlock(""),)
    assert isinstance(user, cs.UserMessage) and user.content == () and other.type == ""
    assert isinstance(result, cs.ResultMessage) and (result.text, result.num_turns) == ("", 0)
