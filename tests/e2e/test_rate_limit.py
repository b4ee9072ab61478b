"""The rate limit: what a held request is to the client and to the server, and what is counted. Two workers share the buckets.

One call of each tool passes in a day, so a test takes a tool of its own.
"""

import gzip
import json
import threading
from pathlib import Path

import pytest

from support import http1
from support.cases import held_stream, rpc
from support.client import DEADLINE, JSON, Connection
from support.http1 import Message
from support.limited import REFUSED, TOOLS, Limited, assert_refused, call, of_length, running
from support.stub import Stub, Wire

KIB_64 = 64 * 1024


def test_workers_share_a_bucket_and_refusals_keep_the_connection(limited: Limited) -> None:
    tool, other = next(TOOLS), next(TOOLS)
    one, two = limited.connections(limited.ledger)
    with one, two:
        assert one.post(call(tool, 1), target=limited.path).head.status == 200
        assert_refused(two.post(call(tool, 7), target=limited.path), "7")
        assert two.post(call(other, 8), target=limited.path).head.status == 200
        assert_refused(one.post(call(tool, 9), target=limited.path), "9")
    assert limited.bodies() == [call(tool, 1), call(other, 8)]
    limited.counts(allowed=2, limited=2)


CLAIMS = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/list"), ("Mcp-Name", "harmless")]
SHAPES = {
    "as one": (JSON, lambda body: body),
    "byte by byte": (JSON, lambda body: [body[at : at + 1] for at in range(len(body))]),
    "white space around": (JSON, lambda body: b"\r\n\t" + body + b"\n"),
    "byte order mark": (JSON, lambda body: b"\xef\xbb\xbf" + body),
    "escaped name": (JSON, lambda body: body.replace(b"tool-", b"\\u0074ool-")),
    "escaped method": (JSON, lambda body: body.replace(b"tools/", b"tool\\u0073\\/").replace(b'"method"', b'"\\u006dethod"')),
    "60 KiB before the name": (JSON, lambda body: body.replace(b'"name"', b'"arguments": {"x": "%s"}, "name"' % (b"y" * 60 * 1024))),
    "headers name another tool": (JSON + CLAIMS, lambda body: body),
    "type with parameters": ([("Content-Type", "Application/JSON ; charset=UTF-8"), JSON[1]], lambda body: body),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_body_in_any_shape_is_limited_and_passes_unchanged(shape: str, limited: Limited) -> None:
    headers, make = SHAPES[shape]
    body = make(call(next(TOOLS)))
    whole = body if isinstance(body, bytes) else b"".join(body)
    assert limited.post(body, headers).head.status == 200
    assert limited.bodies() == [whole]
    assert_refused(limited.post(body, headers), "1")
    assert limited.bodies() == []
    limited.counts(allowed=1, limited=1)


@pytest.mark.parametrize("request_id", ["0", "-7", "1.0", "1e3", "12345678901234567890123", '"a"', '"\\u0061\\/\\""', '"ä"'])
def test_id_is_repeated_to_the_byte(request_id: str, limited: Limited) -> None:
    tool = next(TOOLS)
    body = call(tool, "ID").replace(b'"ID"', request_id.encode())
    limited.post(call(tool))
    assert_refused(limited.post(body), request_id)
    assert limited.bodies() == [call(tool)]
    limited.counts(allowed=1, limited=1)


def test_batch_passes_or_is_refused_whole(limited: Limited) -> None:
    tool, other = next(TOOLS), next(TOOLS)
    notification = b'{"jsonrpc": "2.0", "method": "notifications/initialized"}'
    batch = lambda *parts: b"[" + b", ".join(parts) + b"]"
    twice = batch(call(tool, 1), notification, call(tool, "b"), rpc("ping", id=3))
    assert_refused(limited.post(twice), "1", '"b"', "3", batch=True)
    mixed = batch(call(tool, 1), call(other, 2), notification)
    assert limited.post(mixed).head.status == 200
    assert_refused(limited.post(batch(call(tool, 5))), "5", batch=True)
    assert limited.bodies() == [mixed]
    # One call of the first batch was over the limit. The bucket of the second tool counts for the rule too.
    limited.counts(allowed=2, limited=2)


@pytest.mark.parametrize("over", [False, True], ids=["up to 64 KiB", "longer"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_longest_body_that_is_read(chunked: bool, over: bool, limited: Limited) -> None:
    for length in [KIB_64 + 1, 3 * KIB_64] if over else [KIB_64 - 1, KIB_64]:
        tool = next(TOOLS)
        body = of_length(tool, length)
        sent = [body[at : at + 10_000] for at in range(0, length, 10_000)] if chunked else body
        assert limited.post(sent).head.status == 200
        assert limited.bodies() == [body]
        if over:
            assert limited.post(sent).head.status == 200
            assert limited.bodies() == [body]
            limited.counts(unread=2)
        else:
            assert_refused(limited.post(sent), "1")
            limited.counts(allowed=1, limited=1)


UNREAD = {
    "too long": (JSON, lambda: of_length(next(TOOLS), KIB_64 + 1)),
    "compressed": ([*JSON, ("Content-Encoding", "gzip")], lambda: gzip.compress(call(next(TOOLS)))),
    "broken": (JSON, lambda: call(next(TOOLS))[:-1]),
    "more after it": (JSON, lambda: call(next(TOOLS)) + b","),
    "other case": (JSON, lambda: call(next(TOOLS)).replace(b"params", b"Params")),
    "no version": (JSON, lambda: call(next(TOOLS)).replace(b'"jsonrpc": "2.0", ', b"")),
    "no JSON by its type": ([("Content-Type", "text/plain"), JSON[1]], lambda: call(next(TOOLS))),
}


@pytest.mark.parametrize("kind", UNREAD)
def test_what_is_not_read_passes_or_is_refused(kind: str, limited: Limited, strict: Limited) -> None:
    headers, make = UNREAD[kind]
    body = make()
    answer = strict.post(body, headers)
    assert answer.head.status == 429
    assert json.loads(answer.body)["error"]["data"] == {**REFUSED, "retryAfterMs": 60_000}
    assert strict.bodies() == []
    limited.served.clear()
    with limited.accepting():
        assert limited.post(body, headers).head.status == 202
    assert limited.bodies() == [body]
    for sidecar in (limited, strict):
        before = sidecar.unread()
        sidecar.adopt(sidecar.take_ledger())
        assert sidecar.unread() == before + 1


@pytest.mark.parametrize("trailers", [[], [("x-sum", "1")]], ids=["no trailers", "trailers"])
def test_http2(trailers: http1.Headers, limited: Limited) -> None:
    tool = next(TOOLS)
    body = of_length(tool, 20_000)
    pieces = [body[:1], body[1:9_000], body[9_000:]]
    assert limited.over_http2(pieces, trailers=trailers).head.status == 200
    (request,) = limited.served
    assert (limited.bodies(), request.trailers) == ([body], trailers)
    assert_refused(limited.over_http2(pieces, trailers=trailers), "1")
    assert limited.bodies() == []
    limited.counts(allowed=1, limited=1)


def test_trailers_of_http1(limited: Limited) -> None:
    body = call(next(TOOLS))
    for refused in (False, True):
        with limited.connect() as connection:
            connection.send("POST", limited.path, JSON, [body[:9], body[9:]], [("X-Sum", "1")])
            answer = connection.receive()
        if refused:
            assert_refused(answer, "1")
    (request,) = limited.served
    assert (limited.bodies(), request.trailers) == ([body], [("x-sum", "1")])
    limited.counts(allowed=1, limited=1)


def test_client_that_expects_100_continue_gets_it_at_once(limited: Limited) -> None:
    body = call(next(TOOLS))
    fields = [("Host", "x"), *JSON, ("Expect", "100-continue"), ("Content-Length", str(len(body)))]
    for refused in (False, True):
        with limited.connect() as connection:
            connection.begin("POST", limited.path, fields, body)
            assert http1.read_head(connection.source).status == 100
            assert limited.bodies() == []
            connection.socket.sendall(body)
            answer = connection.receive()
        if refused:
            assert_refused(answer, "1")
        else:
            assert (answer.head.status, limited.bodies()) == (200, [body])
    limited.counts(allowed=1, limited=1)


def test_nothing_reaches_the_server_before_the_body_is_complete(limited: Limited) -> None:
    body = call(next(TOOLS))
    before = limited.stub.heads
    with limited.connect() as connection, limited.connect() as other:
        fields = [("Host", "x"), *JSON, ("Content-Length", str(len(body)))]
        connection.begin("POST", limited.path, fields, body, body[:-1])
        # The proxy has read the first part when it has answered another exchange of this worker or of the other one.
        other.send("POST", limited.path, JSON, call(next(TOOLS)))
        other.receive()
        assert limited.stub.heads == before + 1
        assert len(limited.bodies()) == 1
        connection.socket.sendall(body[-1:])
        assert connection.receive().head.status == 200
    assert limited.bodies() == [body]
    limited.counts(allowed=2)


def test_client_that_leaves_a_held_request_takes_no_token(limited: Limited) -> None:
    body = call(next(TOOLS))
    with Connection(limited.port) as connection:
        fields = [("Host", "x"), *JSON, ("Content-Length", str(len(body)))]
        connection.begin("POST", limited.path, fields, body, body[:-1])
    limited.expected.stream()
    limited.expected.add("mcp_parse_skipped_total", direction="in", reason="truncated")
    assert limited.post(body).head.status == 200
    assert limited.bodies() == [body]
    limited.counts(allowed=1)


def test_server_that_breaks_after_a_held_request(limited: Limited) -> None:
    body = call(next(TOOLS))
    limited.stub.on(limited.path, lambda request, wire: wire.reset())
    try:
        with limited.connect() as connection:
            connection.send("POST", limited.path, JSON, body)
            assert connection.receive(("error", "reset")).head.status == 503
        with limited.connect() as connection:
            connection.send("POST", limited.path, JSON, body)
            assert_refused(connection.receive(), "1")
    finally:
        limited.stub.on(limited.path, limited.serve)
    limited.counts(allowed=1, limited=1)


def test_call_on_an_open_stream_is_limited_too(limited: Limited) -> None:
    tool, released = next(TOOLS), threading.Event()
    limited.stub.on("/stream", held_stream(released))
    with limited.connect() as one, limited.connect() as other:
        one.send("POST", "/stream", JSON, call(tool, 7))
        one.head()
        other.send("POST", "/stream", JSON, call(tool, 8))
        assert_refused(other.receive(), "8")
        released.set()
        for _ in one.pieces():
            pass
    limited.counts(allowed=1, limited=1)


def test_requests_of_2026_07_28(limited: Limited) -> None:
    tool = next(TOOLS)
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {"name": "c"}}
    headers = [*JSON, ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)]
    body = call(tool, _meta=meta)
    assert limited.post(body, headers).head.status == 200
    assert_refused(limited.post(body, headers), "1")
    assert limited.bodies() == [body]
    limited.counts(allowed=1, limited=1)


def test_posts_of_http_sse_are_refused_on_their_own_exchange(limited: Limited) -> None:
    tool, released = next(TOOLS), threading.Event()

    def stream(_: Message, wire: Wire) -> None:
        wire.begin("text/event-stream")
        wire.chunk(b"event: endpoint\ndata: /message?sessionId=limited\n\n")
        released.wait(DEADLINE)
        wire.event(b'{"jsonrpc":"2.0","id":1,"result":{}}')
        wire.end()

    limited.stub.on("/sse", stream)
    limited.stub.on("/message", lambda request, wire: wire.answer(202, b"Accepted"))
    with limited.connect() as events, limited.connect() as posts:
        events.send("GET", "/sse", [("Accept", "text/event-stream")])
        events.head()
        pieces = events.pieces()
        next(pieces)
        kind = JSON[:1]
        for refused, request_id in ((False, 1), (True, 2)):
            posts.send("POST", "/message?sessionId=limited", kind, call(tool, request_id))
            answer = posts.receive()
            if refused:
                assert_refused(answer, "2")
            else:
                assert answer.head.status == 202
        released.set()
        for _ in pieces:
            pass
    limited.counts(allowed=1, limited=1)


def test_shadow_lets_pass_and_counts(stub: Stub, logs: Path) -> None:
    with running(stub, logs, "shadow", shadow=True, unread="refuse") as sidecar:
        body, long = call(next(TOOLS)), of_length(next(TOOLS), KIB_64 + 1)
        for sent in (body, [body[:9], body[9:]], long):
            assert sidecar.post(sent).head.status == 200
        assert sidecar.bodies() == [body, body, long]
        sidecar.counts(allowed=1, shadowed=1, unread=1)
