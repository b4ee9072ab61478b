"""The sidecar changes only what the documentation lists.

Each exchange is made twice with the same bytes, directly and through the sidecar. What the server receives and what the client
receives must be equal in both runs.
"""

import gzip
import threading
from collections import Counter

import pytest

from support import http1, http2
from support.cases import CALL, NOTIFICATION, RESULT, answers
from support.client import JSON, Connection
from support.exchange import Ledger
from support.headers import comparable
from support.http1 import Headers
from support.sidecar import Sidecar
from support.stub import Stub, Wire

BIG = bytes(range(32, 127)) * 90_000
TEXT = ("Content-Type", "text/plain")


class Both:
    """Makes the same exchange directly and through the sidecar, on a path of the stub that the test defines."""

    def __init__(self, stub: Stub, sidecar: Sidecar) -> None:
        self.stub, self.sidecar = stub, sidecar
        self.ledger = Ledger()

    def exchange(self, verb: str, target: str, headers: Headers = (), body=b"", trailers: Headers = ()):
        """Returns (request as received, response as received): directly, and through each worker."""
        direct = self.one(Connection(self.stub.port), verb, target, headers, body, trailers)
        through = [
            self.one(connection, verb, target, headers, body, trailers)
            for connection in self.sidecar.connections(self.ledger)
        ]
        return direct, through

    def one(self, connection: Connection, verb, target, headers, body, trailers):
        with connection:
            # The same authority for both, so that `Host` can be compared too.
            fields = [("Host", "mcp.example:8080"), *headers]
            connection.send(verb, target, fields, body, trailers, host=False)
            response = connection.receive()
        return self.stub.requests[-1], response


@pytest.fixture
def both(stub: Stub, stub_sidecar: Sidecar):
    both = Both(stub, stub_sidecar)
    yield both
    stub_sidecar.check(both.ledger)


def assert_same(direct, through, added: Headers = ()) -> None:
    request, response = direct
    for other_request, other_response in through:
        assert other_request.head.start == request.head.start
        difference = comparable(other_request.head.headers)
        difference.subtract(comparable(request.head.headers))
        assert {line for line, count in difference.items() if count} == {("x-forwarded-proto", "http"), *added}
        assert other_request.body == request.body
        assert lower(other_request.trailers) == lower(request.trailers)
        assert other_response.head.start.split(" ")[1] == response.head.start.split(" ")[1]
        assert without_date(other_response) == without_date(response)
        dates = {name for name, _ in other_response.head.headers if name.lower() == "date"}
        assert len(dates) == 1, "a date is added where absent"
        assert other_response.body == response.body
        assert lower(other_response.trailers) == lower(response.trailers)
        assert other_response.complete


def lower(trailers: Headers) -> Headers:
    """Envoy's case formatter does not change trailers, so their names are compared without case."""
    return [(name.lower(), value) for name, value in trailers]


def without_date(response: http1.Message) -> Counter:
    lines = comparable(response.head.headers)
    return Counter({line: count for line, count in lines.items() if line[0].lower() != "date"})


PLAIN = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
ODD_HEADERS = [
    *PLAIN,
    ("MCP-Protocol-Version", "2025-06-18"),
    ("Mcp-Session-Id", "A-b_C!~"),
    ("X-lower-UPPER-MiXeD", "Value  with   blanks"),
    ("X-Repeated", "one"),
    ("X-Repeated", "two"),
    ("Cookie", "a=1; b=2"),
    ("Authorization", "Bearer s3cr3t"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("User-Agent", "Test/1.0 (odd; agent)"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Request-Id", "mine"),
    ("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("Origin", "https://app.example"),
    ("X-Empty", ""),
    ("X-Latin", "caf\u00e9"),
]


def test_request_headers(both: Both, stub: Stub) -> None:
    stub.on("/same", answers(200, RESULT))
    assert_same(*both.exchange("POST", "/same", ODD_HEADERS, CALL))


def test_response_headers(both: Both, stub: Stub) -> None:
    more = [
        ("SERVER", "Stub/1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-MiXeD-Case", "Yes"),
        ("Mcp-Session-Id", "s-1"), ("X-Accel-Buffering", "no"), ("Cache-Control", "no-cache, no-transform"),
        ("WWW-Authenticate", 'Bearer realm="x"'), ("X-Empty", ""), ("X-Envoy-Upstream-Service-Time", "theirs"),
    ]
    stub.on("/same", answers(200, RESULT, "application/json", *more))
    assert_same(*both.exchange("POST", "/same", PLAIN, CALL))


def test_date_of_the_server_stays(both: Both, stub: Stub) -> None:
    date = ("Date", "Mon, 01 Jan 2024 00:00:00 GMT")
    stub.on("/same", answers(200, RESULT, "application/json", date))
    for _, response in both.exchange("POST", "/same", PLAIN, CALL)[1]:
        assert response.head.all("date") == [date[1]]


def test_forwarded_proto_of_the_client_stays(both: Both, stub: Stub) -> None:
    stub.on("/same", answers(200, RESULT))
    _, through = both.exchange("POST", "/same", [*PLAIN, ("X-Forwarded-Proto", "https")], CALL)
    for request, _ in through:
        assert request.head.all("x-forwarded-proto") == ["https"]


def test_envoy_headers_of_the_client_are_removed(both: Both, stub: Stub) -> None:
    stub.on("/same", answers(200, RESULT))
    tricks = [("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-max-retries", "5"), ("X-Envoy-Anything", "x")]
    direct, through = both.exchange("POST", "/same", [*PLAIN, *tricks], CALL)
    for request, response in through:
        assert not [name for name, _ in request.head.headers if name.lower().startswith("x-envoy")]
        assert response.body == direct[1].body


@pytest.mark.parametrize("verb", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_verbs(verb: str, both: Both, stub: Stub) -> None:
    stub.on("/verb", lambda request, wire: wire.answer(200, b"" if verb == "HEAD" else b"body", [TEXT]))
    body = b"abc" if verb in ("PUT", "PATCH") else b""
    # Envoy adds the length of an empty body for methods that may have a body, not for GET, HEAD and DELETE.
    added = [("content-length", "0")] if verb == "OPTIONS" else []
    assert_same(*both.exchange(verb, "/verb", [("X-One", "1")], body), added)


@pytest.mark.parametrize("status", [201, 202, 206, 301, 400, 401, 404, 418, 500, 503, 599])
def test_statuses(status: int, both: Both, stub: Stub) -> None:
    stub.on("/status", answers(status, b"text", "text/plain"))
    assert_same(*both.exchange("GET", "/status"))


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body(status: int, both: Both, stub: Stub) -> None:
    stub.on("/status", lambda request, wire: wire.raw(http1.render(f"HTTP/1.1 {status} x", [("ETag", '"1"')])))
    assert_same(*both.exchange("GET", "/status"))


ODD_TARGETS = [
    "//same", "/same/../same/./x", "/same%2Fx", "/%ff%FE", "/same;a=b?c=%20&d=e%26", "/same?", "/same?q=a+b&q=/../",
    "/same/%7euser/", "/" + "x" * 6000, "/same?" + "y" * 6000,
]


@pytest.mark.parametrize("target", ODD_TARGETS, ids=lambda target: target[:30])
def test_targets(target: str, both: Both) -> None:
    assert_same(*both.exchange("GET", target))


def test_big_bodies(both: Both, stub: Stub) -> None:
    stub.on("/big", lambda request, wire: wire.answer(200, request.body, [TEXT]))
    assert_same(*both.exchange("POST", "/big", [TEXT], BIG))
    assert_same(*both.exchange("POST", "/big", [TEXT], [BIG[:100_000], b"x", BIG]))


def test_big_json(both: Both, stub: Stub) -> None:
    answer = b'{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":"' + b"x" * 5_000_000 + b'"}]},"id":7}'
    question = CALL.replace(b'"arguments": {}', b'"arguments": {"data":"' + b"y" * 3_000_000 + b'"}')
    stub.on("/big", answers(200, answer))
    assert_same(*both.exchange("POST", "/big", PLAIN, question))


def test_trailers_both_ways(both: Both, stub: Stub) -> None:
    trailers = [("X-Checksum", "abc"), ("X-Other", "d e")]

    def serve(_: http1.Message, wire: Wire) -> None:
        wire.begin("application/json", [("Trailer", "X-Checksum")])
        wire.chunk(RESULT)
        wire.end(trailers)

    stub.on("/trailers", serve)
    headers = [*PLAIN, ("Trailer", "X-Checksum"), ("TE", "trailers")]
    direct, through = both.exchange("POST", "/trailers", headers, [CALL[:30], CALL[30:]], trailers)
    assert direct[0].trailers == direct[1].trailers == trailers
    assert_same(direct, through)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_encoded_bodies(coding: str, both: Both, stub: Stub) -> None:
    body = gzip.compress(RESULT) if coding == "gzip" else b"\x00\xff not really " + coding.encode()
    stub.on("/coded", answers(200, body, "text/plain", ("Content-Encoding", coding), ("Vary", "Accept-Encoding")))
    assert_same(*both.exchange("GET", "/coded", [("Accept-Encoding", coding)]))


def test_expect_continue(both: Both, stub: Stub) -> None:
    """The client sends its body after 100 Continue, and then gets the response."""
    stub.on("/same", answers(200, RESULT))
    for connection in both.sidecar.connections(both.ledger):
        with connection:
            fields = [("Host", "x"), *PLAIN, ("Expect", "100-continue"), ("Content-Length", str(len(CALL)))]
            connection.begin("POST", "/same", fields, CALL)
            assert http1.read_head(connection.source).status == 100
            connection.socket.sendall(CALL)
            assert connection.receive().body == RESULT
        assert stub.requests[-1].body == CALL


class OneByOne:
    """Sends each event after the client has confirmed the one before."""

    def __init__(self, events: list[bytes]) -> None:
        self.events, self.seen = events, threading.Semaphore(0)

    def __call__(self, _: http1.Message, wire: Wire) -> None:
        wire.begin("text/event-stream")
        for data in self.events:
            wire.event(data)
            assert self.seen.acquire(timeout=20), "the client did not see the event"
        wire.end()


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_events_arrive_one_by_one(verb: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    events = [NOTIFICATION] * 20 + ([RESULT] if verb == "POST" else [])
    serve = OneByOne(events)
    stub.on("/events", serve)
    ledger = Ledger()
    for connection in stub_sidecar.connections(ledger):
        with connection:
            headers = [*JSON, ("Mcp-Session-Id", "s")] if verb == "POST" else [("Mcp-Session-Id", "s")]
            connection.send(verb, "/events", headers, CALL if verb == "POST" else b"")
            connection.head()
            received = []
            for piece in connection.pieces():
                received.append(piece)
                serve.seen.release()
        assert received == [b"data: " + data + b"\n\n" for data in events]
    stub_sidecar.check(ledger)


def test_request_body_arrives_piece_by_piece(stub: Stub, stub_sidecar: Sidecar) -> None:
    """The server receives each piece of the body before the client sends the next one."""
    got = threading.Semaphore(0)
    pieces = [CALL[:1], CALL[1:40], CALL[40:]]

    def serve(head: http1.Head, source, wire: Wire) -> None:
        message = http1.Message(head)
        for _ in http1.read_body(source, message, bodiless=False, until_close=False):
            got.release()
        wire.json(200, RESULT)

    stub.on_head("/slowly", serve)
    ledger = Ledger()
    for connection in stub_sidecar.connections(ledger):
        with connection:
            connection.begin("POST", "/slowly", [("Host", "x"), *PLAIN, ("Transfer-Encoding", "chunked")], CALL)
            for piece in pieces:
                connection.socket.sendall(http1.chunk(piece))
                assert got.acquire(timeout=20), "the server did not see the piece"
            connection.socket.sendall(http1.last_chunk())
            assert connection.receive().body == RESULT
    stub_sidecar.check(ledger)


HTTP2_BODIES = {"empty": b"", "small": RESULT, "big": b" " * 3_000_000 + RESULT}


@pytest.mark.parametrize("size", HTTP2_BODIES)
def test_http2_client(size: str, both: Both, stub: Stub) -> None:
    """The same with HTTP/2 from the client, where names are in lower case."""
    trailers = [("x-checksum", "abc")]

    def serve(_: http1.Message, wire: Wire) -> None:
        wire.begin("application/json", [("X-Custom", "Yes")])
        if HTTP2_BODIES[size]:
            wire.chunk(HTTP2_BODIES[size])
        wire.end(trailers)

    stub.on("/h2", serve)
    headers = [(name.lower(), value) for name, value in [*PLAIN, ("X-Custom", "1"), ("Mcp-Session-Id", "s")]]
    direct = both.one(Connection(stub.port), "POST", "/h2", headers, [CALL[:9], CALL[9:]], trailers)
    for connection in both.sidecar.connections():
        with connection:
            response = http2.exchange(connection.socket, both.ledger, "POST", "/h2", headers, [CALL[:9], CALL[9:]], trailers)
        request = stub.requests[-1]
        assert request.body == direct[0].body
        assert request.trailers == direct[0].trailers
        difference = comparable(request.head.headers, lower=True)
        difference.subtract(comparable(direct[0].head.headers, lower=True))
        changed = {line for line, count in difference.items() if count}
        assert changed == {("x-forwarded-proto", "http")}
        assert response.body == direct[1].body
        assert response.trailers == trailers
        assert [line for line in response.head.headers if line[0] != "date"] == [
            (name.lower(), value) for name, value in direct[1].head.headers if name.lower() not in http1.HOP_BY_HOP
        ]
