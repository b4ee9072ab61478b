"""Clients that do not know the transport of a URL probe it: POST `initialize`, and if that is refused, GET.

A server of HTTP+SSE refuses the POST with 405, or with 400 or 404 at its stream's URL; this is not counted as a failure.
"""

import pytest

from support.cases import RESULT, answers, error, rpc
from support.client import Connection
from support.exchange import Ledger
from support.series import series
from support.sidecar import Sidecar
from support.stub import Stub, Wire

INITIALIZE = rpc("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
ENDPOINT = b"event: endpoint\ndata: /messages?session_id=1\n\n"


@pytest.fixture
def fresh(stub: Stub, logs):
    """A sidecar that has seen no stream yet."""
    sidecar = Sidecar(stub.port, logs, "probing")
    yield sidecar
    sidecar.stop()


class Server:
    """At `/sse` the server opens a stream for GET, and refuses POST."""

    def __init__(self, stub: Stub, status: int) -> None:
        self.status = status
        for path in ("/sse", "/elsewhere"):
            stub.on(path, self)

    def __call__(self, request, wire: Wire) -> None:
        if request.head.verb == "POST":
            answers(self.status, b"Not here", "text/plain")(request, wire)
        else:
            wire.begin("text/event-stream")
            wire.chunk(ENDPOINT)
            wire.end()


def ask(sidecar: Sidecar, ledger: Ledger, target: str, body: bytes = INITIALIZE, cause=None) -> None:
    """Sends the POST on both workers."""
    for connection in sidecar.connections(ledger):
        with connection:
            connection.post(body, target=target, cause=cause)


def stream(sidecar: Sidecar, ledger: Ledger) -> None:
    """Opens a stream on one worker and reads it to its end."""
    with Connection(sidecar.port, ledger) as connection:
        connection.send("GET", "/sse?token=a", [("Accept", "text/event-stream")])
        connection.receive()


REFUSED = ("error", "http_error")
PROBED = ("negotiation", "")


@pytest.mark.parametrize("status", [400, 404])
def test_at_the_path_of_a_stream(status: int, stub: Stub, fresh: Sidecar) -> None:
    Server(stub, status)
    ledger = Ledger()
    ask(fresh, ledger, "/sse", cause=REFUSED)
    stream(fresh, ledger)
    # Now the path is known, also on the other worker and with any query.
    ask(fresh, ledger, "/sse", cause=PROBED)
    ask(fresh, ledger, "/sse?token=b", cause=PROBED)
    ask(fresh, ledger, "/elsewhere", cause=REFUSED)
    ask(fresh, ledger, "/sse", rpc("tools/list"), cause=REFUSED)
    samples = fresh.check(ledger)
    labels = {"method": "initialize", "server_name": fresh.server_name}
    assert samples[series("mcp_requests_total", **labels, status="negotiation", error_type="")] == 4
    assert samples[series("mcp_requests_total", **labels, status="error", error_type="http_error")] == 4


@pytest.mark.parametrize("status", [401, 500])
def test_other_refusals_are_not_negotiation(status: int, stub: Stub, fresh: Sidecar) -> None:
    Server(stub, status)
    ledger = Ledger()
    stream(fresh, ledger)
    ask(fresh, ledger, "/sse", cause=("error", "unauthorized") if status == 401 else REFUSED)
    fresh.check(ledger)


def test_405_needs_no_stream(stub: Stub, fresh: Sidecar) -> None:
    Server(stub, 405)
    stub.on("/says", answers(405, error(-32000)))
    stub.on("/both", answers(200, RESULT))
    ledger = Ledger()
    ask(fresh, ledger, "/sse", cause=PROBED)
    ask(fresh, ledger, "/sse", rpc("tools/list"), cause=REFUSED)
    # A JSON-RPC error is a normal response.
    ask(fresh, ledger, "/says")
    fresh.check(ledger)
