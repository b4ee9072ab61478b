"""Every status and every error_type, each caused by a real event on the wire, on both workers.

What breaks Envoy's own side (no upstream, no time, no room) is in test_upstream_down.py.
"""

import threading

import pytest

from support import http1
from support.cases import (
    CALL, DISCOVER, NOTIFICATION, RESULT, TOOL, Case, answers, error, error_without_id, result, rpc, streams,
)
from support.client import JSON, Connection
from support.exchange import Ledger
from support.expected import Expected
from support.sidecar import WORKERS, Sidecar
from support.stub import Stub, Wire

INVALID_REQUEST = (-32700, -32600, -32601, -32602, -32002)
OTHER_ERRORS = (-32603, -32000, -32001, -32020, -32021, -1, 0, 42, 2147483648)
SSE = "text/event-stream"


def rpc_errors() -> list[Case]:
    cases = []
    for index, code in enumerate(INVALID_REQUEST):
        status = (200, 400, 404)[index % 3]
        cases.append(Case(f"code {code} with {status}", ("error", "invalid_request"), answers(status, error(code))))
    for index, code in enumerate(OTHER_ERRORS):
        status = (200, 400, 401, 403, 500, 503)[index % 6]
        cases.append(Case(f"code {code} with {status}", ("error", "rpc_error"), answers(status, error(code))))
    return cases


ANSWERED = [
    Case("json result", ("ok", ""), answers(200, RESULT)),
    Case("sse result", ("ok", ""), streams(RESULT)),
    Case("sse notification, then result", ("ok", ""), streams(NOTIFICATION, RESULT)),
    Case("result after a priming event", ("ok", ""), streams(b"", RESULT)),
    Case("isError", ("error", "tool_error"), answers(200, result({"content": [], "isError": True}))),
    Case("isError by sse", ("error", "tool_error"), streams(result({"content": [], "isError": True}))),
    Case("isError false", ("ok", ""), answers(200, result({"content": [], "isError": False}))),
    Case("isError deeper", ("ok", ""), answers(200, result({"structuredContent": {"isError": True}}))),
    Case("error with null id", ("error", "rpc_error"), answers(400, error(-32000, id=None))),
    Case("error without id", ("error", "rpc_error"), answers(400, error_without_id(-32000))),
    Case("error with a foreign id", ("error", "rpc_error"), answers(400, error(-32000, id="server-error"))),
    Case("error by sse", ("error", "rpc_error"), streams(error(-32603))),
    Case("rpc error with 401", ("error", "rpc_error"), answers(401, error(-32000))),
    Case("input required", ("input_required", ""), answers(200, result({"resultType": "input_required"}))),
    Case("url elicitation", ("input_required", ""), answers(200, error(-32042))),
    Case("task of the extension", ("accepted", ""), answers(200, result({"resultType": "task", "taskId": "t"}))),
    Case("task of 2025-11-25", ("accepted", ""), answers(200, result({"task": {"taskId": "t", "status": "working"}}))),
    Case("unsupported version", ("negotiation", ""), answers(400, error(-32022))),
    Case("discover refused by rpc", ("negotiation", ""), answers(400, error(-32600, id="server-error")), DISCOVER),
    Case("discover refused as unknown", ("negotiation", ""), answers(404, error(-32601)), DISCOVER),
    Case("discover refused by text", ("negotiation", ""), answers(404, b"no", "text/plain"), DISCOVER),
    Case("discover refused by 401", ("negotiation", ""), answers(401, b"", "text/plain"), DISCOVER),
    Case("discover answered", ("ok", ""), answers(200, result({"supportedVersions": []})), DISCOVER),
    *rpc_errors(),
]

BY_STATUS = [
    Case("401", ("error", "unauthorized"), answers(401, b"", "text/plain", ("WWW-Authenticate", "Bearer"))),
    Case("403 with html", ("error", "unauthorized"), answers(403, b"<p>no</p>", "text/html")),
    Case("401 with json", ("error", "unauthorized"), answers(401, b'{"error":"invalid_token"}')),
    Case("404 text", ("error", "http_error"), answers(404, b"not here", "text/plain")),
    Case("405 empty", ("error", "http_error"), answers(405, b"", "text/plain")),
    Case("413 text", ("error", "http_error"), answers(413, b"Request body too large", "text/plain")),
    Case("429", ("error", "http_error"), answers(429, b"", "text/plain", ("Retry-After", "1"))),
    Case("500 text", ("error", "http_error"), answers(500, b"oops", "text/plain")),
    Case("the server's own 503", ("error", "http_error"), answers(503, b"busy", "text/plain")),
    Case("the server's own 504", ("error", "http_error"), answers(504, b"late", "text/plain")),
]

NO_RESPONSE = [
    Case("empty json", ("error", "no_response"), answers(200, b"")),
    Case("no content", ("error", "no_response"), lambda request, wire: wire.raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    Case("json without rpc", ("error", "no_response"), answers(200, b'{"status":"fine"}')),
    Case("html", ("error", "no_response"), answers(200, b"<p>hello</p>", "text/html")),
    Case("sse without events", ("error", "no_response"), streams()),
    Case("sse without the answer", ("error", "no_response"), streams(NOTIFICATION)),
    Case("sse with a foreign result", ("error", "no_response"), streams(result({}, id=8))),
    Case("json with a foreign result", ("error", "no_response"), answers(200, result({}, id="7"))),
    Case("last event without its blank line", ("error", "no_response"), answers(200, b"data: " + RESULT + b"\n", SSE)),
]

BROTLI = ("Content-Encoding", "br")
UNREAD = [
    Case("brotli", ("unknown", ""), answers(200, b"\x0b\x02\x80{}\x03", "application/json", BROTLI)),
    Case("brotli stream", ("unknown", ""), answers(200, b"\x0b\x02\x80{}\x03\n\n", SSE, BROTLI)),
    Case("cut json", ("unknown", ""), answers(200, RESULT[:-2]), skipped="truncated"),
    Case("broken json", ("unknown", ""), answers(200, b'{"jsonrpc":"2.0",,"id":7}')),
    Case("broken event", ("unknown", ""), streams(b'{"jsonrpc":"2.0",,"id":7}')),
    Case("too deep", ("unknown", ""), answers(200, b"[" * 100_000 + b"]" * 100_000), skipped="too_deep"),
]
for case in UNREAD:
    case.cause = case.outcome


def whole(response: bytes, then: str):
    """Writes these bytes of an answer, then closes or resets the connection."""

    def serve(_: http1.Message, wire: Wire) -> None:
        if response:
            wire.raw(response)
        getattr(wire, then)()

    return serve


JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = http1.chunk(b"data: " + NOTIFICATION + b"\n\n")
ANSWER = http1.chunk(b"data: " + RESULT + b"\n\n")
RESET = ("error", "reset")
BROKEN = [
    Case("closed before headers", RESET, whole(b"", "close")),
    Case("reset before headers", RESET, whole(b"", "reset")),
    Case("closed inside headers", RESET, whole(b"HTTP/1.1 200 OK\r\nContent-", "close")),
    Case("nonsense before headers", RESET, whole(b"NONSENSE\r\n\r\n", "until_gone")),
    Case("closed before the body", RESET, whole(JSON_HEAD, "close")),
    Case("closed after one event", RESET, whole(SSE_HEAD + EVENT, "close")),
    Case("reset after one event", RESET, whole(SSE_HEAD + EVENT, "reset")),
    Case("nonsense after one event", RESET, whole(SSE_HEAD + EVENT + b"nonsense\r\n", "until_gone")),
    Case("nonsense after the headers", RESET, whole(CHUNKED_HEAD + b"nonsense\r\n", "until_gone")),
]
for case in BROKEN:
    case.cause = case.outcome
# An answer that was seen wins over whatever comes after it.
BROKEN.append(Case("closed after the answer", ("ok", ""), whole(SSE_HEAD + ANSWER, "close")))
BROKEN.append(Case("reset after the answer", ("ok", ""), whole(SSE_HEAD + ANSWER, "until_gone"), act=lambda c, k: leave_after(c, k)))


def leave_before_headers(connection: Connection, case: Case) -> None:
    connection.send("POST", "/case", JSON, case.request)
    assert case.serve.arrived.wait(10)
    connection.leave(case.cause)


def leave_after(connection: Connection, case: Case) -> None:
    """Leaves once a first piece of the answer has come."""
    connection.send("POST", "/case", JSON, case.request)
    connection.head()
    next(connection.pieces())
    connection.leave(case.cause)


class Hangs:
    """Begins an answer, or not even that, and waits until the client is gone."""

    def __init__(self, begun: bytes = b"") -> None:
        self.begun, self.arrived = begun, threading.Semaphore(0)
        self.arrived.wait = lambda timeout: self.arrived.acquire(timeout=timeout)

    def __call__(self, _: http1.Message, wire: Wire) -> None:
        if self.begun:
            wire.raw(self.begun)
        self.arrived.release()
        wire.until_gone()


LISTEN = rpc("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
ACKNOWLEDGED = b'{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}'
LEFT = [
    Case("client left before headers", ("cancelled", ""), Hangs(), act=leave_before_headers),
    Case("client left an event stream", ("cancelled", ""), Hangs(SSE_HEAD + EVENT), act=leave_after),
    Case("client left inside json", ("cancelled", ""), Hangs(CHUNKED_HEAD + http1.chunk(b" ")), act=leave_after),
    Case(
        "client closed its subscription",
        ("ok", ""),
        Hangs(SSE_HEAD + http1.chunk(b"data: " + ACKNOWLEDGED + b"\n\n")),
        LISTEN,
        act=leave_after,
    ),
]
for case in LEFT:
    case.cause = case.outcome

CASES = ANSWERED + BY_STATUS + NO_RESPONSE + UNREAD + BROKEN + LEFT


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_operation(case: Case, stub: Stub, stub_sidecar: Sidecar) -> None:
    stub.on("/case", case.serve)
    ledger = Ledger()
    for connection in stub_sidecar.connections(ledger):
        with connection:
            case.act(connection, case)
    assert outcomes(ledger, stub_sidecar) == {case.outcome: WORKERS}
    stub_sidecar.check(ledger)


def outcomes(ledger: Ledger, sidecar: Sidecar) -> dict[tuple[str, str], int]:
    """How many operations of the ledger ended in which way, by the account's own reading."""
    account = Expected(sidecar.server_name)
    for exchange in ledger.exchanges:
        account.exchange(exchange)
    found = {}
    for (family, labels), count in account.totals.items():
        if family == "mcp_requests_total":
            values = dict(labels)
            key = values["status"], values["error_type"]
            found[key] = found.get(key, 0) + count
    return found


def test_request_answered_elsewhere(stub: Stub, stub_sidecar: Sidecar) -> None:
    """A request that is answered 202 is pending on another stream; it has not failed."""
    stub.on("/case", answers(202, b"Accepted", "text/plain"))
    ledger = Ledger()
    for connection in stub_sidecar.connections(ledger):
        with connection:
            connection.post(CALL, target="/case")
    assert outcomes(ledger, stub_sidecar) == {}
    stub_sidecar.check(ledger)


BATCH = b"[" + b",".join([rpc("tools/call", {"name": TOOL}, id=1), rpc("ping", id="a"), rpc("tools/list", id=2)]) + b"]"
BATCHES = {
    "answered by an array": answers(200, b"[" + b",".join([result({}, 2), result({}, 1), error(-1, id="a")]) + b"]"),
    "answered by events": streams(result({}, 2), NOTIFICATION, result({}, 1), result({}, "a")),
    "refused with a null id": answers(400, error(-32600, id=None)),
    "refused without an id": answers(400, error_without_id(-32602)),
    "one answer missing": streams(result({}, 2), result({}, "a")),
    "refused as a whole": answers(404, b"no", "text/plain"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_batch(name: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    stub.on("/case", BATCHES[name])
    ledger = Ledger()
    for connection in stub_sidecar.connections(ledger):
        with connection:
            connection.post(BATCH, target="/case")
    assert sum(outcomes(ledger, stub_sidecar).values()) == 3 * WORKERS
    stub_sidecar.check(ledger)
