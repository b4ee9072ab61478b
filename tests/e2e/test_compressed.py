"""Compressed responses: their messages are counted, and the bytes pass unchanged."""

import gzip
import threading
import zlib
from typing import Callable

import pytest

from support import http1
from support.cases import CALL, NOTIFICATION, RESULT, answers, result
from support.client import JSON
from support.exchange import Ledger
from support.expected import Expected
from support.processes import wait_for
from support.series import series
from support.sidecar import WORKERS, Sidecar
from support.stub import Stub, Wire

TOOL_ERROR = result({"content": [{"type": "text", "text": "no"}], "isError": True})
KINDS = {"json": "application/json", "sse": "text/event-stream"}
Coder = Callable[[bytes], bytes]


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, wbits=-zlib.MAX_WBITS)


def members(body: bytes) -> bytes:
    """Several gzip members, the second one empty."""
    return gzip.compress(body[:20]) + gzip.compress(b"") + gzip.compress(body[20:])


READ: dict[str, tuple[str, Coder]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip in members": ("gzip", members),
    "x-gzip": ("x-gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("Deflate", raw_deflate),
}
UNREAD: dict[str, tuple[str, Coder, str]] = {
    "brotli": ("br", lambda body: b"\x0b\x02\x80{}\x03", ""),
    "zstd": ("zstd", lambda body: b"\x28\xb5\x2f\xfd" + body, ""),
    "two codings": ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body)), ""),
    "not gzip": ("gzip", lambda body: body, ""),
    "cut": ("gzip", lambda body: gzip.compress(body)[:30], ""),
    "bomb": ("gzip", lambda body: gzip.compress(b" " * 20_000_000 + body), "content_encoding"),
}


def text(kind: str, message: bytes) -> bytes:
    return message if kind == "json" else b"data: " + message + b"\n\n"


def ends(ledger: Ledger, sidecar: Sidecar) -> dict[tuple[str, str, str], int]:
    account = Expected(sidecar.server_name)
    for exchange in ledger.exchanges:
        account.exchange(exchange)
    return dict(account.operations)


def call(stub: Stub, sidecar: Sidecar, kind: str, coding: str, body: bytes, skipped: str = "") -> Ledger:
    """Makes one call on each worker. The client must get the bytes that the server sent."""
    stub.on("/coded", answers(200, body, KINDS[kind], ("Content-Encoding", coding)))
    ledger = Ledger()
    for connection in sidecar.connections(ledger):
        with connection:
            connection.send("POST", "/coded", [*JSON, ("Accept-Encoding", "gzip, deflate, br")], CALL)
            connection.exchange.skipped = skipped
            answer = connection.receive()
            assert answer.head.get("content-encoding") == coding
            assert answer.body == body
    return ledger


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READ)
def test_tool_error_is_seen(name: str, kind: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    coding, compress = READ[name]
    ledger = call(stub, stub_sidecar, kind, coding, compress(text(kind, TOOL_ERROR)))
    assert ends(ledger, stub_sidecar) == {("tools/call", "probe", "tool_error"): WORKERS}
    stub_sidecar.check(ledger)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", UNREAD)
def test_unread_is_unknown(name: str, kind: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    coding, compress, skipped = UNREAD[name]
    ledger = call(stub, stub_sidecar, kind, coding, compress(text(kind, TOOL_ERROR)), skipped)
    for exchange in ledger.exchanges:
        exchange.cause = ("unknown", "")
    assert ends(ledger, stub_sidecar) == {("tools/call", "probe", "unknown"): WORKERS}
    stub_sidecar.check(ledger)


class FlushesEach:
    """A compressed stream that is flushed after each event, and continues at a signal of the test."""

    def __init__(self, events: list[bytes]) -> None:
        self.events, self.next = events, threading.Semaphore(0)

    def __call__(self, _: http1.Message, wire: Wire) -> None:
        compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
        wire.begin("text/event-stream", [("Content-Encoding", "gzip")])
        for data in self.events:
            event = compressor.compress(text("sse", data)) + compressor.flush(zlib.Z_SYNC_FLUSH)
            wire.chunk(event)
            assert self.next.acquire(timeout=20), "the next event was not requested"
        wire.chunk(compressor.flush())
        wire.end()


def test_every_event_is_counted_when_it_passes(stub: Stub, stub_sidecar: Sidecar) -> None:
    """While the stream is open, each event is in the scrape before the server sends the next."""
    serve = FlushesEach([NOTIFICATION] * 3 + [RESULT])
    stub.on("/flushed", serve)
    seen = series(
        "mcp_notifications_total",
        server_name=stub_sidecar.server_name, method="notifications/progress", direction="out",
    )
    count = stub_sidecar.samples().get(seen, 0)
    ledger = Ledger()
    for connection in stub_sidecar.connections(ledger):
        with connection:
            connection.send("POST", "/flushed", JSON, CALL)
            connection.head()
            pieces = connection.pieces()
            for _ in range(3):
                next(pieces)
                count += 1
                wait_for("the event to be counted", lambda: stub_sidecar.samples().get(seen, 0) == count)
                serve.next.release()
            next(pieces)
            serve.next.release()
            for _ in pieces:
                pass
    assert ends(ledger, stub_sidecar) == {("tools/call", "probe", "ok"): WORKERS}
    stub_sidecar.check(ledger)
