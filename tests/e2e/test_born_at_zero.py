"""Initial series exist at 0 before their first event, because `increase()` does not count a counter that begins at 1."""

import pytest

from support.cases import CALL, answers, error, result, rpc
from support.client import JSON
from support.exchange import Ledger
from support.expected import series
from support.sidecar import Sidecar
from support.stub import Stub

# Families whose labels are all closed sets.
CLOSED = (
    "mcp_requests_total",
    "mcp_message_bytes_total",
    "mcp_tools_listed_total",
    "mcp_resources_listed_total",
    "mcp_prompts_listed_total",
    "mcp_notifications_total",
    "mcp_sessions_active",
    "mcp_sessions_total",
    "mcp_header_mismatch_total",
    "mcp_parse_skipped_total",
    "mcp_labels_overflowed_total",
    "mcp_filter_streams_total",
    "mcp_active_connections",
    "mcp_sse_streams_active",
    "mcp_stream_opens_total",
    "mcp_requests_in_flight",
)
ERRORS = ("rpc_error", "http_error", "timeout", "upstream_unavailable", "reset", "no_response", "tool_error")
LISTED = {
    "tools/list": {"tools": [{"name": "listed"}]},
    "prompts/list": {"prompts": [{"name": "listed"}]},
    "resources/list": {"resources": [{"uri": "listed://x", "name": "x"}]},
}
BORN_WITH_A_NAME = (
    series("mcp_tool_calls_total", tool_name="listed", server_name="zero", status="ok", error_type=""),
    series("mcp_tool_calls_total", tool_name="listed", server_name="zero", status="error", error_type="tool_error"),
    series("mcp_prompt_gets_total", prompt_name="listed", server_name="zero", status="ok"),
    series("mcp_prompt_gets_total", prompt_name="listed", server_name="zero", status="error"),
    series("mcp_resource_reads_total", resource_uri="listed://x", server_name="zero", status="ok"),
    series("mcp_resource_reads_total", resource_uri="listed://x", server_name="zero", status="error"),
)


@pytest.fixture
def fresh(stub: Stub, logs):
    sidecar = Sidecar(stub.port, logs, "fresh", MCP_UPSTREAM_NAME="zero")
    yield sidecar
    sidecar.stop()


def test_closed_families(fresh: Sidecar) -> None:
    samples = fresh.check(Ledger())
    names = {family for family, _ in samples}
    assert set(CLOSED) - names == set()
    calls = {dict(labels)["error_type"] for family, labels in samples if family == "mcp_requests_total" and ("method", "tools/call") in labels}
    assert set(ERRORS) - calls == set()


def test_names_that_the_server_published(fresh: Sidecar, stub: Stub) -> None:
    for method, value in LISTED.items():
        stub.on("/list", answers(200, result(value)))
        ledger = Ledger()
        for connection in fresh.connections(ledger):
            with connection:
                connection.post(rpc(method), JSON, "/list")
        samples = fresh.check(ledger)
    assert {entry: samples.get(entry) for entry in BORN_WITH_A_NAME} == dict.fromkeys(BORN_WITH_A_NAME, 0)


def test_a_made_up_name_has_only_what_happened_and_its_first_series(fresh: Sidecar, stub: Stub) -> None:
    stub.on("/refuse", answers(200, error(-32602)))
    ledger = Ledger()
    for connection in fresh.connections(ledger):
        with connection:
            connection.post(CALL, JSON, "/refuse")
    samples = fresh.check(ledger)
    statuses = {dict(labels)["error_type"] for family, labels in samples if family == "mcp_tool_calls_total"}
    assert statuses == {"", "tool_error", "invalid_request"}
