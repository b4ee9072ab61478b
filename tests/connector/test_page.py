"""The commands and configurations of docs/stdio.md and of README.md work as they are written, with a stand-in for npx, uvx and docker."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from desktop import CALL, DEADLINE, INITIALIZE, Desktop, post, served
from support.processes import free_port, wait_for
from support.scrape import fetch, parse
from support.series import series

from page import HOME, ONCE, PAGES, RUNS, WRAPPED, blocks, servers, wrapped


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


@pytest.mark.parametrize("command", RUNS, ids=lambda command: command.split()[0] + "-" + command.split()[-1].replace("/", "-"))
def test_run_serves_the_command(command: str, home: Path) -> None:
    port = free_port()
    with served(home, f"mcp-sidecar run -- {command.replace(HOME, str(home))}", port):
        answer = post(port, "initialize", INITIALIZE)
    assert answer["result"]["serverInfo"]["name"] == command.split()[0]


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


def test_crash_that_no_scrape_saw_is_in_the_audit_log(home: Path, desktop: Callable[..., Desktop]) -> None:
    log = home / "notes.jsonl"
    client = desktop({"command": f"{home}/mcp-sidecar/mcp-sidecar", "args": ["stdio", "--", "npx", "--end-at-call"], "env": {
        "ENVOY_BIN": f"{home}/mcp-sidecar/envoy", "MCP_AUDIT_LOG": str(log)}})
    client.begin()
    client.request("tools/call", CALL, 2)
    assert client.child.wait(DEADLINE) == 1
    [call] = [line for line in map(json.loads, log.read_text().splitlines()) if line["method"] == "tools/call"]
    assert (call["status"], call["error_type"], call["error_code"]) == ("error", "rpc_error", -32000)


def test_stdio_ends_with_the_session_of_its_program(home: Path, desktop: Callable[..., Desktop]) -> None:
    client = desktop({"command": f"{home}/mcp-sidecar/mcp-sidecar", "args": ["stdio", "--", "npx", "--end-at-call"], "env": {
        "ENVOY_BIN": f"{home}/mcp-sidecar/envoy"}})
    client.begin()
    answer = client.request("tools/call", CALL, 2)
    assert answer["error"]["code"] == -32000 and "exited with status 3" in answer["error"]["message"]
    assert client.child.wait(DEADLINE) == 1


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
