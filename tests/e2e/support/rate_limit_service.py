"""A rate limit service for Envoy: gRPC on HTTP/2, one call (`RateLimitService/ShouldRateLimit`), counts in memory.

It reads the two messages of Envoy's API that the call has, and no other field of them.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events

OK, OVER_LIMIT = 1, 2
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
# The length of gRPC's head of a message: whether it is compressed, and its length.
HEAD = 5


class RateLimitService:
    """Serves on a free port of 127.0.0.1 once the constructor returns. `limits` are the requests that each descriptor may make."""

    def __init__(self, limits: dict[tuple[str, str], int]) -> None:
        self.limits = limits
        # How often each descriptor was asked for, by key and value.
        self.asked: Counter[tuple[str, str]] = Counter()
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        parts: dict[int, bytes] = {}
        while True:
            writer.write(connection.data_to_send())
            data = await reader.read(65536)
            if not data:
                return
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    parts[event.stream_id] = parts.get(event.stream_id, b"") + event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.answer(connection, event.stream_id, parts.pop(event.stream_id, b"")[HEAD:])

    def answer(self, connection: h2.connection.H2Connection, stream: int, request: bytes) -> None:
        message = bytes([1 << 3, self.decide(request)])
        connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        connection.send_data(stream, b"\0" + len(message).to_bytes(4) + message)
        connection.send_headers(stream, [("grpc-status", "0")], end_stream=True)

    def decide(self, request: bytes) -> int:
        """The code of the response to a `RateLimitRequest`: field 2 has the descriptors, whose field 1 has the entries."""
        code = OK
        for descriptor in of_field(request, 2):
            for entry in of_field(descriptor, 1):
                (key,), (value,) = of_field(entry, 1), of_field(entry, 2)
                found = key.decode(), value.decode()
                self.asked[found] += 1
                if self.asked[found] > self.limits.get(found, self.asked[found]):
                    code = OVER_LIMIT
        return code

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


def of_field(message: bytes, wanted: int) -> list[bytes]:
    """The values of a field of a message in protobuf's wire format; the field is a string or a message."""
    return [value for number, value in fields(message) if number == wanted]


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            _, at = varint(message, at)
            continue
        if kind == LENGTH:
            size, at = varint(message, at)
        else:
            size = {FIXED64: 8, FIXED32: 4}[kind]
        yield number, message[at : at + size]
        at += size


def varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at
