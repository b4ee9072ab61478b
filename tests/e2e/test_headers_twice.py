"""A header that occurs twice: the first value counts, except for `Accept`, whose lines are one list. HTTP/1.1 and HTTP/2."""

import gzip
import socket

import pytest

from support import http1, http2
from support.cases import CALL, RESULT, TOOL, result, rpc
from support.client import DEADLINE, Connection
from support.exchange import Ledger
from support.series import series
from support.sidecar import Sidecar
from support.stub import Stub

KIND = ("Content-Type", "application/json")
PLAIN = ("Content-Type", "text/plain")
MODERN = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", TOOL)]
OTHERS = [("MCP-Protocol-Version", "2025-06-18"), ("Mcp-Method", "ping"), ("Mcp-Name", "another")]
CUSTOM = rpc("acme/custom")


def over_http1(sidecar: Sidecar, ledger: Ledger, headers: http1.Headers, body: bytes) -> None:
    with Connection(sidecar.port, ledger) as connection:
        connection.post(body, headers, "/twice")


def over_http2(sidecar: Sidecar, ledger: Ledger, headers: http1.Headers, body: bytes) -> None:
    with socket.create_connection(("127.0.0.1", sidecar.port), timeout=DEADLINE) as wire:
        lower = [(name.lower(), value) for name, value in headers]
        http2.exchange(wire, ledger, "POST", "/twice", lower, [body])


@pytest.fixture(params=[over_http1, over_http2], ids=["HTTP/1.1", "HTTP/2"])
def send(request: pytest.FixtureRequest):
    return request.param


def counted(sidecar: Sidecar, ledger: Ledger, method: str, status: str = "ok") -> float:
    """How many operations of this method the ledger's exchanges added."""
    wanted = series("mcp_requests_total", method=method, server_name=sidecar.server_name, status=status, error_type="")
    # From the expected series, because the scrape may have the operations already.
    before = sidecar.expected.totals.get(wanted, 0)
    return sidecar.adopt(ledger).get(wanted, 0) - before


@pytest.mark.parametrize("kinds", [[KIND, KIND], [KIND, PLAIN]], ids=["the same", "another"])
def test_content_type_of_the_request(kinds: http1.Headers, send, stub: Stub, stub_sidecar: Sidecar) -> None:
    stub.on("/twice", lambda request, wire: wire.json(200, RESULT))
    ledger = Ledger()
    send(stub_sidecar, ledger, kinds, CALL)
    assert counted(stub_sidecar, ledger, "tools/call") == 1


def test_request_with_json_as_second_content_type_is_not_mcp(send, stub: Stub, stub_sidecar: Sidecar) -> None:
    stub.on("/twice", lambda request, wire: wire.json(200, RESULT))
    ledger = Ledger()
    send(stub_sidecar, ledger, [PLAIN, KIND], CALL)
    assert counted(stub_sidecar, ledger, "tools/call") == 0


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_content_type_of_the_answer(kind: str, send, stub: Stub, stub_sidecar: Sidecar) -> None:
    body = RESULT if kind == "application/json" else b"data: " + RESULT + b"\n\n"
    stub.on("/twice", lambda request, wire: wire.answer(200, body, [("Content-Type", kind)] * 2))
    ledger = Ledger()
    send(stub_sidecar, ledger, [KIND], CALL)
    assert counted(stub_sidecar, ledger, "tools/call") == 1


def test_coding_of_the_answer(send, stub: Stub, stub_sidecar: Sidecar) -> None:
    lines = [("Content-Type", "application/json"), *[("Content-Encoding", "gzip")] * 2]
    stub.on("/twice", lambda request, wire: wire.answer(200, gzip.compress(RESULT), lines))
    ledger = Ledger()
    send(stub_sidecar, ledger, [KIND], CALL)
    assert counted(stub_sidecar, ledger, "tools/call") == 1


@pytest.mark.parametrize(
    ("lines", "is_mcp"),
    [
        (["application/json", "text/event-stream"], True),
        (["*/*", "text/event-stream", "application/json"], True),
        (["application/json", "text/html"], False),
    ],
)
def test_the_lines_of_accept_are_one_list(lines: list, is_mcp: bool, send, stub: Stub, stub_sidecar: Sidecar) -> None:
    stub.on("/twice", lambda request, wire: wire.json(200, result({})))
    ledger = Ledger()
    send(stub_sidecar, ledger, [KIND, *(("Accept", line) for line in lines)], CUSTOM)
    assert counted(stub_sidecar, ledger, "other") == is_mcp


def test_headers_of_mcp(send, stub: Stub, stub_sidecar: Sidecar) -> None:
    """The second values would contradict the body."""
    stub.on("/twice", lambda request, wire: wire.json(200, RESULT))
    ledger = Ledger()
    body = rpc("tools/call", {"name": TOOL, "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}})
    send(stub_sidecar, ledger, [KIND, *MODERN, *OTHERS], body)
    samples = stub_sidecar.adopt(ledger)
    mismatches = [value for (family, _), value in samples.items() if family == "mcp_header_mismatch_total"]
    assert mismatches and not any(mismatches)


def test_the_session_is_the_first(send, stub: Stub, stub_sidecar: Sidecar) -> None:
    """The response comes on a stream of the session in the first line."""
    sessions = f"first {send.__name__}", f"second {send.__name__}"
    stub.on("/twice", lambda request, wire: wire.answer(202, b""))
    stub.on("/stream", lambda request, wire: (wire.begin("text/event-stream"), wire.event(RESULT), wire.end()))
    ledger = Ledger()
    send(stub_sidecar, ledger, [KIND, *(("Mcp-Session-Id", session) for session in sessions)], CALL)
    with Connection(stub_sidecar.port, ledger) as connection:
        connection.send("GET", "/stream", [("Mcp-Session-Id", sessions[0])])
        connection.receive()
    assert counted(stub_sidecar, ledger, "tools/call") == 1
