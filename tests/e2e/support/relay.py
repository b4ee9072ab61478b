"""A TCP relay between a real client and Envoy that records the bytes of both directions.

It does not parse the bytes while it forwards them. Each client connection is one connection to Envoy, so Envoy distributes
them over its workers as without the relay. The recorded bytes are read as HTTP exchanges afterwards.
"""

import io
import socket
import threading
import time

from . import http1
from .exchange import Exchange, Ledger

# A target that keeps a connection open for longer after its client has left is not waited for.
TARGET_CLOSES = 10.0


class Leg:
    """One connection through the relay."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.sent, self.received = bytearray(), bytearray()
        self.threads = [threading.Thread(target=pass_on, daemon=True) for pass_on in (self.forward, self.back)]

    def forward(self) -> None:
        """Forwards from client to server. If the client leaves, only this direction is closed: the other one is still read."""
        try:
            while data := self.client.recv(65536):
                self.sent += data
                self.server.sendall(data)
        except OSError:
            shut(self.client, socket.SHUT_RDWR)
        shut(self.server, socket.SHUT_WR)

    def back(self) -> None:
        """Forwards from server to client, and reads to the end even if the client has left."""
        gone = False
        try:
            while data := self.server.recv(65536):
                self.received += data
                gone = gone or not delivered(self.client, data)
        except OSError:
            pass
        shut(self.client, socket.SHUT_RDWR)

    def exchanges(self) -> list[Exchange]:
        requests, responses = io.BytesIO(bytes(self.sent)), io.BytesIO(bytes(self.received))
        found = []
        while requests.tell() < len(self.sent):
            request = http1.read_request(requests)
            exchange = Exchange(request.head, request.body)
            found.append(exchange)
            if responses.tell() < len(self.received):
                response = http1.read_response(responses, request.head.verb)
                exchange.response, exchange.response_body = response.head, response.body
                exchange.complete = response.complete
        return found


class Relay:
    """Listens on 127.0.0.1, on a free port unless one is given, and relays to `target_port`."""

    def __init__(self, target_port: int, port: int = 0) -> None:
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.legs: list[Leg] = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            leg = Leg(client, socket.create_connection(("127.0.0.1", self.target_port)))
            self.legs.append(leg)
            for thread in leg.threads:
                thread.start()

    def close(self) -> Ledger:
        """Ends every connection, and returns the recorded exchanges. What the clients have sent by now still reaches the target, and
        what the target responds is still read: both would be counted there, and must be in the record."""
        # `close` alone would keep the port in use while the thread waits for connections.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()
        ledger = Ledger()
        # As if the client had left: `forward` passes on what is in the buffer and closes its direction, and the target then ends `back`.
        for leg in self.legs:
            shut(leg.client, socket.SHUT_RD)
        end = time.monotonic() + TARGET_CLOSES
        for leg in self.legs:
            for thread in leg.threads:
                thread.join(max(0.0, end - time.monotonic()))
        for leg in self.legs:
            for side in (leg.client, leg.server):
                shut(side, socket.SHUT_RDWR)
            for thread in leg.threads:
                thread.join(10)
            for exchange in leg.exchanges():
                ledger.add(exchange)
            leg.client.close()
            leg.server.close()
        return ledger


def shut(end: socket.socket, how: int) -> None:
    try:
        end.shutdown(how)
    except OSError:
        pass


def delivered(end: socket.socket, data: bytes) -> bool:
    try:
        end.sendall(data)
    except OSError:
        return False
    return True
