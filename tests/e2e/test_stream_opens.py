"""GETs for a stream: their status, GETs that are not counted, and JSON-RPC errors that refuse one."""

import socket

import pytest

from support.cases import NOTIFICATION, answers, error, streams
from support.exchange import Ledger
from support.series import series
from support.sidecar import WORKERS, Sidecar
from support.stub import Stub, Wire

SESSION = ("Mcp-Session-Id", "open")
VERSION = ("MCP-Protocol-Version", "2025-11-25")


def get(sidecar: Sidecar, ledger: Ledger, target: str, *headers: tuple[str, str]) -> None:
    """Sends the GET on both workers."""
    for connection in sidecar.connections(ledger):
        with connection:
            connection.send("GET", target, [("Accept", "text/event-stream"), *headers])
            connection.receive()


def opens(samples) -> dict[str, float]:
    found = {dict(labels)["status"]: value for (name, labels), value in samples.items() if name == "mcp_stream_opens_total"}
    assert found.keys() == {"ok", "unsupported", "error"}, "all are born at 0"
    return found


OPENED = {
    "a stream": ("ok", streams(NOTIFICATION)),
    "a stream without events": ("ok", streams()),
    "none at all": ("unsupported", answers(405, b"no", "text/plain")),
    "none, said by an error": ("unsupported", answers(405, error(-32000, id=None))),
    "no stream but JSON": ("error", answers(200, b"{}")),
    "nothing": ("error", answers(404, b"", "text/plain")),
    "busy": ("error", answers(503, b"busy", "text/plain")),
    "an error page that calls itself a stream": ("error", answers(500, b": no\n\n", "text/event-stream")),
    "a session that is not known": ("error", answers(404, error(-32001, id="server-error"))),
    "elsewhere": ("", answers(307, b"", "text/plain", ("Location", "/x"))),
}


@pytest.mark.parametrize("name", OPENED)
def test_outcome(name: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    status, serve = OPENED[name]
    stub.on("/get", serve)
    before = opens(stub_sidecar.samples())
    ledger = Ledger()
    get(stub_sidecar, ledger, "/get", VERSION)
    after = opens(stub_sidecar.check(ledger))
    added = {key: after[key] - before[key] for key in after if after[key] != before[key]}
    assert added == ({status: WORKERS} if status else {})


def test_a_stream_known_by_its_first_event(stub: Stub, stub_sidecar: Sidecar) -> None:
    stub.on("/sse", lambda request, wire: (wire.begin("text/event-stream"), wire.chunk(ENDPOINT), wire.end()))
    before = opens(stub_sidecar.samples())["ok"]
    ledger = Ledger()
    get(stub_sidecar, ledger, "/sse")
    assert opens(stub_sidecar.check(ledger))["ok"] == before + WORKERS


ENDPOINT = b"event: endpoint\ndata: /messages?session_id=0\n\n"


def test_client_that_left_first_is_cancelled(stub: Stub, stub_sidecar: Sidecar) -> None:
    gone = []

    def never(_: object, wire: Wire) -> None:
        wire.until_gone()
        gone.append(wire)

    stub.on("/never", never)
    before = opens(stub_sidecar.samples())
    ledger = Ledger()
    for connection in stub_sidecar.connections(ledger):
        connection.send("GET", "/never", [SESSION])
        connection.leave()
    assert opens(stub_sidecar.check(ledger)) == before


def test_what_envoy_refuses(logs) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        sidecar = Sidecar(reserved.getsockname()[1], logs, "no-stream")
        try:
            ledger = Ledger()
            get(sidecar, ledger, "/mcp", SESSION)
            assert opens(sidecar.check(ledger)) == {"ok": 0, "unsupported": 0, "error": WORKERS}
        finally:
            sidecar.stop()


@pytest.mark.parametrize("target", ["/.well-known/oauth-protected-resource/mcp", "/tenant/.well-known/openid-configuration?x=1"])
@pytest.mark.parametrize("headers", [[VERSION], [VERSION, SESSION], [("Last-Event-ID", "7")]], ids=str)
def test_discovery_is_never_mcp(target: str, headers: list, stub: Stub, stub_sidecar: Sidecar) -> None:
    stub.on(target.partition("?")[0], answers(200, b'{"resource":"https://mcp.example"}'))
    before = stub_sidecar.counted()
    ledger = Ledger()
    get(stub_sidecar, ledger, target, *headers)
    after = stub_sidecar.check(ledger)
    own = {"mcp_filter_streams_total"}
    changed = {key[0] for key in before if key[0].startswith("mcp_") and before[key] != after.get(key)}
    assert changed == own


ERRORS = {
    "get": ("GET", b"", answers(400, error(-32600, id="server-error"))),
    "get by its stream": ("GET", b"", streams(error(-32600, id="server-error"))),
    "delete": ("DELETE", b"", answers(400, error(-32600, id="server-error"))),
    "notification": ("POST", NOTIFICATION, answers(400, error(-32600, id="server-error"))),
    "notification and id 7": ("POST", NOTIFICATION, answers(400, error(-32600))),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_without_a_request(name: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    """The error counts in `mcp_protocol_errors_total` with `method="none"`, and is not unmatched."""
    verb, body, serve = ERRORS[name]
    stub.on("/refuses", serve)
    server = {"server_name": stub_sidecar.server_name}
    errors = series("mcp_protocol_errors_total", error_code="-32600", method="none", **server)
    unmatched = series("mcp_unmatched_responses_total", reason="unknown_id", **server)
    before = stub_sidecar.samples()
    ledger = Ledger()
    for connection in stub_sidecar.connections(ledger):
        with connection:
            kind = [("Content-Type", "application/json")] if body else []
            connection.send(verb, "/refuses", [("Mcp-Session-Id", f"refused {name}"), *kind], body)
            connection.receive()
    after = stub_sidecar.check(ledger)
    assert after[errors] - before.get(errors, 0) == WORKERS
    assert after[unmatched] == before[unmatched]
