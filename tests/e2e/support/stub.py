"""An HTTP/1.1 server that sends exactly the bytes, pauses and resets that a test defines.

    stub = Stub()
    stub.on("/ok", lambda request, wire: wire.json(200, b"{}"))

A handler runs in the connection's thread. It may write a part of the response, wait for an event of the test, and reset the
connection.
"""

import socket
import threading
from collections import deque
from contextlib import suppress
from typing import BinaryIO, Callable

from . import http1
from .http1 import Headers

Handler = Callable[[http1.Message, "Wire"], None]
HeadHandler = Callable[[http1.Head, BinaryIO, "Wire"], None]
DEADLINE = 20.0


class Wire:
    """The server's side of one connection, with the responses that tests share."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.keep = True

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, status: int, body: bytes, headers: Headers = ()) -> None:
        head = http1.render(f"HTTP/1.1 {status} Stub", [*headers, ("Content-Length", str(len(body)))])
        self.raw(head + body)

    def json(self, status: int, body: bytes, headers: Headers = ()) -> None:
        self.answer(status, body, [("Content-Type", "application/json"), *headers])

    def begin(self, kind: str, headers: Headers = ()) -> None:
        """Sends the headers of a chunked response; `chunk` and `end` follow."""
        fields = [("Content-Type", kind), ("Transfer-Encoding", "chunked"), *headers]
        self.raw(http1.render("HTTP/1.1 200 OK", fields))

    def chunk(self, data: bytes) -> None:
        self.raw(http1.chunk(data))

    def event(self, data: bytes) -> None:
        self.chunk(b"data: " + data + b"\n\n")

    def end(self, trailers: Headers = ()) -> None:
        self.raw(http1.last_chunk(trailers))

    def reset(self) -> None:
        self.keep = False
        http1.reset(self.socket)

    def close(self) -> None:
        self.keep = False
        self.socket.close()

    def until_gone(self) -> None:
        """Waits until the other side has closed this connection."""
        self.keep = False
        try:
            while self.socket.recv(65536):
                pass
        except OSError:
            pass


class Stub:
    """Listens on a free port of 127.0.0.1. The path without the query selects the handler."""

    def __init__(self, port: int = 0) -> None:
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.handlers: dict[str, Handler] = {"/marker": lambda request, wire: wire.answer(204, b"")}
        self.head_handlers: dict[str, HeadHandler] = {}
        # Only the latest, because some tests send many megabytes.
        self.requests: deque[http1.Message] = deque(maxlen=8)
        self.connections: list[socket.socket] = []
        # The number of requests of which the headers have arrived. Health checks of Envoy are connections without a request.
        self.heads, self.lock = 0, threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def on(self, path: str, handler: Handler) -> str:
        self.handlers[path] = handler
        return path

    def on_head(self, path: str, handler: HeadHandler) -> str:
        """Sets a handler that is called before the body is read, and reads it itself."""
        self.head_handlers[path] = handler
        return path

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        source = connection.makefile("rb")
        try:
            while wire.keep:
                self.serve_one(source, wire)
        except (http1.Truncated, OSError):
            pass
        finally:
            source.close()
            connection.close()

    def serve_one(self, source: BinaryIO, wire: Wire) -> None:
        request = http1.Message(http1.read_head(source))
        with self.lock:
            self.heads += 1
        path = request.head.target.partition("?")[0]
        if path in self.head_handlers:
            self.head_handlers[path](request.head, source, wire)
            return
        if request.head.get("expect").lower() == "100-continue":
            wire.raw(http1.render("HTTP/1.1 100 Continue", []))
        for _ in http1.read_body(source, request, bodiless=False, until_close=False):
            pass
        self.requests.append(request)
        self.handlers.get(path, no_such_path)(request, wire)

    def close(self) -> None:
        # `close` alone would accept one more connection, because the thread waits for it.
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()


def no_such_path(_: http1.Message, wire: Wire) -> None:
    wire.answer(404, b"no such path", [("Content-Type", "text/plain")])
