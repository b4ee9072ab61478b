"""Reads HTTP/1.1 exactly as it is framed: header names in their case, chunks, trailers, truncated messages.

The same reader is used for a live socket and for bytes that a relay recorded. It does not decode content.
"""

import socket
from dataclasses import dataclass, field
from typing import BinaryIO, Iterator

Headers = list[tuple[str, str]]
BODILESS_STATUS = (204, 304)
# Headers of one connection, which each hop sets itself (RFC 9110, 7.6.1).
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "proxy-connection", "te")


class Truncated(Exception):
    """The peer closed or reset the connection before the message was complete."""


@dataclass
class Head:
    """A start line and its headers, as received."""

    start: str
    headers: Headers

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str:
        return ", ".join(self.all(name))

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def verb(self) -> str:
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]


@dataclass
class Message:
    """One request or response; `chunks` are the frames of a chunked body, else its pieces as they arrived."""

    head: Head
    chunks: list[bytes] = field(default_factory=list)
    trailers: Headers = field(default_factory=list)
    complete: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


def read_line(source: BinaryIO) -> bytes:
    try:
        line = source.readline()
    except (ConnectionError, TimeoutError) as error:
        raise Truncated(repr(error)) from error
    if not line.endswith(b"\n"):
        raise Truncated("end of stream inside a line")
    return line.rstrip(b"\r\n")


def read_some(source: BinaryIO, most: int) -> bytes:
    try:
        part = source.read1(most)
    except (ConnectionError, TimeoutError) as error:
        raise CutBody(b"") from error
    if not part:
        raise CutBody(b"")
    return part


def read_exactly(source: BinaryIO, size: int) -> bytes:
    parts = []
    while size > 0:
        try:
            part = source.read1(size) if hasattr(source, "read1") else source.read(size)
        except (ConnectionError, TimeoutError) as error:
            raise CutBody(b"".join(parts)) from error
        if not part:
            raise CutBody(b"".join(parts))
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class CutBody(Truncated):
    """A body that ended early, with the bytes that arrived."""

    def __init__(self, received: bytes) -> None:
        super().__init__(f"body cut after {len(received)} bytes")
        self.received = received


def read_headers(source: BinaryIO) -> Headers:
    headers = []
    while line := read_line(source):
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip(" \t")))
    return headers


def read_head(source: BinaryIO) -> Head:
    start = read_line(source).decode("latin-1")
    return Head(start, read_headers(source))


def read_body(source: BinaryIO, message: Message, *, bodiless: bool, until_close: bool) -> Iterator[bytes]:
    """Yields the body piece by piece and appends each piece to `message`. Sets `complete` if the body ends normally."""
    head = message.head
    try:
        if bodiless:
            pass
        elif "chunked" in head.get("transfer-encoding").lower():
            while size := int(read_line(source).split(b";")[0], 16):
                message.chunks.append(read_exactly(source, size))
                yield message.chunks[-1]
                read_line(source)
            message.trailers = read_headers(source)
        elif length := head.get("content-length"):
            rest = int(length)
            while rest:
                message.chunks.append(read_some(source, rest))
                rest -= len(message.chunks[-1])
                yield message.chunks[-1]
        elif until_close:
            while part := source.read1(65536):
                message.chunks.append(part)
                yield part
    except CutBody as cut:
        message.chunks.append(cut.received)
        return
    except (Truncated, ConnectionError):
        return
    message.complete = True


def read_request(source: BinaryIO) -> Message:
    message = Message(read_head(source))
    for _ in read_body(source, message, bodiless=False, until_close=False):
        pass
    return message


def response_body(source: BinaryIO, verb: str, message: Message) -> Iterator[bytes]:
    bodiless = verb == "HEAD" or message.head.status in BODILESS_STATUS
    return read_body(source, message, bodiless=bodiless, until_close=True)


def read_response(source: BinaryIO, verb: str) -> Message:
    message = Message(read_final_head(source))
    for _ in response_body(source, verb, message):
        pass
    return message


def read_final_head(source: BinaryIO) -> Head:
    """Skips interim responses (100 Continue)."""
    while (head := read_head(source)).status < 200:
        pass
    return head


def render(start: str, headers: Headers) -> bytes:
    lines = [start] + [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def last_chunk(trailers: Headers = ()) -> bytes:
    return b"0\r\n" + b"".join(f"{name}: {value}\r\n".encode() for name, value in trailers) + b"\r\n"


def reset(connection: socket.socket) -> None:
    """Closes with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()
