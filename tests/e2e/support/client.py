"""A raw HTTP/1.1 client: sends the given bytes, keeps the response, and records the exchange in a ledger."""

import socket
from typing import Iterator

from . import http1
from .exchange import Exchange, Ledger
from .http1 import Headers

DEADLINE = 60.0
JSON = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]


class Connection:
    """One TCP connection. An exchange is added to the ledger when it ends or the client leaves."""

    def __init__(self, port: int, ledger: Ledger | None = None, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=DEADLINE)
        self.source = self.socket.makefile("rb")
        self.ledger = ledger if ledger is not None else Ledger()
        self.authority = f"{host}:{port}"
        self.exchange: Exchange | None = None
        self.message: http1.Message | None = None

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Requests

    def send(
        self,
        verb: str,
        target: str,
        headers: Headers = (),
        body: bytes | list[bytes] = b"",
        trailers: Headers = (),
        host: bool = True,
    ) -> None:
        """Sends a request. A list as body is sent chunked, one chunk for each element."""
        fields = ([("Host", self.authority)] if host else []) + list(headers)
        if isinstance(body, list):
            fields.append(("Transfer-Encoding", "chunked"))
            payload = b"".join(map(http1.chunk, body)) + http1.last_chunk(trailers)
        else:
            if body or verb == "POST":
                fields.append(("Content-Length", str(len(body))))
            payload = body
        # Headers and body in one write, because Envoy could respond to the headers before the body.
        self.begin(verb, target, fields, b"".join(body) if isinstance(body, list) else body, payload)

    def begin(self, verb: str, target: str, fields: Headers, body: bytes, payload: bytes = b"") -> None:
        """Sends the headers, and the payload if there is one. `body` is the body that is recorded as sent."""
        start = f"{verb} {target} HTTP/1.1"
        self.exchange = Exchange(http1.Head(start, list(fields)), body)
        self.message = None
        self.socket.sendall(http1.render(start, list(fields)) + payload)

    # Responses

    def head(self) -> http1.Head:
        self.message = http1.Message(http1.read_final_head(self.source))
        return self.message.head

    def pieces(self) -> Iterator[bytes]:
        """Yields the body as it arrives. At its end the exchange is added to the ledger."""
        verb = self.exchange.request.verb
        yield from http1.response_body(self.source, verb, self.message)
        self.finish()

    def finish(self, cause: tuple[str, str] | None = None) -> Exchange:
        """Adds the exchange to the ledger, without a response if none came."""
        exchange = self.exchange
        if self.message is not None:
            exchange.response = self.message.head
            exchange.response_body = self.message.body
            exchange.complete = self.message.complete
        exchange.cause = exchange.cause or cause
        self.exchange = None
        return self.ledger.add(exchange)

    def receive(self, cause: tuple[str, str] | None = None) -> http1.Message:
        self.exchange.cause = cause
        try:
            self.head()
        except http1.Truncated:
            self.finish()
            raise
        for _ in self.pieces():
            pass
        return self.message

    def leave(self, cause: tuple[str, str] | None = ("cancelled", "")) -> None:
        """Closes the connection within an exchange."""
        self.finish(cause)
        self.close()

    def close(self) -> None:
        self.source.close()
        self.socket.close()

    # Shorthands

    def post(self, body: bytes, headers: Headers = JSON, target: str = "/mcp", cause=None) -> http1.Message:
        self.send("POST", target, headers, body)
        return self.receive(cause)
