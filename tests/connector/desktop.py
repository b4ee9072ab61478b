"""A home directory as the page's installation leaves it, and clients and shells that start the sidecar there, with a stand-in for npx,
uvx and docker."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from page import HOME
from support.peers import get
from support.processes import free_port, wait_for
from support.scrape import fetch
from support.sidecar import probe

STAND_IN = Path(__file__).parent / "programs/stand_in.py"
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "page", "version": "1"}}
CALL = {"name": "started", "arguments": {}}
DEADLINE = 90


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
