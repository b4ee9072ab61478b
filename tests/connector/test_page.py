"""The commands and configurations of docs/stdio.md and of README.md work as they are written, with a stand-in for npx, uvx and docker."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from support.series import series
from support.peers import get
from support.processes import free_port, wait_for
from support.scrape import fetch, parse
from support.sidecar import probe

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).parent / "programs/stand_in.py"
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("docs/stdio.md", "README.md")}
HOME = "/home/USER"
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "page", "version": "1"}}
CALL = {"name": "started", "arguments": {}}
DEADLINE = 30


def blocks(language: str) -> list[str]:
    return [block for page in PAGES.values() for block in re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)]


def servers() -> list[dict]:
    """The servers of all configurations, before and after."""
    parsed = [json.loads(block) for block in blocks("json")]
    return [{**server, "name": name} for each in parsed for name, server in (each.get("mcpServers") or each["servers"]).items()]


def wrapped(server: dict) -> bool:
    return server["command"] == f"{HOME}/mcp-sidecar/mcp-sidecar"


WRAPPED = [server for server in servers() if wrapped(server) and "--" in server["args"]]
ONCE = {server["name"]: server for server in WRAPPED}.values()
# The commands that `run` serves on the pages, each once.
RUNS = sorted({command.partition("#")[0].strip() for block in blocks("sh") for command in re.findall(r"mcp-sidecar run -- (.*)", block)})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory as the page's installation leaves it, and a directory of programs for the PATH."""
    folder = tmp_path / "mcp-sidecar"
    folder.mkdir()
    shutil.copy(os.environ["MCP_SIDECAR"], folder / "mcp-sidecar")
    shutil.copy(os.environ["MCP_FILTER_WASM"], folder / "mcp_observability.wasm")
    (folder / "envoy").symlink_to(get("envoy"))
    (folder / "targets").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("npx", "uvx", "docker"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nSTAND_IN={name} exec {shlex.quote(sys.executable)} {STAND_IN} "$@"\n')
        program.chmod(0o755)
    return tmp_path


def environment(home: Path, **variables: str) -> dict[str, str]:
    """What desktop clients set, and the variables of a configuration."""
    return {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", **variables}


class Desktop:
    """A client on standard input and output, which starts one server of a configuration."""

    def __init__(self, home: Path, server: dict, as_json: bool = True, **variables: str) -> None:
        of_server = json.loads(json.dumps(server).replace(HOME, str(home)))
        self.child = subprocess.Popen(
            [of_server["command"], *of_server["args"]],
            env=environment(home, **{**of_server.get("env", {}), **variables}),
            cwd=home, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.answers: Queue[dict] = Queue()
        self.as_json = as_json
        self.errors: list[str] = []
        self.readers = [threading.Thread(target=self.read_answers), threading.Thread(target=self.read_errors)]
        for reader in self.readers:
            reader.start()

    def read_answers(self) -> None:
        for line in self.child.stdout:
            self.answers.put(json.loads(line) if self.as_json else {"line": line})

    def read_errors(self) -> None:
        self.errors.extend(self.child.stderr)

    def log(self) -> str:
        return "".join(self.errors)

    def send(self, **message: object) -> None:
        self.child.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.child.stdin.flush()

    def request(self, method: str, params: dict, request: int) -> dict:
        self.send(id=request, method=method, params=params)
        try:
            answer = self.answers.get(timeout=DEADLINE)
        except Empty:
            raise AssertionError(f"no answer to {method}; standard error: {self.log()}") from None
        assert answer["id"] == request, answer
        return answer

    def begin(self) -> str:
        """Begins the session and returns the name of the server."""
        name = self.request("initialize", INITIALIZE, 1)["result"]["serverInfo"]["name"]
        self.send(method="notifications/initialized")
        return name

    def started(self) -> dict:
        return json.loads(self.request("tools/call", CALL, 2)["result"]["content"][0]["text"])

    def metrics(self) -> str:
        return fetch(wait_for("the line with the metrics' address", lambda: re.search(r"metrics +(http://\S+)", self.log()))[1])

    def end(self) -> int:
        """Ends the input. Returns the exit status."""
        if not self.child.stdin.closed:
            self.child.stdin.close()
        status = self.child.wait(DEADLINE)
        for reader in self.readers:
            reader.join(DEADLINE)
        return status


@pytest.fixture
def desktop(home: Path) -> Iterator[Callable[..., Desktop]]:
    running: list[Desktop] = []

    def start(server: dict, as_json: bool = True, **variables: str) -> Desktop:
        running.append(Desktop(home, server, as_json, **variables))
        return running[-1]

    yield start
    for each in running:
        each.child.kill()
        each.end()


def test_each_configuration_after_keeps_the_command_before() -> None:
    """The command after `--` is the one that the client starts without the sidecar. A name has the same command everywhere."""
    before = {server["name"]: [server["command"], *server["args"]] for server in servers() if not wrapped(server)}
    assert all(server["args"][2:] == before[server["name"]] for server in WRAPPED)


def test_configurations_differ_from_each_other_only_where_they_may() -> None:
    assert {server["args"][0] for server in servers() if wrapped(server)} == {"stdio"}
    assert {tuple(server["args"][:2]) for server in WRAPPED} == {("stdio", "--")}
    assert all(server["env"]["MCP_UPSTREAM_NAME"] == server["name"] for server in WRAPPED)


@pytest.mark.parametrize("server", ONCE, ids=lambda server: f"{server['name']}-{server['args'][2]}")
def test_configuration_starts_the_server_and_counts_its_calls(server: dict, home: Path, desktop: Callable[..., Desktop]) -> None:
    client = desktop(server)
    assert client.begin() == server["args"][2]
    started = client.started()
    assert started["arguments"] == [argument.replace(HOME, str(home)) for argument in server["args"][3:]]
    assert started["directory"] == str(home)
    assert not {"ENVOY_BIN", "MCP_UPSTREAM_NAME"} & set(started["environment"])
    calls = series("mcp_tool_calls_total", server_name=server["name"], tool_name="started", status="ok", error_type="")
    wait_for("the call to be counted", lambda: parse(client.metrics()).get(calls) == 1)
    assert client.end() == 0


def test_sidecars_of_one_folder_are_targets_while_they_run(home: Path, desktop: Callable[..., Desktop]) -> None:
    shared = [server for server in WRAPPED if "MCP_SIDECAR_FILE_SD" in server["env"]]
    assert len(shared) > 1
    clients = [desktop(server) for server in shared]
    for client in clients:
        client.begin()
    folder = home / "mcp-sidecar/targets"
    files = wait_for("a file of each sidecar", lambda: len(found := list(folder.glob("*.json"))) == len(shared) and found)
    for file in files:
        [group] = json.loads(file.read_text())
        [target] = group["targets"]
        assert "mcp_filter_info" in fetch(f"http://{target}/metrics")
    assert [client.end() for client in clients] == [0] * len(shared)
    assert list(folder.iterdir()) == []


def test_remote_server_of_the_page_takes_no_command(home: Path, desktop: Callable[..., Desktop]) -> None:
    [server] = [server for server in servers() if wrapped(server) and "--" not in server["args"]]
    assert server["env"]["MCP_UPSTREAM_URL"].startswith("https://")
    port = free_port()
    with served(home, "mcp-sidecar run -- npx remote", port):
        client = desktop(server, MCP_UPSTREAM_URL=f"http://127.0.0.1:{port}/mcp")
        assert client.begin() == "npx"
        assert client.started()["arguments"] == ["remote"]
        assert client.end() == 0


class served:
    """A command line of the page in a shell, on this port."""

    def __init__(self, home: Path, line: str, port: int) -> None:
        ports = {"PORT": str(port), "PROBE_PORT": str(free_port()), "ADMIN_PORT": str(free_port())}
        variables = environment(home, ENVOY_BIN=f"{home}/mcp-sidecar/envoy", HOST="127.0.0.1", PROBE_HOST="127.0.0.1", **ports)
        variables["PATH"] = f"{home}/mcp-sidecar:{variables['PATH']}"
        self.child = subprocess.Popen(
            ["sh", "-c", f"exec env {line}"], env=variables, cwd=home, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.output = ""
        self.probe_port = int(ports["PROBE_PORT"])

    def __enter__(self) -> "served":
        wait_for("the sidecar to be ready", self.is_ready)
        return self

    def is_ready(self) -> bool:
        assert self.child.poll() is None, self.child.stdout.read()
        return self.status("/ready") == 200

    def status(self, path: str) -> int:
        return probe(self.probe_port, path)

    def __exit__(self, *_: object) -> None:
        self.child.terminate()
        try:
            self.output, _ = self.child.communicate(timeout=DEADLINE)
        finally:
            self.child.kill()


@pytest.mark.parametrize("command", RUNS, ids=lambda command: command.split()[0] + "-" + command.split()[-1].replace("/", "-"))
def test_run_serves_the_command(command: str, home: Path) -> None:
    port = free_port()
    with served(home, f"mcp-sidecar run -- {command.replace(HOME, str(home))}", port):
        answer = post(port, "initialize", INITIALIZE)
    assert answer["result"]["serverInfo"]["name"] == command.split()[0]


def post(port: int, method: str, params: dict, **headers: str) -> dict:
    """The answer, of JSON or of an event stream. `session` is the id for `Mcp-Session-Id`."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    own = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", body, own | headers)
    try:
        response = urllib.request.urlopen(request, timeout=DEADLINE)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        text = response.read().decode()
        of_stream = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
        return {"status": response.status, "session": response.headers.get("mcp-session-id"), **json.loads((of_stream or [text])[-1])}


TROUBLE = PAGES["docs/stdio.md"].partition("## If it does not work\n")[2].partition("\n## ")[0]


def seen(text: str) -> str:
    """A text that is in the first column of the page's table: what one sees."""
    assert any(text in row.split("|")[1] for row in TROUBLE.splitlines() if row.startswith("| ")), text
    return text


@pytest.mark.parametrize(
    ("words", "variables", "text"),
    [
        (["--", "npxx"], {}, "npxx: not found on the PATH"),
        (["npx", "-y", "server"], {}, '"npx" must follow "--"'),
        (["--", "npx -y server"], {}, "this is one word"),
        (["--", "~/server"], {}, '"~" is not replaced'),
        (["--", "npx"], {"ENVOY_BIN": "~/mcp-sidecar/envoy"}, '"~" is not replaced'),
        (["--", "./server"], {}, "no such file in the working directory"),
        (["--", "./mcp-sidecar"], {}, "a directory"),
        (["--", "./mcp-sidecar/mcp_observability.wasm"], {}, "not executable"),
        (["--", "npx"], {"ENVOY_BIN": ""}, '"envoy" cannot be started'),
        (["--", "npx"], {"PORT": "{taken}"}, "port {taken} is in use"),
        (["--", "npx"], {"MCP_UPSTREAM_URL": "http://localhost:1"}, "MCP_UPSTREAM_URL"),
        ([], {}, "MCP_UPSTREAM_URL"),
        (["--", "npx"], {"MCP_SIDECAR_FILE_SD": "missing"}, "MCP_SIDECAR_FILE_SD: no file can be written"),
        (["--", "npx"], {"TMPDIR": "/" + 120 * "a"}, "is too long for the path of a Unix socket"),
        (["--", "npx"], {"TMPDIR": "/absent"}, "TMPDIR: no file can be made in"),
        ([], {"TMPDIR": "/proc", "MCP_UPSTREAM_URL": "http://localhost:1"}, "TMPDIR: no file can be made in"),
    ],
)
@pytest.mark.parametrize("mode", ["run", "stdio"])
def test_refused_start_is_in_the_table(mode: str, words: list[str], variables: dict[str, str], text: str, home: Path) -> None:
    (home / "mcp-sidecar/mcp_observability.wasm").chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        known = {"ENVOY_BIN": f"{home}/mcp-sidecar/envoy", "HOST": "127.0.0.1"}
        env = environment(home, **known | {name: value.replace("{taken}", port) for name, value in variables.items()})
        done = subprocess.run(
            [home / "mcp-sidecar/mcp-sidecar", mode, *words], cwd=home, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=DEADLINE,
        )
    assert done.returncode == 2 and done.stdout == "", done
    assert seen(text.replace("{taken}", "4000")).replace("4000", port) in done.stderr


def test_call_with_curl_is_counted(home: Path) -> None:
    """The commands that begin a session, call a tool and show its series."""
    [block] = [block for block in blocks("sh") if "tools/call" in block]
    port = free_port()
    with served(home, "mcp-sidecar run -- npx", port) as sidecar:
        commands = block.replace("localhost:4000", f"127.0.0.1:{port}").replace("localhost:9902", f"127.0.0.1:{sidecar.probe_port}")
        call, rest = commands.split("sleep 2", 1)
        [show] = [line for line in rest.splitlines() if "mcp_tool_calls_total" in line]
        done = subprocess.run(["sh", "-euc", call], capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode == 0, done
        assert "STAND_IN" in done.stdout, "the result of the call"
        # In place of the page's wait, which is too short on a busy machine.
        lines: list[str] = []
        def shown() -> bool:
            lines[:] = subprocess.run(["sh", "-uc", show], capture_output=True, text=True, timeout=DEADLINE).stdout.splitlines()
            return bool(lines)
        wait_for("the series of the call", shown)
    [line] = lines
    assert 'tool_name="echo"' in line and line.endswith(" 1")


def test_run_in_place_of_stdio_is_in_the_table(home: Path, desktop: Callable[..., Desktop]) -> None:
    ports = {name: str(free_port()) for name in ("PORT", "PROBE_PORT", "ADMIN_PORT")}
    client = desktop({"command": f"{home}/mcp-sidecar/mcp-sidecar", "args": ["run", "--", "npx"], "env": {
        "ENVOY_BIN": f"{home}/mcp-sidecar/envoy", **ports}}, as_json=False)
    text = seen("run serves HTTP on port 4000; in a client's configuration use").replace("4000", ports["PORT"])
    wait_for("the line about stdio", lambda: text in client.log())


def test_message_without_a_session_is_in_the_table(home: Path, desktop: Callable[..., Desktop]) -> None:
    client = desktop({"command": f"{home}/mcp-sidecar/mcp-sidecar", "args": ["stdio", "--", "npx"], "env": {
        "ENVOY_BIN": f"{home}/mcp-sidecar/envoy"}})
    assert seen("no initialize yet") in client.request("tools/call", CALL, 1)["error"]["message"]
    port = free_port()
    with served(home, "mcp-sidecar run -- npx", port):
        answer = post(port, "tools/call", CALL)
        assert answer["status"] == 400 and seen("Mcp-Session-Id header is required") in answer["error"]["message"]
        status, text = fetch_status(f"http://127.0.0.1:{port}/absent")
        assert status == 404 and seen("Not Found: MCP is at /mcp, / and /sse") in text


def fetch_status(url: str) -> tuple[int, str]:
    """Status and body of a failure."""
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(url, timeout=DEADLINE)
    with failed.value as response:
        return response.status, response.read().decode()


def test_crash_that_no_scrape_saw_is_in_the_audit_log(home: Path, desktop: Callable[..., Desktop]) -> None:
    log = home / "notes.jsonl"
    client = desktop({"command": f"{home}/mcp-sidecar/mcp-sidecar", "args": ["stdio", "--", "npx", "--end-at-call"], "env": {
        "ENVOY_BIN": f"{home}/mcp-sidecar/envoy", "MCP_AUDIT_LOG": str(log)}})
    client.begin()
    client.request("tools/call", CALL, 2)
    assert client.child.wait(DEADLINE) == 1
    [call] = [line for line in map(json.loads, log.read_text().splitlines()) if line["method"] == "tools/call"]
    assert (call["status"], call["error_type"], call["error_code"]) == ("error", "rpc_error", -32000)


@pytest.mark.parametrize(("argument", "status"), [("--end", 0), ("--no-program", 127)])
def test_program_that_reaches_its_end_is_in_the_table(argument: str, status: int, home: Path) -> None:
    port = free_port()
    with served(home, f"MCP_UPSTREAM_NAME=notes mcp-sidecar run -- npx {argument}", port):
        answer = post(port, "initialize", INITIALIZE)
    told = f"{seen(f'exited with status {status}')}; its last lines are in the sidecar's standard error"
    assert answer["error"]["message"] == f"the MCP server `notes` (npx) {told}"


def test_program_that_ends_at_once_is_in_the_table(home: Path) -> None:
    port = free_port()
    with served(home, "mcp-sidecar run -- npx --fail", port) as sidecar:
        wait_for("the first check", lambda: sidecar.status("/health") == 200)
        answer = post(port, "initialize", INITIALIZE)
        wait_for("the sidecar to know that the start failed", lambda: sidecar.status("/health") == 503)
    assert answer["error"]["code"] == -32000 and seen("exited with status 1") in answer["error"]["message"]
    # The arguments may be secrets: the operator sees them, clients do not.
    assert "--fail" in sidecar.output and "--fail" not in answer["error"]["message"]
    assert re.search(r"^\[npx \d+\] stand-in: no key$", sidecar.output, re.M), sidecar.output


def test_program_that_ends_in_a_call_is_in_the_table(home: Path) -> None:
    port = free_port()
    with served(home, "mcp-sidecar run -- npx --end-at-call", port):
        session = {"mcp-session-id": post(port, "initialize", INITIALIZE)["session"]}
        answer = post(port, "tools/call", CALL, **session)
        assert answer["error"]["code"] == -32000 and "exited with status 3" in answer["error"]["message"]
        answer = post(port, "tools/call", CALL, **session)
        assert (answer["status"], answer["error"]["code"]) == (404, -32001)
    assert seen("HTTP 404, error -32001")


def test_stdio_ends_with_the_session_of_its_program(home: Path, desktop: Callable[..., Desktop]) -> None:
    client = desktop({"command": f"{home}/mcp-sidecar/mcp-sidecar", "args": ["stdio", "--", "npx", "--end-at-call"], "env": {
        "ENVOY_BIN": f"{home}/mcp-sidecar/envoy"}})
    client.begin()
    answer = client.request("tools/call", CALL, 2)
    assert answer["error"]["code"] == -32000 and "exited with status 3" in answer["error"]["message"]
    assert client.child.wait(DEADLINE) == 1


def test_log_on_standard_output_and_full_sessions_are_in_the_table(home: Path) -> None:
    port = free_port()
    with served(home, "MCP_STDIO_SESSIONS=1 mcp-sidecar run -- npx --log-on-output", port) as sidecar:
        assert post(port, "initialize", INITIALIZE)["session"]
        answers = [post(port, "initialize", INITIALIZE) for _ in range(3)]
    for answer in answers:
        assert answer["status"] == 503 and seen("MCP_STDIO_SESSIONS") in answer["error"]["message"]
    assert sidecar.output.count(seen("a client was refused")) == 1, "it is told once in a while"
    assert seen("is not a JSON-RPC message and was skipped") in sidecar.output


def test_program_of_another_name_gets_the_variables_of_the_page(home: Path) -> None:
    """`env` gives the program a variable that the sidecar removes, as the page says; others pass."""
    assert "env LOG_LEVEL=debug npx" in PAGES["docs/stdio.md"]
    port = free_port()
    with served(home, "API_KEY=a OTEL_SERVICE_NAME=b SERVICE_VERSION=c mcp-sidecar run -- env LOG_LEVEL=debug npx", port):
        session = {"mcp-session-id": post(port, "initialize", INITIALIZE)["session"]}
        text = post(port, "tools/call", CALL, **session)["result"]["content"][0]["text"]
    found = json.loads(text)["environment"]
    assert found["API_KEY"] == "a" and found["OTEL_SERVICE_NAME"] == "b" and found["LOG_LEVEL"] == "debug"
    assert not {"PORT", "HOST", "PROBE_PORT", "ADMIN_PORT", "SERVICE_VERSION", "ENVOY_BIN"} & set(found)
