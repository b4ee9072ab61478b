"""Each status and each error_type, caused by a real event on the wire, on both workers.

Failures of Envoy's own side (no upstream, timeout, overload) are in test_upstream_down.py.
"""

import threading
from pathlib import Path

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
INITIALIZE = rpc("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
LIST = rpc("tools/list")
READ = rpc("resources/read", {"uri": "probe://x"})
PROMPT = rpc("prompts/get", {"name": "greet"})


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
    Case("json result with the number as a string", ("ok", ""), answers(200, result({"content": []}, id="7"))),
    Case("sse result with the number as a string", ("ok", ""), streams(result({"content": []}, id="7"))),
    Case("sse notification, then result", ("ok", ""), streams(NOTIFICATION, RESULT)),
    Case("result after a priming event", ("ok", ""), streams(b"", RESULT)),
    Case("isError", ("error", "tool_error"), answers(200, result({"content": [], "isError": True}))),
    Case("isError by sse", ("error", "tool_error"), streams(result({"content": [], "isError": True}))),
    Case("isError false", ("ok", ""), answers(200, result({"content": [], "isError": False}))),
    Case("isError deeper", ("ok", ""), answers(200, result({"structuredContent": {"isError": True}}))),
    Case(
        "null result beside an error",
        ("error", "rpc_error"),
        answers(200, b'{"jsonrpc":"2.0","id":7,"result":null,"error":{"code":-32000,"message":"x"}}'),
    ),
    Case(
        "result beside an error",
        ("error", "rpc_error"),
        answers(200, b'{"jsonrpc":"2.0","id":7,"result":{"content":[]},"error":{"code":-32603,"message":"x"}}'),
    ),
    Case("null error beside a result", ("ok", ""), answers(200, b'{"jsonrpc":"2.0","id":7,"result":{},"error":null}')),
    Case("error with null id", ("error", "rpc_error"), answers(400, error(-32000, id=None))),
    Case("error without id", ("error", "rpc_error"), answers(400, error_without_id(-32000))),
    Case("error with a foreign id", ("error", "rpc_error"), answers(400, error(-32000, id="server-error"))),
    Case("error by sse", ("error", "rpc_error"), streams(error(-32603))),
    Case("rpc error with 401", ("error", "rpc_error"), answers(401, error(-32000))),
    Case("input required", ("input_required", ""), answers(200, result({"resultType": "input_required"}))),
    Case("url elicitation", ("input_required", ""), answers(200, error(-32042))),
    Case("task of the extension", ("accepted", ""), answers(200, result({"resultType": "task", "taskId": "t"}))),
    Case("task of 2025-11-25", ("accepted", ""), answers(200, result({"task": {"taskId": "t", "status": "working"}}))),
    Case("unsupported version", ("negotiation", ""), answers(400, error(-32022)), LIST),
    Case("unsupported version of a call", ("error", "rpc_error"), answers(400, error(-32022))),
    Case("unsupported version of a read", ("error", "rpc_error"), answers(400, error(-32022)), READ),
    Case("unsupported version of a prompt", ("error", "rpc_error"), answers(400, error(-32022)), PROMPT),
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
    Case("404 with json", ("error", "http_error"), answers(404, b'{"detail":"Not Found"}')),
    Case("422 with a list", ("error", "http_error"), answers(422, b'[{"loc":["body"]}]')),
    Case("500 with a string", ("error", "http_error"), answers(500, b'"Internal Server Error"')),
    Case("502 with broken json", ("error", "http_error"), answers(502, b"{bad gateway}")),
    Case("503 with cut json", ("error", "http_error"), answers(503, b'{"error":"bu'), skipped="truncated"),
    Case("404 text", ("error", "http_error"), answers(404, b"not here", "text/plain")),
    Case("405 empty", ("error", "http_error"), answers(405, b"", "text/plain")),
    Case("413 text", ("error", "http_error"), answers(413, b"Request body too large", "text/plain")),
    Case("429", ("error", "http_error"), answers(429, b"", "text/plain", ("Retry-After", "1"))),
    Case("500 text", ("error", "http_error"), answers(500, b"oops", "text/plain")),
    Case("the server's own 503", ("error", "http_error"), answers(503, b"busy", "text/plain")),
    Case("the server's own 504", ("error", "http_error"), answers(504, b"late", "text/plain")),
]

ELSEWHERE = [
    Case("307 to a slash", ("redirected", ""), answers(307, b"", "text/plain", ("Location", "/case/"))),
    Case("302 with html", ("redirected", ""), answers(302, b"<p>moved</p>", "text/html", ("Location", "/login"))),
    Case("304", ("redirected", ""), lambda request, wire: wire.raw(b"HTTP/1.1 304 Not Modified\r\n\r\n")),
    Case("308 of a probe", ("redirected", ""), answers(308, b"", "text/plain", ("Location", "/x")), DISCOVER),
    Case("307 with an error", ("error", "rpc_error"), answers(307, error(-32000))),
    Case("405 of initialize", ("negotiation", ""), answers(405, b"Method Not Allowed", "text/plain"), INITIALIZE),
    Case("405 of initialize by an error", ("error", "rpc_error"), answers(405, error(-32000)), INITIALIZE),
    Case("404 of initialize", ("error", "http_error"), answers(404, b"no", "text/plain"), INITIALIZE),
]

NO_RESPONSE = [
    Case("empty json", ("error", "no_response"), answers(200, b"")),
    Case("no content", ("error", "no_response"), lambda request, wire: wire.raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    Case("json without rpc", ("error", "no_response"), answers(200, b'{"status":"fine"}')),
    Case("html", ("error", "no_response"), answers(200, b"<p>hello</p>", "text/html")),
    Case("sse without events", ("error", "no_response"), streams()),
    Case("sse without the answer", ("error", "no_response"), streams(NOTIFICATION)),
    Case("sse with a foreign result", ("error", "no_response"), streams(result({}, id=8))),
    Case("json with a foreign result", ("error", "no_response"), answers(200, result({}, id="07"))),
    Case("last event without its blank line", ("error", "no_response"), answers(200, b"data: " + RESULT + b"\n", SSE)),
]

DEEP_RESULT = b'{"jsonrpc":"2.0","id":7,"result":' + b'{"a":[' * 50_000 + b"1" + b"]}" * 50_000 + b"}"
BROTLI = ("Content-Encoding", "br")
UNREAD = [
    Case("brotli", ("unknown", ""), answers(200, b"\x0b\x02\x80{}\x03", "application/json", BROTLI)),
    Case("brotli stream", ("unknown", ""), answers(200, b"\x0b\x02\x80{}\x03\n\n", SSE, BROTLI)),
    Case("cut json", ("unknown", ""), answers(200, RESULT[:-2]), skipped="truncated"),
    Case("broken json", ("unknown", ""), answers(200, b'{"jsonrpc":"2.0",,"id":7}')),
    Case("broken event", ("unknown", ""), streams(b'{"jsonrpc":"2.0",,"id":7}')),
    Case("too deep", ("unknown", ""), answers(200, DEEP_RESULT), skipped="too_deep"),
]
for case in UNREAD:
    case.cause = case.outcome


class Breaks:
    """Sends a part of the response, and ends the connection after the client has received that part."""

    def __init__(self, head: bytes, body: bytes, then: str) -> None:
        self.head, self.body, self.then = head, body, then
        self.seen = threading.Semaphore(0)

    def __call__(self, _: http1.Message, wire: Wire) -> None:
        if self.head:
            wire.raw(self.head + self.body)
            self.seen.acquire(timeout=20)
        if self.then == "nonsense":
            wire.raw(b"nonsense\r\n\r\n")
            wire.until_gone()
        else:
            getattr(wire, self.then)()


def see_it_break(connection: Connection, case: Case) -> None:
    breaks = case.serve
    connection.send("POST", "/case", JSON, case.request)
    connection.exchange.cause, connection.exchange.skipped = case.cause, case.skipped
    connection.head()
    pieces = connection.pieces()
    if breaks.body:
        next(pieces)
    breaks.seen.release()
    for _ in pieces:
        pass


def hangs(head: bytes = b"", body: bytes = b"") -> Breaks:
    return Breaks(head, body, "until_gone")


JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = http1.chunk(b"data: " + NOTIFICATION + b"\n\n")
ANSWER = http1.chunk(b"data: " + RESULT + b"\n\n")
HALF = http1.chunk(RESULT[:20])
RESET = ("error", "reset")
BROKEN = [
    Case("closed before headers", RESET, Breaks(b"", b"", "close")),
    Case("reset before headers", RESET, Breaks(b"", b"", "reset")),
    Case("nonsense before headers", RESET, Breaks(b"", b"", "nonsense")),
    Case("closed inside headers", RESET, lambda request, wire: (wire.raw(JSON_HEAD[:30]), wire.close())),
    Case("closed before the body", RESET, Breaks(JSON_HEAD, b"", "close"), act=see_it_break),
    Case("reset before the body", RESET, Breaks(JSON_HEAD, b"", "reset"), act=see_it_break),
    Case("closed inside json", RESET, Breaks(CHUNKED_HEAD, HALF, "close"), skipped="truncated", act=see_it_break),
    Case("reset inside json", RESET, Breaks(CHUNKED_HEAD, HALF, "reset"), skipped="truncated", act=see_it_break),
    Case("nonsense after the headers", RESET, Breaks(CHUNKED_HEAD, b"", "nonsense"), act=see_it_break),
    Case("closed after one event", RESET, Breaks(SSE_HEAD, EVENT, "close"), act=see_it_break),
    Case("reset after one event", RESET, Breaks(SSE_HEAD, EVENT, "reset"), act=see_it_break),
    Case("nonsense after one event", RESET, Breaks(SSE_HEAD, EVENT, "nonsense"), act=see_it_break),
    # A response that was seen decides, whatever follows.
    Case("closed after the answer", ("ok", ""), Breaks(SSE_HEAD, ANSWER, "close"), act=see_it_break),
    Case("reset after the answer", ("ok", ""), Breaks(SSE_HEAD, ANSWER, "reset"), act=see_it_break),
]
for case in BROKEN:
    case.cause = case.outcome


def leave_before_headers(connection: Connection, case: Case) -> None:
    arrived = threading.Event()
    case.serve.arrived = arrived
    connection.send("POST", "/case", JSON, case.request)
    assert arrived.wait(20)
    connection.leave(case.cause)


def leave_after_a_piece(connection: Connection, case: Case) -> None:
    connection.send("POST", "/case", JSON, case.request)
    connection.exchange.skipped = case.skipped
    connection.head()
    next(connection.pieces())
    case.serve.seen.release()
    connection.leave(case.cause)


class NeverAnswers:
    """Signals when the request has arrived, and waits until the client has left."""

    def __call__(self, _: http1.Message, wire: Wire) -> None:
        self.arrived.set()
        wire.until_gone()


LISTEN = rpc("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
ACKNOWLEDGED = b'{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}'
ACKNOWLEDGEMENT = http1.chunk(b"data: " + ACKNOWLEDGED + b"\n\n")
LEAVE = leave_after_a_piece
LEFT = [
    Case("client left before headers", ("cancelled", ""), NeverAnswers(), act=leave_before_headers),
    Case("client left an event stream", ("cancelled", ""), hangs(SSE_HEAD, EVENT), act=LEAVE),
    Case("client left inside json", ("cancelled", ""), hangs(CHUNKED_HEAD, HALF), skipped="truncated", act=LEAVE),
    Case("client left after the answer", ("ok", ""), hangs(SSE_HEAD, ANSWER), act=LEAVE),
    Case("client closed its subscription", ("ok", ""), hangs(SSE_HEAD, ACKNOWLEDGEMENT), LISTEN, act=LEAVE),
]
for case in LEFT:
    case.cause = case.outcome

CASES = ANSWERED + BY_STATUS + ELSEWHERE + NO_RESPONSE + UNREAD + BROKEN + LEFT


STATUSES = {"ok", "error", "cancelled", "input_required", "accepted", "negotiation", "redirected", "unknown"}
ERROR_TYPES = {"tool_error", "invalid_request", "rpc_error", "unauthorized", "http_error", "reset", "no_response"}
# Outcomes that Envoy causes: test_upstream_down.py has a test for each, with these names.
ENVOYS_OWN = {"timeout", "upstream_unavailable", "overload"}


def test_every_outcome_has_a_case() -> None:
    """`rate_limited` has no case, because no limit of this version refuses requests."""
    assert {status for status, _ in (case.outcome for case in CASES)} == STATUSES
    assert {error_type for _, error_type in (case.outcome for case in CASES)} == ERROR_TYPES | {""}
    source = Path(__file__).with_name("test_upstream_down.py").read_text()
    assert {name for name in ENVOYS_OWN if f'("error", "{name}"): ' in source} == ENVOYS_OWN


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
    """How many operations of the ledger ended in each way, by the expected series."""
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
    """An operation with the HTTP response 202 continues on another stream: it has not failed, and has no duration."""
    stub.on("/case", answers(202, b"Accepted", "text/plain"))
    ledger = Ledger()
    for connection in stub_sidecar.connections(ledger):
        with connection:
            connection.post(CALL, target="/case")
    assert outcomes(ledger, stub_sidecar) == {("unknown", ""): WORKERS}
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
