#!/usr/bin/env python3
"""A scripted stand-in for the Anthropic Messages API.

The tests run the real Claude Code, without a network and without a model.  What the "model" does is
written in the prompt itself, as directives which are played one tool per turn:

    [[say TEXT]]                answer with TEXT; before a tool it is the text that precedes the call
    [[result]]                  answer with the text of the last tool result
    [[write PATH :: CONTENT]]   call Write; a relative PATH is taken from the request's working directory
    [[bash COMMAND]]            call Bash
    [[tool NAME :: JSON]]       call any other tool with that input
    [[slow SECONDS]]            be silent for so long, in the middle of the stream
    [[hang]]                    begin to answer and never go on
    [[status CODE]]             answer this turn with an API error, every time
    [[status CODE TIMES]]       the same, but only for the first TIMES attempts at this turn

Directives may stand on one line, or be separated by ";" or newlines; other text around them is ignored.
``[[[bash if [[ -f x ]]; then echo y; fi]]]``: three brackets let the argument hold ``]]``.  In say and
write ``\\n``, ``\\t`` and ``\\\\`` are escapes; in bash and tool the argument is taken as it is.
A prompt without directives is answered by a friendly sentence.  After the last tool the text is that of
the directives which follow it, or "done.".

Which turn it is follows from the request alone: the tool results after the last prompt are counted.  So
retries, side calls, resumed sessions and parallel clients cannot confuse it.  (Only ``[[status CODE
TIMES]]`` has to count attempts.)  What the user says while the model works is played after the script.

    python3 fakeapi.py [--host H] [--port N] [--log FILE.jsonl] [--port-file FILE] [--require-key KEY]

    with FakeApi() as api:
        run_claude(env={"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "k"})
        assert api.messages()[0].api_key == "k"
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import re
import select
import signal
import socket
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterable, Iterator

GREETING = "Hello! I am the fake model of the claudesandbox tests, at your service."
DONE = "done."
MAX_BODY = 64 << 20
ERROR_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 422: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error",
}
Json = dict[str, Any]


# ---- the script language -----------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Directive:
    verb: str
    arg: str = ""


@dataclasses.dataclass
class Turn:
    """What one answer does: speak (or wait, or fail), then perhaps call one tool."""

    prelude: list[Directive] = dataclasses.field(default_factory=list)
    tool: Directive | None = None


TOOL_VERBS = ("write", "bash", "tool")
PRELUDE_VERBS = ("say", "result", "slow", "hang", "status")
_VERB = "(" + "|".join(TOOL_VERBS + PRELUDE_VERBS) + ")"
_DIRECTIVE = re.compile(
    r"\[\[\[\s*" + _VERB + r"\b[ \t]*(.*?)\]\]\]|\[\[\s*" + _VERB + r"\b[ \t]*(.*?)\]\](?!\])", re.S)
_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.S)
_QUEUED = re.compile(r"sent a new message while you were working:\n(.*?)(?:\n\nThis is how Claude Code surfaces|\Z)", re.S)
_ESCAPE = re.compile(r"\\([nt\\])")


def parse_script(prompt: str) -> list[Turn]:
    """The turns a prompt asks for; none at all when it holds no directive."""
    found = [Directive(m[1] or m[3], (m[2] if m[1] else m[4]).strip()) for m in _DIRECTIVE.finditer(prompt)]
    if not found:
        return []
    turns = [Turn()]
    for directive in found:
        if directive.verb in TOOL_VERBS:
            turns[-1].tool = directive
            turns.append(Turn())
        else:
            turns[-1].prelude.append(directive)
    return turns


def unescape(text: str) -> str:
    return _ESCAPE.sub(lambda m: {"n": "\n", "t": "\t", "\\": "\\"}[m[1]], text)


# ---- what a request says -----------------------------------------------------------------------------------

def blocks(content: Any) -> list[Json]:
    """Content is a string or a list of blocks; see it always as blocks."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [b for b in content or [] if isinstance(b, dict)]


def text_of(content: Any) -> str:
    """The text of a content without the reminders that Claude Code adds to what the user said."""
    joined = "\n".join(b.get("text", "") for b in blocks(content) if b.get("type") == "text")
    return _REMINDER.sub("", joined).strip()


def is_prompt(message: Json) -> bool:
    """A user speaks: not the mere return of tool results, whatever notes accompany them."""
    if message.get("role") != "user":
        return False
    text = text_of(message.get("content"))
    if any(b.get("type") == "tool_result" for b in blocks(message.get("content"))):
        return bool(_DIRECTIVE.search(text))
    return bool(text)


@dataclasses.dataclass
class Conversation:
    """The part of a request that decides the answer."""

    prompt: str
    results: list[Json]
    tools: set[str]
    cwd: str

    @classmethod
    def of(cls, body: Json) -> Conversation:
        messages = [m for m in body.get("messages") or [] if isinstance(m, dict)]
        at = max((i for i, m in enumerate(messages) if is_prompt(m)), default=-1)
        said = [text_of(messages[at].get("content"))] if at >= 0 else []
        after = [b for m in messages[at + 1:] if m.get("role") != "assistant" for b in blocks(m.get("content"))]
        return cls(
            prompt="\n".join(said + [m[1] for b in after for m in _QUEUED.finditer(b.get("text", ""))]),
            results=[b for b in after if b.get("type") == "tool_result"],
            tools={t.get("name", "") for t in body.get("tools") or [] if isinstance(t, dict)},
            cwd=find_cwd(body))


_CWD = re.compile(r"[Ww]orking directory(?: is)?:?\s+`?(/[^\n`]*)")


def find_cwd(body: Json) -> str:
    """Claude Code tells its model where it works, in the system prompt or in a reminder; the last word counts."""
    texts = [b.get("text", "") for b in blocks(body.get("system"))]
    for message in body.get("messages") or []:
        if message.get("role") != "assistant":
            texts += [b.get("text", "") for b in blocks(message.get("content")) if b.get("type") == "text"]
    found = [m[1].strip() for text in texts for m in _CWD.finditer(text)]
    return found[-1] if found else "/"


# ---- what to answer ----------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Call:
    name: str
    input: Json


def tool_call(directive: Directive, cwd: str) -> Call:
    if directive.verb == "bash":
        return Call("Bash", {"command": directive.arg, "description": "scripted by the test"})
    head, _, tail = directive.arg.partition("::")
    if directive.verb == "write":
        content = tail[1:] if tail.startswith(" ") else tail
        return Call("Write", {"file_path": os.path.join(cwd, head.strip()), "content": unescape(content)})
    return Call(head.strip(), json.loads(tail or "{}"))


def result_text(results: list[Json]) -> str:
    if not results:
        return "no result"
    return "\n".join(b.get("text", "") for b in blocks(results[-1].get("content")))


def wants_reading_first(result: Json) -> bool:
    """Write refuses to replace a file which the session has not read."""
    return bool(result.get("is_error")) and "has not been read" in result_text([result])


def next_turn(turns: list[Turn], talk: Conversation) -> Turn:
    """Walk through the results to the turn that is due; a refused Write is followed by a Read and tried again."""
    position, reading = 0, False
    for result in talk.results:
        turn = turns[min(position, len(turns) - 1)]
        if reading:
            reading = False
        elif turn.tool and turn.tool.verb == "write" and wants_reading_first(result) and "Read" in talk.tools:
            reading = True
        else:
            position += 1
    if position >= len(turns):
        return Turn([Directive("say", DONE)])
    due = turns[position]
    if reading and due.tool:
        path = tool_call(due.tool, talk.cwd).input["file_path"]
        return Turn([], Directive("tool", "Read :: " + json.dumps({"file_path": path})))
    return due


@dataclasses.dataclass
class Answer:
    """Steps of ("text", str), ("wait", seconds), ("hang", None) or ("call", Call), in this order on the wire."""

    steps: list[tuple[str, Any]] = dataclasses.field(default_factory=list)
    error: int = 0
    error_times: int = 0
    label: str = ""

    @property
    def calls(self) -> list[Call]:
        return [value for kind, value in self.steps if kind == "call"]


def compose(talk: Conversation) -> Answer:
    """The answer to a conversation: a pure function, so every retry hears the same."""
    turns = parse_script(talk.prompt)
    if not turns:
        return Answer([("text", GREETING)], label="greeting")
    turn = next_turn(turns, talk)
    answer = Answer(label=" ".join(d.verb for d in turn.prelude + ([turn.tool] if turn.tool else [])) or "done")
    for directive in turn.prelude:
        if not add_prelude(answer, directive, talk):
            return answer
    if turn.tool:
        add_tool(answer, turn.tool, talk)
    if not answer.calls and not any(kind == "text" for kind, _ in answer.steps):
        speak(answer, DONE)
    return answer


def add_prelude(answer: Answer, directive: Directive, talk: Conversation) -> bool:
    """False when nothing can follow in this answer."""
    words = directive.arg.split()
    if directive.verb == "say":
        speak(answer, unescape(directive.arg))
    elif directive.verb == "result":
        speak(answer, result_text(talk.results))
    elif directive.verb == "slow":
        answer.steps.append(("wait", float(words[0])))
    elif directive.verb == "hang":
        answer.steps.append(("hang", None))
        return False
    elif directive.verb == "status":
        # A second, bounded status would have to know of the first one's attempts: one per turn is enough.
        answer.error, answer.error_times = int(words[0]), int(words[1]) if len(words) > 1 else 0
        return answer.error_times > 0
    return True


def speak(answer: Answer, text: str) -> None:
    """Adjacent texts become one block, since ``claude -p`` prints only the last one."""
    if answer.steps and answer.steps[-1][0] == "text":
        text = answer.steps.pop()[1] + "\n" + text
    answer.steps.append(("text", text))


def add_tool(answer: Answer, directive: Directive, talk: Conversation) -> None:
    call = tool_call(directive, talk.cwd)
    if call.name in talk.tools:
        answer.steps.append(("call", call))
    else:
        speak(answer, f"I was not offered the tool {call.name}.")


# ---- the answer on the wire --------------------------------------------------------------------------------

def rough_tokens(value: Any) -> int:
    return max(1, len(json.dumps(value)) // 4)


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


def content_block(kind: str, value: Any) -> Json:
    if kind == "text":
        return {"type": "text", "text": value}
    return {"type": "tool_use", "id": new_id("toolu"), "name": value.name, "input": value.input}


def message(body: Json, content: list[Json], stop_reason: str | None) -> Json:
    return {
        "id": new_id("msg"), "type": "message", "role": "assistant", "model": body.get("model", "fake-model"),
        "content": content, "stop_reason": stop_reason, "stop_sequence": None,
        "usage": {"input_tokens": rough_tokens(body.get("messages")), "output_tokens": rough_tokens(content),
                  "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}}


def stop_reason(answer: Answer) -> str:
    return "tool_use" if answer.calls else "end_turn"


def block_events(index: int, block: Json) -> Iterator[Json]:
    """One content block as a stream: an empty start, the substance in two deltas, a stop."""
    if block["type"] == "text":
        start, whole, wrap = {**block, "text": ""}, block["text"], lambda part: {"type": "text_delta", "text": part}
    else:
        start, whole = {**block, "input": {}}, json.dumps(block["input"])
        wrap = lambda part: {"type": "input_json_delta", "partial_json": part}  # noqa: E731
    yield {"type": "content_block_start", "index": index, "content_block": start}
    middle = (len(whole) + 1) // 2
    for part in filter(None, (whole[:middle], whole[middle:])):
        yield {"type": "content_block_delta", "index": index, "delta": wrap(part)}
    yield {"type": "content_block_stop", "index": index}


def error_body(status: int, text: str) -> Json:
    kind = ERROR_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": new_id("req")}


# ---- the server --------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Request:
    """One request as the assertions of a test want to see it."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json
    time: float = 0.0
    prompt: str = ""
    results: int = 0
    answer: str = ""
    status: int = 0
    hung_up: bool = False

    @property
    def api_key(self) -> str:
        return self.headers.get("x-api-key", "")

    @property
    def bearer(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""

    @property
    def endpoint(self) -> str:
        return self.path.partition("?")[0]

    def summary(self) -> Json:
        """A line of the log: all but the body, which is large and rarely what one looks for."""
        record = dataclasses.asdict(self)
        body = record.pop("body")
        del record["hung_up"]       # not known yet
        record.update(model=body.get("model"), stream=bool(body.get("stream")),
                      tools=sorted(t.get("name", "") for t in body.get("tools") or []))
        return record


class Hangup(Exception):
    """The client went away, or the server is being closed: drop the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Silent: the log is for the requests, standard error for real trouble."""

    def do_HEAD(self) -> None:
        self._serve({})

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            self._json(413, error_body(413, "the body is too large"))
            return
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            body = None
        if isinstance(body, dict):
            self._serve(body)
        else:
            self._json(400, error_body(400, "the body is not a JSON object"))

    def _serve(self, body: Json) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body, time=time.time())
        try:
            self._route(request)
        except (Hangup, BrokenPipeError, ConnectionResetError):
            request.hung_up = self.close_connection = True

    def _route(self, request: Request) -> None:
        if request.endpoint == "/api/hello" and request.method in ("HEAD", "GET"):
            request.answer = "hello"
            self._reply(request, {"message": "hello"})
        elif request.method == "POST" and request.endpoint in ("/v1/messages", "/v1/messages/count_tokens"):
            self._authorised(request)
        else:
            self._refuse(request, 404, "not found")

    def _authorised(self, request: Request) -> None:
        wanted = self.server.api.require_key
        if not (request.api_key or request.bearer) or (wanted and wanted not in (request.api_key, request.bearer)):
            self._refuse(request, 401, "invalid x-api-key")
        elif request.endpoint.endswith("/count_tokens"):
            request.answer = "count_tokens"
            self._reply(request, {"input_tokens": rough_tokens(request.body.get("messages"))})
        else:
            self._messages(request)

    def _messages(self, request: Request) -> None:
        talk = Conversation.of(request.body)
        request.prompt, request.results = talk.prompt, len(talk.results)
        try:
            answer = compose(talk)
        except (ValueError, IndexError) as error:   # a directive that makes no sense: tell the test's author
            self._refuse(request, 422, f"bad directive: {error}")
            return
        request.answer = answer.label
        if answer.error and self.server.api.still_failing(talk, answer):
            self._refuse(request, answer.error, "scripted by the prompt", retry=answer.error_times > 0)
        elif request.body.get("stream"):
            self._decided(request, 200)
            self._stream(request.body, answer)
        else:
            self._decided(request, 200)
            self._json(200, message(request.body, self._all_blocks(answer), stop_reason(answer)))

    def _all_blocks(self, answer: Answer) -> list[Json]:
        content = []
        for kind, value in answer.steps:
            if kind in ("text", "call"):
                content.append(content_block(kind, value))
            else:
                self._pause(value)
        return content

    def _stream(self, body: Json, answer: Answer) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("cache-control", "no-cache")
        self.send_header("request-id", new_id("req"))
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._event({"type": "message_start", "message": message(body, [], None)})
        index = 0
        for kind, value in answer.steps:
            if kind in ("text", "call"):
                for event in block_events(index, content_block(kind, value)):
                    self._event(event)
                index += 1
            else:
                self._pause(value)
        self._event({"type": "message_delta", "delta": {"stop_reason": stop_reason(answer), "stop_sequence": None},
                     "usage": {"output_tokens": rough_tokens([str(s) for s in answer.steps])}})
        self._event({"type": "message_stop"})
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: Json) -> None:
        data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _pause(self, seconds: float | None) -> None:
        """Wait (None: for ever), but neither for a client that has left nor past the end of the server."""
        end = None if seconds is None else time.monotonic() + seconds
        watched = [self.connection, self.server.api.closing_fd]
        while end is None or time.monotonic() < end:
            left = None if end is None else max(0.0, end - time.monotonic())
            ready, _, _ = select.select(watched, [], [], left)
            if self.server.api.closing_fd in ready:
                raise Hangup
            if self.connection in ready:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    raise Hangup
                watched.remove(self.connection)     # a pipelined request: it waits its turn

    def _refuse(self, request: Request, status: int, text: str, retry: bool = False) -> None:
        request.answer = request.answer or f"error {status}"
        self._decided(request, status)
        self._json(status, error_body(status, text), {"x-should-retry": str(retry).lower()})

    def _reply(self, request: Request, value: Json) -> None:
        self._decided(request, 200)
        self._json(200, value)

    def _decided(self, request: Request, status: int) -> None:
        """On record before the first byte is sent: who has an answer finds its request in ``requests``."""
        request.status = status
        self.server.api.record(request)

    def _json(self, status: int, value: Json, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for key, text in {"content-type": "application/json", "content-length": str(len(data)),
                          "request-id": new_id("req"), **(headers or {})}.items():
            self.send_header(key, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    api: FakeApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of tests get killed all the time: that is no news. Anything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class FakeApi:
    """The server in a thread of the test; ``requests`` is what it has seen so far."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, log: str | None = None,
                 require_key: str | None = None) -> None:
        self.requests: list[Request] = []
        self.require_key = require_key
        self._log = open(log, "a", encoding="utf-8") if log else None
        self._changed = threading.Condition()
        self._attempts: dict[str, int] = {}
        self.closing_fd, self._closing = socket.socketpair()
        self._server = _Server((host, port), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def host(self) -> str:
        return str(self._server.server_address[0])

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> FakeApi:
        self._thread.start()
        return self

    def close(self) -> None:
        """Ends hanging answers too."""
        self._closing.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._changed:
            if self._log:
                self._log.close()
                self._log = None

    def __enter__(self) -> FakeApi:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def messages(self) -> list[Request]:
        """Only the calls for an answer."""
        with self._changed:
            return [r for r in self.requests if r.endpoint == "/v1/messages"]

    def wait_for(self, count: int, timeout: float = 10.0) -> bool:
        """Until so many calls for an answer have come in; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(
                lambda: sum(r.endpoint == "/v1/messages" for r in self.requests) >= count, timeout)

    def record(self, request: Request) -> None:
        with self._changed:
            self.requests.append(request)
            if self._log:
                self._log.write(json.dumps(request.summary()) + "\n")
                self._log.flush()
            self._changed.notify_all()

    def still_failing(self, talk: Conversation, answer: Answer) -> bool:
        """True for a permanent failure, and for the first attempts of a bounded one."""
        if not answer.error_times:
            return True
        key = hashlib.sha256(json.dumps([talk.prompt, talk.cwd, len(talk.results)]).encode()).hexdigest()
        with self._changed:
            self._attempts[key] = self._attempts.get(key, 0) + 1
            return self._attempts[key] <= answer.error_times


def write_atomically(path: str, text: str) -> None:
    """A reader that polls for the file must never see half of it."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def main(argv: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="a scripted fake of the Anthropic Messages API")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", metavar="FILE.jsonl", help="append one JSON line per request")
    parser.add_argument("--port-file", metavar="FILE", help="write the port there once it listens")
    parser.add_argument("--require-key", metavar="KEY", help="answer 401 to any other key or token")
    options = parser.parse_args(None if argv is None else list(argv))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with FakeApi(options.host, options.port, options.log, options.require_key) as api:
        print(f"listening on {api.url}", flush=True)
        if options.port_file:
            write_atomically(options.port_file, f"{api.port}\n")
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
