"""Initial series: those that exist at 0 before their first event, since `increase()` does not show a counter that starts at 1."""

import pytest

from core_tables import initial_series, initial_series_of_name
from support.cases import CALL, answers, error, result, rpc
from support.client import JSON
from support.exchange import Ledger
from support.scrape import of_mcp
from support.series import Series, series
from support.sidecar import Sidecar
from support.stub import Stub

SERVER = "zero"
LISTED = {
    "tools/list": {"tools": [{"name": "listed"}]},
    "prompts/list": {"prompts": [{"name": "listed"}]},
    "resources/list": {"resources": [{"uri": "listed://x", "name": "x"}]},
}
NAMES = {"tool_name": "listed", "prompt_name": "listed", "resource_uri": "listed://x"}
# The error types of every method that alerts read, and those of calls only.
ERRORS = ("rpc_error", "http_error", "timeout", "upstream_unavailable", "reset", "no_response", "tool_error")


def named(found: dict[str, list[dict[str, str]]]) -> set[Series]:
    return {series(family, server_name=SERVER, **labels) for family, of in found.items() for labels in of}


@pytest.fixture
def fresh(stub: Stub, logs):
    sidecar = Sidecar(stub.port, logs, "fresh", MCP_UPSTREAM_NAME=SERVER)
    yield sidecar
    sidecar.stop()


def test_fresh_sidecar_has_the_initial_series_of_its_server(fresh: Sidecar) -> None:
    samples = of_mcp(fresh.check(Ledger()))
    # It has only the label of the version, and the value 1.
    shown = {entry for entry in samples if entry[0] != "mcp_filter_info"}
    wanted = initial_series()
    del wanted["mcp_filter_info"]
    assert shown == named(wanted)
    calls = {dict(labels)["error_type"] for family, labels in shown if family == "mcp_requests_total" and ("method", "tools/call") in labels}
    assert set(ERRORS) - calls == set()


def test_listed_names_have_their_initial_series(fresh: Sidecar, stub: Stub) -> None:
    for method, value in LISTED.items():
        stub.on("/list", answers(200, result(value)))
        ledger = Ledger()
        for connection in fresh.connections(ledger):
            with connection:
                connection.post(rpc(method), JSON, "/list")
        samples = fresh.check(ledger)
    wanted = set().union(*(named(initial_series_of_name(budget, name)) for budget, name in NAMES.items()))
    assert len(wanted) == 7
    assert {entry: samples.get(entry) for entry in wanted} == dict.fromkeys(wanted, 0)


def test_unconfirmed_name_has_its_initial_series_and_its_error(fresh: Sidecar, stub: Stub) -> None:
    stub.on("/refuse", answers(200, error(-32602)))
    ledger = Ledger()
    for connection in fresh.connections(ledger):
        with connection:
            connection.post(CALL, JSON, "/refuse")
    samples = fresh.check(ledger)
    statuses = {dict(labels)["error_type"] for family, labels in samples if family == "mcp_tool_calls_total"}
    assert statuses == {"", "tool_error", "invalid_request"}
