"""A client that resets its HTTP/2 stream has cancelled, with any error code. For NO_ERROR, Node's default, Envoy sets no flag."""

import socket
import threading

import h2.config
import h2.connection
import h2.errors
import pytest

from support import http1, http2
from support.cases import CALL, NOTIFICATION
from support.client import DEADLINE, JSON
from support.exchange import Exchange, Ledger
from support.scrape import series
from support.sidecar import Sidecar
from support.stub import Stub, Wire

EVENT = b"data: " + NOTIFICATION + b"\n\n"


def reset(port: int, ledger: Ledger, begun: threading.Event, body: bytes, code: int) -> None:
    """Sends the call, waits for the first part of the response, and resets the stream."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="latin-1"))
    connection.initiate_connection()
    headers = [(name.lower(), value) for name, value in JSON]
    pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "mcp.example"), (":path", "/reset")]
    connection.send_headers(http2.STREAM, pseudo + headers)
    connection.send_data(http2.STREAM, CALL, end_stream=True)
    message = http1.Message(http1.Head("", []))
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as wire:
        wire.sendall(connection.data_to_send())
        assert begun.wait(DEADLINE)
        while message.body != body:
            for event in connection.receive_data(wire.recv(65536)):
                http2.take(event, connection, message)
        connection.reset_stream(http2.STREAM, code)
        wire.sendall(connection.data_to_send())
        response = message.head if body else None
        head = http1.Head("POST /reset HTTP/2", headers)
        ledger.add(Exchange(head, CALL, response, message.body, cause=("cancelled", "")))


@pytest.mark.parametrize("code", [h2.errors.ErrorCodes.NO_ERROR, h2.errors.ErrorCodes.CANCEL])
@pytest.mark.parametrize("body", [b"", EVENT], ids=["before the answer", "inside the answer"])
def test_reset(body: bytes, code: int, stub: Stub, stub_sidecar: Sidecar) -> None:
    begun, gone = threading.Event(), threading.Event()

    def serve(_: http1.Message, wire: Wire) -> None:
        if body:
            wire.begin("text/event-stream")
            wire.chunk(body)
        begun.set()
        wire.until_gone()
        gone.set()

    stub.on("/reset", serve)
    ledger = Ledger()
    reset(stub_sidecar.port, ledger, begun, body, code)
    assert gone.wait(DEADLINE)
    samples = stub_sidecar.check(ledger)
    labels = {"method": "tools/call", "server_name": stub_sidecar.server_name, "error_type": ""}
    assert samples[series("mcp_requests_total", status="cancelled", **labels)] > 0
