"""claude-hooks-server beside the predecessor's and beside nginx, which only says 204."""
from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path
from typing import Optional

from measure import OURS, THEIRS, Lab, Table, wait_for

EVENTS = {500: 4000, 200_000: 600}
# So long that a VM may again send what it may at once: claude-hooks-server(1).
REST_S = 5.0
NGINX = "nginx, 204"


def body(lab: Lab, event: str, size: int) -> Path:
    made = {"hook_event_name": event, "session_id": "s", "cwd": "/tmp", "message": "", "tool_name": "Bash",
            "tool_input": {"command": "true"}, "tool_response": {"stdout": ""}}
    made["tool_response"]["stdout"] = "x" * (size - len(json.dumps(made)))
    path = lab.scratch / f"{event}-{size}.json"
    path.write_text(json.dumps(made))
    return path


class Server:
    def __init__(self, name: str, pid: int, socket: Path) -> None:
        self.name, self.pid, self.socket = name, pid, socket

    def status(self, key: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1])
        raise KeyError(key)


def start_ours(lab: Lab) -> Server:
    vms = lab.state / "vms"
    vms.mkdir(parents=True)
    (vms / "web.json").write_text(json.dumps(
        {"schema": 1, "name": "web", "engine": "qemu", "engine_home": "", "created": 1, "complete": True, "cpus": 0,
         "project_dir": str(lab.scratch), "memory": 0, "disk": 0, "mounts": [], "ports": []}))
    program = lab.cli.parent / "claude-hooks-server"
    subprocess.run([program, "start"], env=lab.env, check=True, stdout=subprocess.DEVNULL)
    told = json.loads(subprocess.run([program, "status", "--json"], env=lab.env, check=True, capture_output=True).stdout)
    found = wait_for(lambda: list((lab.state / "run/hooks").glob("*.sock")), "our socket")
    return Server(OURS, told["pid"], found[0])


def start_theirs(lab: Lab) -> tuple[Server, subprocess.Popen[bytes]]:
    socket = lab.scratch / "theirs.sock"
    process = subprocess.Popen(["python3", lab.predecessor / "claude-hooks-server", "--socket", socket], env=lab.env,
                               stdout=subprocess.DEVNULL, stderr=open(lab.scratch / "theirs.log", "wb"))
    wait_for(socket.exists, "the predecessor's socket")
    return Server(THEIRS, process.pid, socket), process


def start_nginx(lab: Lab, program: str) -> tuple[Server, subprocess.Popen[bytes]]:
    socket, conf = lab.scratch / "nginx.sock", lab.scratch / "nginx.conf"
    temp = "".join(f"{kind}_temp_path {lab.scratch}/{kind};" for kind in
                   ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf.write_text(f"daemon off; worker_processes 1; pid {lab.scratch}/nginx.pid; error_log /dev/null;"
                    f"events {{}} http {{ {temp} access_log {lab.scratch}/nginx.log; client_max_body_size 9m;"
                    f"server {{ listen unix:{socket}; location / {{ return 204; }} }} }}")
    process = subprocess.Popen([program, "-c", conf], env=lab.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(socket.exists, "nginx's socket")
    return Server(NGINX, process.pid, socket), process


def throughput(lab: Lab, servers: list[Server], load: Path, table: Table, event: str, size: int, clients: int) -> None:
    path = body(lab, event, size)
    rate: dict[str, list[float]] = {}
    p99: dict[str, list[float]] = {}
    for turn in range(lab.rounds):
        for server in servers if turn % 2 == 0 else servers[::-1]:
            if server.name == NGINX and event != "PostToolUse":
                continue
            time.sleep(REST_S if server.name == OURS else 0)
            told = json.loads(subprocess.run([load, server.socket, str(clients), str(EVENTS[size]), path], check=True,
                                             capture_output=True).stdout)
            if told["good"] != told["events"]:
                print(f"  {server.name}: {told['events'] - told['good']} of {told['events']} events were refused")
            rate.setdefault(server.name, []).append(told["per_second"])
            p99.setdefault(server.name, []).append(told["p99_ms"])
    what = f"{'notified' if event == 'Notification' else 'logged'}, {size / 1000:g} KB, {clients} at once"
    table.add(what, "events/s", rate)
    table.add(what, "p99 ms", p99)


def burst(servers: list[Server], path: Path, count: int = 1000) -> dict[str, list[float]]:
    """How many of so many curls, all at once, get their event through."""
    said = {}
    for server in servers:
        curls = [subprocess.Popen(["curl", "-q", "-s", "-f", "-o", "/dev/null", "--max-time", "60", "--unix-socket",
                                   server.socket, "--data-binary", f"@{path}", "http://localhost/hook"])
                 for _ in range(count)]
        said[server.name] = [float(sum(curl.wait() == 0 for curl in curls))]
    return said


def gigabyte(server: Server) -> tuple[str, float]:
    """What is said to a body of 1 GiB, and the server's largest size in MiB afterwards."""
    done = subprocess.run(f"head -c 1073741824 /dev/zero | curl -q -s -o /dev/null -w '%{{http_code}}' -H Expect: "
                          f"--max-time 60 --unix-socket '{server.socket}' -T - -X POST "
                          f"-H 'Content-Length: 1073741824' -H 'Transfer-Encoding:' http://localhost/hook",
                          shell=True, capture_output=True, text=True, check=False)
    return done.stdout, server.status("VmHWM") / 1024


def measure(lab: Lab) -> Table:
    load = lab.compile("load", "", "-lpthread")
    for name in ("osascript", "notify-send"):
        lab.compile(name, "int main(void) { return 0; }\n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    servers, processes = [start_ours(lab)], []
    idle = {OURS: [servers[0].status("VmRSS") / 1024]}
    if lab.predecessor:
        server, process = start_theirs(lab)
        servers.append(server)
        processes.append(process)
        idle[THEIRS] = [server.status("VmRSS") / 1024]
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if nginx:
        server, process = start_nginx(lab, nginx)
        servers.append(server)
        processes.append(process)
    table = Table([server.name for server in servers],
                  "A new connection for each event. Our server shows one notification at a time and joins what comes\n"
                  "meanwhile; the predecessor starts a process for each. nginx says 204 and drops the event unread.")
    try:
        for server in servers[:2 if lab.predecessor else 1]:
            before = server.status("voluntary_ctxt_switches")
            time.sleep(10)
            woken = (server.status("voluntary_ctxt_switches") - before) / 10
            idle[server.name].append(woken)
        table.add("idle: resident", "MiB", {name: found[:1] for name, found in idle.items()})
        table.add("idle: wake-ups", "1/s", {name: found[1:] for name, found in idle.items()})
        for event in ("PostToolUse", "Notification"):
            for size in EVENTS:
                for clients in (1, 8, 64):
                    throughput(lab, servers, load, table, event, size, clients)
        time.sleep(REST_S)
        table.add("1,000 curls at once: delivered", "events", burst(servers, body(lab, "PostToolUse", 500)))
        status, size = gigabyte(servers[0])
        table.add(f"a body of 1 GiB ({status}): largest size", "MiB", {OURS: [size]})
    finally:
        subprocess.run([lab.cli.parent / "claude-hooks-server", "stop"], env=lab.env, check=False,
                       stdout=subprocess.DEVNULL)
        for process in processes:
            process.terminate()
            process.wait()
    return table
