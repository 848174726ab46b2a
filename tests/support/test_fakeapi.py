"""The fake API's own promises, without a real client."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fakeapi  # noqa: E402
from fakeapi import FakeApi  # noqa: E402

ALL_TOOLS = ("Bash", "Read", "Write")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as server:
        yield server


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def result(text: str, is_error: bool = False) -> dict[str, Any]:
    return user([{"type": "tool_result", "tool_use_id": "t", "content": text, "is_error": is_error}])


def body(*messages: dict[str, Any], tools: tuple[str, ...] = ALL_TOOLS, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages), "tools": [{"name": name} for name in tools],
            "system": [{"type": "text", "text": " - Primary working directory: /work dir\n - more"}], **more}


def answer(*messages: dict[str, Any], **more: Any) -> fakeapi.Answer:
    return fakeapi.compose(fakeapi.Conversation.of(body(*messages, **more)))


def said(got: fakeapi.Answer) -> list[str]:
    return [value for kind, value in got.steps if kind == "text"]


def post(api: FakeApi, path: str, value: Any, key: str | None = "key") -> tuple[int, str]:
    connection = http.client.HTTPConnection(api.host, api.port, timeout=10)
    connection.request("POST", path, json.dumps(value), {"x-api-key": key} if key else {})
    response = connection.getresponse()
    try:
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_no_directives() -> None:
    assert said(answer(user("hello"))) == [fakeapi.GREETING]


def test_one_tool_per_turn() -> None:
    prompt = user("please [[say first]]; [[write a/b :: x\\ny]]\n[[bash printf 'a\\nb']];[[say end]]")
    first = answer(prompt)
    assert said(first) == ["first"]
    assert first.calls == [fakeapi.Call("Write", {"file_path": "/work dir/a/b", "content": "x\ny"})]
    assert answer(prompt, result("ok")).calls[0].input["command"] == "printf 'a\\nb'"
    assert said(answer(prompt, result("ok"), result("ok"))) == ["end"]


def test_done_without_a_last_word() -> None:
    assert said(answer(user("[[bash true]]"), result(""))) == ["done."]


def test_result_is_repeated() -> None:
    assert said(answer(user("[[bash true]] [[result]]"), result("out"))) == ["out"]


def test_three_brackets_hold_two() -> None:
    call = answer(user("[[[bash if [[ -f x ]]; then echo y; fi]]]")).calls[0]
    assert call.input["command"] == "if [[ -f x ]]; then echo y; fi"


def test_reminders_are_not_the_user() -> None:
    prompt = user("[[bash true]]<system-reminder>[[say never]]</system-reminder>")
    noted = user([{"type": "tool_result", "tool_use_id": "t", "content": "x"},
                  {"type": "text", "text": "<system-reminder>note</system-reminder>"}])
    assert said(answer(prompt, noted, user("<system-reminder>more</system-reminder>"))) == ["done."]


def test_a_new_prompt_starts_anew() -> None:
    assert said(answer(user("[[bash true]]"), result("x"), user("[[say second]]"))) == ["second"]


def test_what_is_said_meanwhile_comes_after() -> None:
    queued = {"role": "system", "content": "The user sent a new message while you were working:\n[[say too]]\n\n"
              "This is how Claude Code surfaces messages"}
    assert said(answer(user("[[bash true]];[[say one]]"), result("x"), queued)) == ["one\ntoo"]


def test_only_offered_tools_are_called() -> None:
    got = answer(user("[[bash true]]"), tools=("Read",))
    assert got.calls == [] and "not offered" in said(got)[0]


def test_a_refused_write_reads_and_tries_again() -> None:
    prompt = user("[[write a :: x]];[[say end]]")
    refused = result("File has not been read yet. Read it first before writing to it.", is_error=True)
    assert answer(prompt, refused).calls == [fakeapi.Call("Read", {"file_path": "/work dir/a"})]
    assert answer(prompt, refused, result("1 x")).calls[0].name == "Write"
    assert said(answer(prompt, refused, result("1 x"), result("ok"))) == ["end"]


def test_streaming(api: FakeApi) -> None:
    status, text = post(api, "/v1/messages?beta=true", body(user("[[say hi]][[bash true]]"), stream=True))
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert status == 200
    assert [e["type"] for e in events] == [
        "message_start",
        "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
        "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop"]
    pieces = [e["delta"]["partial_json"] for e in events if e.get("delta", {}).get("type") == "input_json_delta"]
    assert json.loads("".join(pieces))["command"] == "true"
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_plain_answer_and_count(api: FakeApi) -> None:
    status, text = post(api, "/v1/messages", body(user("[[slow 0.01]][[say hi]]")))
    assert (status, json.loads(text)["content"]) == (200, [{"type": "text", "text": "hi"}])
    status, text = post(api, "/v1/messages/count_tokens", body(user("hi")))
    assert status == 200 and json.loads(text)["input_tokens"] > 0


def test_errors(api: FakeApi) -> None:
    assert post(api, "/v1/messages", body(user("[[status 529]]")))[0] == 529
    prompt = body(user("[[status 500 2]];[[say now]]"))
    assert [post(api, "/v1/messages", prompt)[0] for _ in range(3)] == [500, 500, 200]
    assert post(api, "/v1/messages", body(user("[[slow soon]]")))[0] == 422
    assert post(api, "/v1/messages", [])[0] == 400
    assert post(api, "/elsewhere", {})[0] == 404


def test_keys() -> None:
    with FakeApi(require_key="right") as api:
        statuses = [post(api, "/v1/messages", body(user("x")), key)[0] for key in (None, "wrong", "right")]
        assert statuses == [401, 401, 200]
        assert [r.api_key for r in api.messages()] == ["", "wrong", "right"]


def test_hang_ends_with_the_server() -> None:
    with FakeApi() as api:
        failed: list[Exception] = []

        def ask() -> None:
            try:
                post(api, "/v1/messages", body(user("[[hang]]"), stream=True))
            except (http.client.HTTPException, OSError) as error:
                failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        assert api.wait_for(1)
    thread.join(10)
    assert not thread.is_alive() and failed


def test_as_a_program(tmp_path: Path) -> None:
    port_file, log = tmp_path / "port", tmp_path / "log.jsonl"
    program = subprocess.Popen(
        [sys.executable, fakeapi.__file__, "--port-file", str(port_file), "--log", str(log)],
        stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout and program.stdout.readline().startswith("listening on http://127.0.0.1:")
        deadline = time.monotonic() + 10
        while not port_file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        connection = http.client.HTTPConnection("127.0.0.1", int(port_file.read_text()), timeout=10)
        connection.request("HEAD", "/api/hello")
        assert connection.getresponse().status == 200
        connection.close()
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
        assert json.loads(log.read_text())["answer"] == "hello"
    finally:
        program.kill()
        program.wait()
