"""A POST whose HTTP response comes before its body reaches the filter counts as one operation, with the method `unseen` or the one in
`Mcp-Method`. This happens in outages with clients that send headers and body in two segments, as httpx does.
"""

import json
import socket
import time
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import h2.config
import h2.connection
import pytest

from support import http1, http2
from support.cases import rpc
from support.client import DEADLINE, JSON, Connection
from support.exchange import Ledger
from support.plain_envoy import PlainEnvoy, bootstrap_of, log_accesses, set_plugin_configuration
from support.posting import post
from support.processes import wait_for
from support.scrape import operations
from support.series import series
from support.sidecar import Sidecar
from support.stub import Stub, Wire

ASKED = 40
INITIALIZE = rpc("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
REFUSAL = http1.render(
    "HTTP/1.1 401 Unauthorized", [("Connection", "close"), ("Content-Type", "application/json"), ("Content-Length", "2")]
)
# The delay of the body after the headers; None means both in one segment.
GAPS = (None, 0.0, 0.001, 0.005)
LABELS = ("method", "status", "error_type")
DOWN, EARLY = ("error", "upstream_unavailable"), ("error", "unauthorized")


@pytest.fixture(scope="module")
def early(stub: Stub, logs: Path):
    """A sidecar whose server sends 401 after the headers."""

    def refuse(_: http1.Head, source: BinaryIO, wire: Wire) -> None:
        wire.raw(REFUSAL + b"{}")
        wire.until_gone()

    stub.on_head("/mcp", refuse)
    sidecar = Sidecar(stub.port, logs, "early")
    yield sidecar
    sidecar.stop()


@pytest.fixture(params=["down", "early"])
def refusing(request: pytest.FixtureRequest):
    """A sidecar that refuses requests after the headers, and the expected end of the operations."""
    return request.getfixturevalue(request.param), DOWN if request.param == "down" else EARLY


class Count:
    """The counts of a sidecar since this object was created."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar
        self.before = operations(sidecar.counted(), *LABELS)

    def until(self, exchanges: int) -> Counter:
        self.sidecar.expected.stream(exchanges)
        samples = self.sidecar.adopt(Ledger())
        for family in ("mcp_requests_in_flight", "mcp_active_connections"):
            assert samples[series(family, server_name=self.sidecar.server_name)] == 0
        return operations(samples, *LABELS) - self.before


def over_http1(port: int, gap: float | None) -> int:
    fields = [("Host", "mcp.example"), *JSON, ("Content-Length", str(len(INITIALIZE)))]
    head = http1.render("POST /mcp HTTP/1.1", fields)
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send_apart(wire, head, INITIALIZE, gap)
        with wire.makefile("rb") as source:
            return http1.read_final_head(source).status


def over_http2(port: int, gap: float | None) -> int:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="latin-1"))
    connection.initiate_connection()
    pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "mcp.example"), (":path", "/mcp")]
    connection.send_headers(http2.STREAM, pseudo + [(name.lower(), value) for name, value in JSON])
    head = connection.data_to_send()
    connection.send_data(http2.STREAM, INITIALIZE, end_stream=True)
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send_apart(wire, head, connection.data_to_send(), gap)
        message = http1.Message(http1.Head("", []))
        while not message.head.start:
            for event in connection.receive_data(wire.recv(65536)):
                http2.take(event, connection, message)
        return message.head.status


def send_apart(wire: socket.socket, head: bytes, body: bytes, gap: float | None) -> None:
    if gap is None:
        wire.sendall(head + body)
        return
    wire.sendall(head)
    time.sleep(gap)
    try:
        wire.sendall(body)
    except OSError:
        # The response came, and the connection is closed.
        pass


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: "one segment" if gap is None else f"{gap * 1000:g} ms apart")
@pytest.mark.parametrize("ask", [over_http1, over_http2], ids=["HTTP/1.1", "HTTP/2"])
def test_every_request_is_counted_once(ask, gap: float | None, refusing) -> None:
    """Only timing decides whether the body was still seen."""
    sidecar, outcome = refusing
    count = Count(sidecar)
    statuses = {ask(sidecar.port, gap) for _ in range(ASKED)}
    assert statuses == {503 if outcome == DOWN else 401}
    found = count.until(ASKED)
    assert sum(found.values()) == ASKED
    assert found.keys() <= {("initialize", *outcome), ("unseen", *outcome)}
    if gap is None:
        assert found == {("initialize", *outcome): ASKED}


@pytest.mark.parametrize("library", ["httpx", "Node's fetch"])
def test_real_clients(library: str, refusing) -> None:
    sidecar, outcome = refusing
    count = Count(sidecar)
    assert post(library, sidecar.port, ASKED) == [503 if outcome == DOWN else 401] * ASKED
    found = count.until(ASKED)
    assert sum(found.values()) == ASKED
    assert found.keys() <= {("initialize", *outcome), ("unseen", *outcome)}


def send_headers(sidecar: Sidecar, headers: http1.Headers, target: str = "/mcp") -> None:
    """Sends the headers. The body is sent after the response."""
    fields = [("Host", "mcp.example"), *headers, ("Content-Length", str(len(INITIALIZE)))]
    with Connection(sidecar.port) as connection:
        connection.begin("POST", target, fields, b"")
        connection.receive()
        try:
            connection.socket.sendall(INITIALIZE)
        except OSError:
            pass


KIND, ACCEPT = JSON
HEADERS = {
    "accept": ([KIND, ACCEPT], "/mcp", "unseen"),
    "session": ([KIND, ("Mcp-Session-Id", "s")], "/mcp", "unseen"),
    "revision": ([KIND, ("MCP-Protocol-Version", "2025-06-18")], "/mcp", "unseen"),
    "legacy query": ([KIND], "/mcp?session_id=7", "unseen"),
    "named": ([KIND, ACCEPT, ("Mcp-Method", "tools/list")], "/mcp", "tools/list"),
    "custom name": ([KIND, ACCEPT, ("Mcp-Method", "acme/x")], "/mcp", "other"),
    "nothing of MCP": ([KIND, ("Accept", "application/json")], "/mcp", ""),
    "no JSON": ([("Content-Type", "text/plain"), ACCEPT], "/mcp", ""),
    "a notification": ([KIND, ACCEPT, ("Mcp-Method", "notifications/initialized")], "/mcp", ""),
}


@pytest.mark.parametrize("name", HEADERS)
def test_what_headers_show(name: str, refusing) -> None:
    sidecar, outcome = refusing
    headers, target, method = HEADERS[name]
    count = Count(sidecar)
    send_headers(sidecar, headers, target)
    assert count.until(1) == ({(method, *outcome): 1} if method else {})


def test_a_body_after_the_answer_began_counts_by_its_own_method(stub: Stub, early: Sidecar) -> None:
    def begin(_: http1.Head, source: BinaryIO, wire: Wire) -> None:
        wire.raw(REFUSAL)
        source.read(len(INITIALIZE))
        wire.raw(b"{}")
        wire.close()

    stub.on_head("/begins", begin)
    count = Count(early)
    fields = [("Host", "mcp.example"), *JSON, ("Content-Length", str(len(INITIALIZE)))]
    with Connection(early.port) as connection:
        connection.begin("POST", "/begins", fields, b"")
        connection.head()
        connection.socket.sendall(INITIALIZE)
        assert b"".join(connection.pieces()) == b"{}"
    assert count.until(1) == {("initialize", *EARLY): 1}


def test_client_that_leaves_before_its_body_has_no_operation(stub: Stub, early: Sidecar) -> None:
    arrived = []

    def wait(_: http1.Head, source: BinaryIO, wire: Wire) -> None:
        arrived.append(wire)
        wire.until_gone()
        arrived.append(wire)

    stub.on_head("/waits", wait)
    count = Count(early)
    with Connection(early.port) as connection:
        connection.begin("POST", "/waits", [("Host", "mcp.example"), *JSON, ("Content-Length", "9")], b"")
        wait_for("the headers to arrive", lambda: arrived)
    wait_for("the server to learn of it", lambda: len(arrived) == 2)
    assert not count.until(1)


def test_filter_state(early: Sidecar, logs: Path) -> None:
    bootstrap = bootstrap_of(early)
    log = logs / "unseen-access.log"
    keys = ("mcp.method", "mcp.status", "mcp.error_type", "mcp.transport")
    log_accesses(bootstrap, log, " ".join(f"%FILTER_STATE(wasm.{key}:PLAIN)%" for key in keys))
    set_plugin_configuration(bootstrap, json.dumps({"filter_state": True, "server_name": early.server_name}))
    envoy = PlainEnvoy(bootstrap, early.server_name, logs, "unseen")
    try:
        send_headers(envoy, JSON)
        wait_for("the access log", lambda: log.exists() and log.read_text())
        assert log.read_text().split() == ["unseen", "error", "unauthorized", "streamable_http"]
    finally:
        envoy.stop()
