"""The effect of the filter's settings on the scrape, and the gauges while exchanges are open."""

import json
import threading
from pathlib import Path

import pytest

from support.cases import CALL, answers, error, held_stream, result, rpc
from support.client import JSON, Connection
from support.processes import wait_for
from support.series import Series, series
from support.sidecar import Sidecar
from support.stub import Stub

GAUGES = ("mcp_active_connections", "mcp_sse_streams_active", "mcp_requests_in_flight")
SETTINGS = {
    "server_name_from": "cluster",
    "paths": ["/custom"],
    "labels": {"resource_uri": "authority", "client_name": "tools"},
    "limits": {"tool_names": 1, "label_bytes": 16},
    "extra_methods": ["skills/list"],
    "semconv": True,
}
INITIALIZE = rpc("initialize", {"protocolVersion": "2025-11-25", "clientInfo": {"name": "cli", "version": "1"}})


@pytest.fixture
def gauges(stub: Stub, logs: Path):
    sidecar = Sidecar(stub.port, logs, "gauges")

    def read() -> list[float]:
        samples = sidecar.samples()
        return [samples[series(name, server_name="upstream")] for name in GAUGES]

    yield sidecar, read
    sidecar.stop()


def test_gauges_follow_what_is_open(gauges, stub: Stub) -> None:
    sidecar, read = gauges
    go_on = threading.Event()
    stub.on("/stream", held_stream(go_on))
    with Connection(sidecar.port) as one, Connection(sidecar.port) as other:
        one.send("POST", "/stream", JSON, CALL)
        other.send("POST", "/stream", JSON, CALL)
        wait_for("two open streams", lambda: read() == [2, 2, 2])
        go_on.set()
        one.receive()
        other.receive()
        wait_for("nothing to be open", lambda: read() == [0, 0, 0])


@pytest.fixture
def samples(stub: Stub, logs: Path, tmp_path: Path) -> dict[Series, float]:
    """The scrape after one exchange of each kind that a setting changes."""
    file = tmp_path / "filter.json"
    file.write_text(json.dumps(SETTINGS))
    sidecar = Sidecar(stub.port, logs, "settings", MCP_UPSTREAM_NAME="weather", MCP_FILTER_CONFIG=str(file))
    handlers = {
        "/initialize": (INITIALIZE, result({"protocolVersion": "2025-11-25"})),
        "/read": (rpc("resources/read", {"uri": "postgres://me:secret@db:5432/t?q=1"}), result({"contents": []})),
        "/skills": (rpc("skills/list"), result({})),
        "/one": (rpc("tools/call", {"name": "a tool with a long name"}), result({})),
        "/two": (rpc("tools/call", {"name": "another"}), result({})),
        "/refused": (rpc("tools/call", {"name": "refused"}), error(-32000)),
    }
    with Connection(sidecar.port) as connection:
        for path, (request, answer) in handlers.items():
            stub.on(path, answers(200, answer))
            connection.send("POST", path, JSON, request)
            connection.receive()
        # Neither a known method nor an MCP header: the path alone makes it MCP.
        stub.on("/custom/x", answers(200, result({})))
        connection.send("POST", "/custom/x", [("Content-Type", "application/json")], rpc("eth_call"))
        connection.receive()
    counted = series("mcp_filter_streams_total", server_name="weather")
    wait_for("the counters", lambda: sidecar.samples().get(counted) == len(handlers) + 1)
    yield sidecar.flushed()
    sidecar.check_log()
    sidecar.stop()


def test_settings_show_in_the_scrape(samples: dict[Series, float]) -> None:
    at = {"server_name": "weather"}
    ok = {"status": "ok", "error_type": ""}
    semconv = "mcp_server_operation_duration_microseconds_count"
    expected = {
        series("mcp_sessions_total", protocol_version="2025-11-25", transport="streamable_http", client_name="cli", **at): 1,
        series("mcp_client_requests_total", client_name="cli", status="ok", **at): 1,
        series("mcp_client_tool_calls_total", client_name="unknown", tool_name="refused", status="error", **at): 1,
        series("mcp_resource_reads_total", resource_uri="postgres://db:54", status="ok", **at): 1,
        series("mcp_requests_total", method="skills/list", **ok, **at): 1,
        series("mcp_requests_total", method="other", **ok, **at): 1,
        series("mcp_tool_calls_total", tool_name="a tool with a lo", **ok, **at): 1,
        series("mcp_tool_calls_total", tool_name="other", **ok, **at): 1,
        series("mcp_labels_overflowed_total", label="tool_name", **at): 1,
        series(semconv, method="tools/call", tool_name="refused", error_type="rpc_error", error_code="-32000", protocol_version="", **at): 1,
    }
    assert {entry: samples.get(entry) for entry in expected} == expected
    assert not [entry for entry in samples if "secret" in str(entry)]
