"""Client and server of every exchange, in one event loop, with Envoy between them.

A script begins an exchange and gets it when the server has read the request. Then it acts as the server while the client
reads. Each step returns when the other side has received it, so the script knows at every step what passed the filter.
Client connections are kept open, selected at random and sometimes closed, so that both workers get exchanges of all kinds.
"""

import asyncio
import itertools
import random
from collections.abc import Iterable

from .account import Account

Headers = list[tuple[str, str]]
NUMBER = "x-exchange"
# The share of complete exchanges after which the client closes the connection.
CLOSED_AFTER = 0.03
DEADLINE = 60.0


class Broken(Exception):
    """The other side closed the connection within a message."""


class End:
    """One side's end of a TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.released = asyncio.Event()
        self.keep = True

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[str, dict[str, str]]:
        try:
            raw = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Broken("no head") from error
        start, *lines = raw[:-4].decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        return start, {name.lower(): value.strip() for name, _, value in fields}

    async def pieces(self, head: dict[str, str], until_close: bool):
        """Yields the parts of the body; raises `Broken` if it is incomplete."""
        try:
            if "chunked" in head.get("transfer-encoding", ""):
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    yield (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readuntil(b"\r\n")
            elif "content-length" in head:
                rest = int(head["content-length"])
                while rest:
                    piece = await self.reader.read(rest)
                    if not piece:
                        raise Broken("body cut")
                    rest -= len(piece)
                    yield piece
            elif until_close:
                while piece := await self.reader.read(65536):
                    yield piece
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Broken("body cut") from error

    async def until_gone(self) -> None:
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    async def told(self) -> str:
        """What was received although nothing was expected, for an error message."""
        try:
            return repr(await asyncio.wait_for(self.reader.read(4096), 1))
        except (TimeoutError, ConnectionError) as error:
            return repr(error)

    def abort(self) -> None:
        self.keep = False
        self.writer.transport.abort()
        self.released.set()

    def close(self) -> None:
        self.keep = False
        self.writer.close()
        self.released.set()


class Exchange:
    """One HTTP request with its response. `counted` is false if it is not MCP; its bytes are in no family then."""

    def __init__(self, link: "Link", client: End, server: End, verb: str, body: bytes, counted: bool) -> None:
        self.link, self.client, self.server, self.verb = link, client, server, verb
        self.body = body
        self.counted = counted
        self.pieces = None
        self.head: dict[str, str] = {}
        link.account.stream()
        self.passed("in", len(body))

    def passed(self, direction: str, size: int) -> None:
        if self.counted and size:
            self.link.account.add("mcp_message_bytes_total", size, direction=direction)

    async def answer(
        self, status: int, body: bytes = b"", kind: str | None = "application/json", headers: Iterable = ()
    ) -> None:
        """Sends a complete response with `Content-Length`."""
        fields = [*([("Content-Type", kind)] if kind else []), *headers]
        if status != 204:
            fields.append(("Content-Length", str(len(body))))
        self.server.write(render(f"HTTP/1.1 {status} Truth", fields) + body)
        self.passed("out", len(body))
        await self.begun(status)
        await self.seen(len(body))
        await self.finished()

    async def open(self, kind: str = "text/event-stream", headers: Iterable = (), status: int = 200) -> None:
        """Sends the headers of a chunked response."""
        fields = [("Content-Type", kind), ("Transfer-Encoding", "chunked"), *headers]
        self.server.write(render(f"HTTP/1.1 {status} Truth", fields))
        await self.begun(status)

    async def send(self, data: bytes) -> None:
        """Sends a part of the response in one or two chunks; returns when the client has received it."""
        at = self.link.random.randrange(1, len(data)) if len(data) > 1 and self.link.random.random() < 0.2 else 0
        for part in (data[:at], data[at:]):
            if part:
                self.server.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.passed("out", len(data))
        await self.seen(len(data))

    async def end(self) -> None:
        self.server.write(b"0\r\n\r\n")
        await self.finished()

    async def break_off(self) -> None:
        """The server resets its connection."""
        self.server.abort()
        try:
            if self.pieces is None:
                # The response is Envoy's own. Its body counts in the bytes.
                await self.begun(503)
            async for piece in self.pieces:
                self.passed("out", len(piece))
            self.client_free()
        except Broken:
            self.client.close()

    async def leave(self) -> None:
        """The client closes the connection; returns when the server has seen it."""
        self.client.abort()
        await self.server.until_gone()
        self.server.close()

    # Methods of the client's side

    async def begun(self, status: int) -> None:
        start, self.head = await self.client.head()
        assert start.split(" ")[1] == str(status), f"{start} instead of {status}"
        if self.verb == "GET" and self.counted:
            self.link.account.opened(opened(status, self.head))
        self.pieces = self.client.pieces(self.head, status != 204)

    async def seen(self, size: int) -> None:
        while size > 0:
            piece = await anext(self.pieces)
            size -= len(piece)
        assert size == 0, "the client got more than was sent"

    async def finished(self) -> None:
        async for piece in self.pieces:
            raise AssertionError(f"the client got more than was sent: {piece!r}")
        self.server.released.set()
        self.client_free()

    def client_free(self) -> None:
        if self.head.get("connection") == "close" or self.link.random.random() < CLOSED_AFTER:
            self.client.close()
        else:
            self.link.idle.append(self.client)


class Link:
    """The server's listener, the client's connections, and the account."""

    def __init__(self, account: Account, seed: str) -> None:
        self.account = account
        self.random = random.Random(seed)
        self.numbers = itertools.count(1)
        self.idle: list[End] = []
        self.waiting: dict[str, asyncio.Future] = {}
        self.listener: asyncio.Server | None = None
        # Set once Envoy runs.
        self.envoy_port = 0
        self.exchanges = 0
        # The templates that the server lists now, by name, with the version of each.
        self.published: dict[str, int] = {}
        # All versions of each template that were listed.
        self.shown: dict[str, list[int]] = {}
        self.added = 0
        # The tools in the latest list, those with a size, and how many extra ones were listed so far.
        self.tools: list[str] = []
        self.defined: set[str] = set()
        self.extra = 0
        self.turn = asyncio.Lock()
        # Scripts that wait for the plugin to be replaced.
        self.parked = asyncio.Semaphore(0)
        self.replaced = asyncio.Event()

    async def listen(self) -> int:
        self.listener = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024, limit=1 << 22)
        return self.listener.sockets[0].getsockname()[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = End(reader, writer)
        try:
            while end.keep:
                _, head = await end.head()
                body = b"".join([piece async for piece in end.pieces(head, until_close=False)])
                if NUMBER not in head:
                    # A request without a number, which the test sends to wait for the counts.
                    end.write(b"HTTP/1.1 204 Truth\r\n\r\n")
                    continue
                end.released.clear()
                self.waiting.pop(head[NUMBER]).set_result((end, head, body))
                await end.released.wait()
        except (Broken, ConnectionError):
            pass
        finally:
            writer.close()

    async def connection(self) -> End:
        if self.idle:
            at = self.random.randrange(len(self.idle))
            self.idle[at], self.idle[-1] = self.idle[-1], self.idle[at]
            return self.idle.pop()
        return End(*await asyncio.open_connection("127.0.0.1", self.envoy_port, limit=1 << 22))

    async def begin(
        self, verb: str, target: str, headers: Iterable = (), body: bytes = b"", counted: bool = True
    ) -> Exchange:
        """Sends a request; returns when the server has received all of it."""
        number = str(next(self.numbers))
        self.exchanges += 1
        arrived = self.waiting[number] = asyncio.get_running_loop().create_future()
        client = await self.connection()
        fields = [("Host", "truth.example"), (NUMBER, number), *headers]
        if body and self.random.random() < 0.1:
            fields.append(("Transfer-Encoding", "chunked"))
            at = self.random.randrange(len(body))
            parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:at], body[at:]) if part)
            payload = parts + b"0\r\n\r\n"
        else:
            if body or verb == "POST":
                fields.append(("Content-Length", str(len(body))))
            payload = body
        client.write(render(f"{verb} {target} HTTP/1.1", fields) + payload)
        try:
            server, _, received = await asyncio.wait_for(arrived, DEADLINE)
        except TimeoutError as error:
            raise AssertionError(f"the request never arrived; the client has {await client.told()}") from error
        assert received == body, "the server got another body than the client sent"
        return Exchange(self, client, server, verb, body, counted)

    async def replacement(self) -> None:
        self.parked.release()
        await self.replaced.wait()

    def close_idle(self) -> None:
        """Closes the idle connections, so that the next exchanges open new ones."""
        while self.idle:
            self.idle.pop().close()


def opened(status: int, head: dict[str, str]) -> str:
    if status == 200 and head.get("content-type", "").startswith("text/event-stream"):
        return "ok"
    return "unsupported" if status == 405 else "error"


def render(start: str, fields: Iterable[tuple[str, str]]) -> bytes:
    return "\r\n".join([start, *(f"{name}: {value}" for name, value in fields)]).encode("latin-1") + b"\r\n\r\n"
