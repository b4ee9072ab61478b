"""HTTP+SSE, where the response to an operation comes on another exchange than its POST: through one sidecar, and through two sidecars
behind a load balancer without session affinity.
"""

import queue
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Iterator

import pytest

from support.cases import result, rpc
from support.client import JSON, Connection
from support.processes import wait_for
from support.sidecar import Sidecar
from support.stub import Stub

TARGET = "/message?sessionId=5c99c753"
ENDPOINT = f"event: endpoint\ndata: {TARGET}\n\n".encode()
GREETING = {"protocolVersion": "2024-11-05", "capabilities": {}, "serverInfo": {"name": "stub", "version": "1"}}
END = b""


@pytest.fixture
def sidecars(stub: Stub, logs: Path) -> Iterator[list[Sidecar]]:
    with ExitStack() as stack:
        pair = [Sidecar(stub.port, logs, f"halves-{number}") for number in range(2)]
        for sidecar in pair:
            stack.callback(sidecar.stop)
        yield pair


class Server:
    """The only session of the stub. Elements of `events` are sent on its stream; an empty one ends the stream."""

    def __init__(self, stub: Stub) -> None:
        self.events: queue.Queue[bytes] = queue.Queue()
        stub.on("/sse", self.stream)
        stub.on("/message", lambda request, wire: wire.answer(202, b"Accepted"))

    def stream(self, request: object, wire) -> None:
        wire.begin("text/event-stream")
        wire.chunk(ENDPOINT)
        for event in iter(self.events.get, END):
            wire.event(event)
        wire.end()


class Client:
    """A client that opens its stream through one port and sends POSTs through another."""

    def __init__(self, server: Server, stream_port: int, post_port: int) -> None:
        self.server, self.port = server, post_port
        self.stream = Connection(stream_port)
        self.stream.send("GET", "/sse", [("Accept", "text/event-stream")])
        self.stream.head()
        self.pieces = self.stream.pieces()
        self.wait_for(ENDPOINT)

    def wait_for(self, text: bytes) -> None:
        while text not in self.stream.message.body:
            next(self.pieces)

    def post(self, body: bytes) -> int:
        with Connection(self.port) as connection:
            return connection.post(body, JSON, TARGET).head.status

    def tell(self, event: bytes) -> None:
        """The server sends an event; returns when the client has received it."""
        self.server.events.put(event)
        self.wait_for(event)

    def end(self) -> None:
        self.server.events.put(END)
        for _ in self.pieces:
            pass
        self.stream.close()


def sums(sidecar: Sidecar) -> Counter[str]:
    """The sum of each family."""
    found: Counter[str] = Counter()
    for (family, _), value in sidecar.flushed().items():
        found[family] += int(value)
    return found


def ends(sidecar: Sidecar, method: str) -> Counter[str]:
    """The ends of a method's operations."""
    found: Counter[str] = Counter()
    for (family, labels), value in sidecar.samples().items():
        fields = dict(labels)
        if family == "mcp_requests_total" and fields["method"] == method and value:
            found[fields["error_type"] or fields["status"]] += int(value)
    return found


def play(client: Client) -> None:
    """A session with two operations, and a server request with its response."""
    assert client.post(rpc("initialize", {"protocolVersion": "2024-11-05"}, id=0)) == 202
    client.tell(result(GREETING, id=0))
    assert client.post(rpc("tools/call", {"name": "a"}, id=1)) == 202
    client.tell(rpc("roots/list", {}, id=0))
    assert client.post(result({"roots": []}, id=0)) == 202
    client.tell(result({"content": []}, id=1))


def test_the_stream_through_one_and_the_posts_through_the_other(sidecars: list[Sidecar], stub: Stub) -> None:
    one, other = sidecars
    client = Client(Server(stub), one.port, other.port)
    play(client)
    wait_for("the operations to be in flight", lambda: sums(other)["mcp_requests_in_flight"] == 2)
    client.end()
    wait_for("the stream to be over", lambda: sums(one)["mcp_sse_streams_active"] == 0)
    for found, waiting in ((sums(one), 0), (sums(other), 2)):
        assert found["mcp_requests_in_flight"] == waiting
        for family in ("mcp_unmatched_responses_total", "mcp_requests_total", "mcp_sessions_active"):
            assert found[family] == 0, family


def test_both_through_one(sidecars: list[Sidecar], stub: Stub) -> None:
    sidecar, _ = sidecars
    client = Client(Server(stub), sidecar.port, sidecar.port)
    play(client)
    wait_for("the session to be counted", lambda: sums(sidecar)["mcp_sessions_active"] == 1)
    client.end()
    wait_for("the session to end", lambda: sums(sidecar)["mcp_sessions_active"] == 0)
    # The POSTs and the stream may be on different workers, which flush at different times.
    wait_for("the operations to be counted", lambda: sums(sidecar)["mcp_requests_total"] == 2)
    found = sums(sidecar)
    assert found["mcp_requests_in_flight"] == found["mcp_unmatched_responses_total"] == 0


def test_listen_with_its_response_on_the_stream(sidecars: list[Sidecar], stub: Stub) -> None:
    sidecar, _ = sidecars
    client = Client(Server(stub), sidecar.port, sidecar.port)
    for id in (1, 2):
        assert client.post(rpc("subscriptions/listen", {}, id=id)) == 202
    client.tell(result({}, id=1))
    wait_for("the answer to be counted", lambda: ends(sidecar, "subscriptions/listen") == {"ok": 1})
    client.stream.close()
    wait_for("the other to end", lambda: ends(sidecar, "subscriptions/listen") == {"ok": 1, "cancelled": 1})
    found = sums(sidecar)
    assert found["mcp_requests_in_flight"] == found["mcp_unmatched_responses_total"] == 0
    assert found["mcp_request_duration_microseconds_count"] == 0


def test_posts_in_parallel_to_a_session_that_is_gone(sidecars: list[Sidecar], stub: Stub) -> None:
    """The first 404 ends the session. The other POSTs are open at that time, and each ends by its own 404."""
    sidecar, _ = sidecars
    arrived: queue.Queue[None] = queue.Queue()
    go_on: queue.Queue[None] = queue.Queue()

    def gone(request: object, wire) -> None:
        arrived.put(None)
        go_on.get()
        wire.answer(404, b"Could not find session")

    stub.on("/message", gone)
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(sidecar.port)) for _ in range(5)]
        for id, connection in enumerate(connections):
            connection.send("POST", TARGET, JSON, rpc("tools/call", {"name": "a"}, id=id))
        for _ in connections:
            arrived.get(timeout=20)
        for _ in connections:
            go_on.put(None)
        assert [connection.receive().head.status for connection in connections] == [404] * 5
    wait_for("all to be counted", lambda: ends(sidecar, "tools/call") == {"http_error": 5})
