"""Clients for HTTP/1.1 and HTTP/2 with one interface: send a request in pieces, read a response in pieces, or leave."""

import socket
from collections.abc import Iterator
from typing import Protocol

import h2.config
import h2.connection
import h2.events

from support import http1
from support.http1 import Headers

AUTHORITY = "plan.example:8080"
DEADLINE = 30


class Client(Protocol):
    """One connection with one exchange after the other. After `close` the next exchange opens a new connection."""

    lower: bool

    def begin(self, verb: str, target: str, headers: Headers, chunked: bool, bodiless: bool) -> None: ...
    def piece(self, data: bytes) -> None: ...
    def finish(self, trailers: Headers) -> None: ...
    def head(self) -> http1.Head: ...
    def pieces(self) -> Iterator[bytes]: ...
    def leave(self) -> None: ...
    def close(self) -> None: ...


class Http1Client:
    lower = False

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: socket.socket | None = None
        self.message: http1.Message

    def begin(self, verb: str, target: str, headers: Headers, chunked: bool, bodiless: bool) -> None:
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
            self.source = self.socket.makefile("rb")
        self.verb, self.chunked = verb, chunked
        framing = [("Transfer-Encoding", "chunked")] if chunked else []
        fields = [("Host", AUTHORITY), *headers, *framing]
        self.socket.sendall(http1.render(f"{verb} {target} HTTP/1.1", fields))

    def piece(self, data: bytes) -> None:
        self.socket.sendall(http1.chunk(data) if self.chunked else data)

    def finish(self, trailers: Headers) -> None:
        if self.chunked:
            self.socket.sendall(http1.last_chunk(trailers))

    def head(self) -> http1.Head:
        self.message = http1.Message(http1.read_final_head(self.source))
        return self.message.head

    def pieces(self) -> Iterator[bytes]:
        yield from http1.response_body(self.source, self.verb, self.message)
        if not self.message.complete or self.message.head.get("connection").lower() == "close":
            self.close()

    def leave(self) -> None:
        http1.reset(self.socket)
        self.close()

    def close(self) -> None:
        if self.socket is not None:
            self.source.close()
            self.socket.close()
            self.socket = None


class Http2Client:
    """With prior knowledge. To leave is to reset the stream; the connection stays open."""

    lower = True

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: socket.socket | None = None
        self.message: http1.Message

    def begin(self, verb: str, target: str, headers: Headers, chunked: bool, bodiless: bool) -> None:
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
            config = h2.config.H2Configuration(client_side=True, header_encoding="latin-1")
            self.connection = h2.connection.H2Connection(config)
            self.connection.initiate_connection()
        self.stream = self.connection.get_next_available_stream_id()
        self.message = http1.Message(http1.Head("", []))
        self.open = self.ended = False
        pseudo = [(":method", verb), (":scheme", "http"), (":authority", AUTHORITY), (":path", target)]
        lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in [*pseudo, *headers]]
        self.connection.send_headers(self.stream, lines, end_stream=bodiless)
        self.bodiless = bodiless
        self.flush()

    def piece(self, data: bytes) -> None:
        while data:
            window = self.connection.local_flow_control_window(self.stream)
            size = min(len(data), window, self.connection.max_outbound_frame_size)
            if size:
                self.connection.send_data(self.stream, data[:size])
                self.flush()
                data = data[size:]
            else:
                self.read()

    def finish(self, trailers: Headers) -> None:
        if trailers:
            self.connection.send_headers(self.stream, [(name.lower(), value) for name, value in trailers], end_stream=True)
        elif not self.bodiless:
            self.connection.end_stream(self.stream)
        self.flush()

    def head(self) -> http1.Head:
        while not self.open:
            self.read()
        return self.message.head

    def pieces(self) -> Iterator[bytes]:
        taken = 0
        while True:
            while taken < len(self.message.chunks):
                yield self.message.chunks[taken]
                taken += 1
            if self.ended:
                return
            self.read()

    def leave(self) -> None:
        self.connection.reset_stream(self.stream, 8)
        self.flush()

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def flush(self) -> None:
        self.socket.sendall(self.connection.data_to_send())

    def read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise http1.Truncated("the connection was closed")
        for event in self.connection.receive_data(data):
            if getattr(event, "stream_id", None) == self.stream:
                self.take(event)
            elif isinstance(event, h2.events.DataReceived):
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.flush()

    def take(self, event: h2.events.Event) -> None:
        message = self.message
        match event:
            case h2.events.ResponseReceived(headers=headers):
                fields = [(str(name), str(value)) for name, value in headers]
                message.head = http1.Head(f"HTTP/2 {dict(fields)[':status']}", [one for one in fields if one[0][0] != ":"])
                self.open = True
            case h2.events.DataReceived(data=data, flow_controlled_length=length):
                message.chunks.append(data)
                self.connection.acknowledge_received_data(length, self.stream)
            case h2.events.TrailersReceived(headers=headers):
                message.trailers = list(headers)
            case h2.events.StreamEnded():
                message.complete = self.ended = True
            case h2.events.StreamReset():
                self.open = self.ended = True
