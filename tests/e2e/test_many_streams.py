"""More streams than Envoy's default limit of 1,024 on one HTTP/2 connection: all stay open, and a call on the connection succeeds."""

import socket
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest

from support.cases import RESULT, rpc
from support.client import DEADLINE, JSON
from support.sidecar import Sidecar
from support.waiting_server import WaitingServer

STREAMS = 1100
PING = rpc("ping")


class Client:
    """One HTTP/2 connection. Its streams are identified by number."""

    def __init__(self, port: int) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding="latin-1")
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()
        self.wire = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.status: dict[int, str] = {}
        self.body: dict[int, bytes] = {}

    def flush(self) -> None:
        self.wire.sendall(self.connection.data_to_send())

    def send(self, verb: str, path: str, headers, body: bytes = b"") -> int:
        number = self.connection.get_next_available_stream_id()
        pseudo = [(":method", verb), (":scheme", "http"), (":authority", "mcp.example"), (":path", path)]
        lines = [(name.lower(), value) for name, value in headers]
        self.connection.send_headers(number, pseudo + lines, end_stream=not body)
        if body:
            self.connection.send_data(number, body, end_stream=True)
        return number

    def receive(self) -> None:
        self.flush()
        data = self.wire.recv(1 << 20)
        assert data, "the connection was closed"
        for event in self.connection.receive_data(data):
            match event:
                case h2.events.ResponseReceived(stream_id=number, headers=headers):
                    self.status[number] = dict(headers)[":status"]
                case h2.events.DataReceived(stream_id=number, data=data, flow_controlled_length=length):
                    self.body[number] = self.body.get(number, b"") + data
                    self.connection.acknowledge_received_data(length, number)
        self.flush()


@pytest.fixture
def server():
    server = WaitingServer()
    yield server
    server.close()


def test_streams_beyond_envoys_own_limit(server: WaitingServer, logs: Path) -> None:
    sidecar = Sidecar(server.port, logs, "many-streams")
    client = Client(sidecar.port)
    try:
        # The limit is in the server's settings.
        client.receive()
        assert client.connection.remote_settings.max_concurrent_streams > STREAMS
        accept = [("accept", "text/event-stream"), ("mcp-protocol-version", "2025-06-18")]
        streams = [client.send("GET", "/stream", accept) for _ in range(STREAMS)]
        while len(client.status) < STREAMS:
            client.receive()
        assert {client.status[number] for number in streams} == {"200"}
        ping = client.send("POST", "/mcp", JSON, PING)
        while client.body.get(ping) != RESULT:
            client.receive()
        assert client.status[ping] == "200"
    finally:
        client.wire.close()
        sidecar.stop()
