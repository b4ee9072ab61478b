"""What the table "If it does not work" of docs/stdio.md says is what one sees."""

import re
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop import CALL, DEADLINE, INITIALIZE, Desktop, environment, post, served
from page import seen
from support.processes import free_port, wait_for


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


@pytest.mark.parametrize(("argument", "status"), [("--end", 0), ("--no-program", 127)])
def test_program_that_reaches_its_end_is_in_the_table(argument: str, status: int, home: Path) -> None:
    port = free_port()
    with served(home, f"MCP_UPSTREAM_NAME=notes mcp-sidecar run -- npx {argument}", port):
        answer = post(port, "initialize", INITIALIZE)
    told = f"{seen(f'exited with status {status}')}; its last lines, if any, are in the sidecar's standard error"
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


def test_log_on_standard_output_and_full_sessions_are_in_the_table(home: Path) -> None:
    port = free_port()
    with served(home, "MCP_STDIO_SESSIONS=1 mcp-sidecar run -- npx --log-on-output", port) as sidecar:
        assert post(port, "initialize", INITIALIZE)["session"]
        answers = [post(port, "initialize", INITIALIZE) for _ in range(3)]
    for answer in answers:
        assert answer["status"] == 503 and seen("MCP_STDIO_SESSIONS") in answer["error"]["message"]
    assert sidecar.output.count(seen("a client was refused")) == 1, "it is told once in a while"
    assert seen("is not a JSON-RPC message and was skipped") in sidecar.output


def fetch_status(url: str) -> tuple[int, str]:
    """Status and body of a failure."""
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(url, timeout=DEADLINE)
    with failed.value as response:
        return response.status, response.read().decode()
