"""A plain client of Streamable HTTP: it shows what an SDK hides, such as statuses, streams and the order of messages."""

import json
from collections.abc import Iterator
from typing import Any

from support.client import JSON, Connection
from support.exchange import Ledger
from support.http1 import Headers, Truncated
from support.messages import events, is_answer

Message = dict[str, Any]
LEGACY, MODERN = "2025-11-25", "2026-07-28"
META = "io.modelcontextprotocol/"


class Exchange:
    """One open exchange: status and headers are known, its messages are read as they come."""

    def __init__(self, port: int, ledger: Ledger, verb: str, headers: Headers, body: bytes = b"", target: str = "/mcp") -> None:
        self.connection = Connection(port, ledger)
        self.connection.send(verb, target, headers, body)
        self.head = self.connection.head()
        self.read: list[Message] = []
        self.pieces = self.connection.pieces()
        # Identities of the events so far, for a resumption.
        self.events: list[str] = []

    @property
    def status(self) -> int:
        return self.head.status

    def messages(self) -> Iterator[Message]:
        """Yields every message as it comes, until the response ends."""
        told = len(self.read)
        while True:
            self.take()
            while told < len(self.read):
                told += 1
                yield self.read[told - 1]
            if next(self.pieces, None) is None:
                break
        self.take(ended=True)
        yield from self.read[told:]

    def take(self, ended: bool = False) -> None:
        body = self.connection.message.body if self.connection.message else b""
        if self.head.get("content-type").startswith("text/event-stream"):
            found = list(events(body))
            self.events = [event.identity for event in found]
            self.read = [json.loads(event.data) for event in found]
        elif ended and body:
            self.read = [json.loads(body)]

    def next(self, **wanted: Any) -> Message:
        """The next message, or the next one with these members."""
        for message in self.messages():
            if wanted.items() <= message.items():
                return message
        raise AssertionError(f"no message with {wanted}: {self.status} {self.read}")

    def answer(self) -> Message:
        """Reads to the end; the answer is the only one."""
        (answer,) = [message for message in self.messages() if is_answer(message)]
        self.connection.close()
        return answer

    def finish(self) -> list[Message]:
        found = list(self.messages())
        self.connection.close()
        return found

    def leave(self) -> None:
        self.connection.leave()


class Session:
    """A session up to 2025-11-25. `ledger` has everything that it did."""

    def __init__(self, port: int, ledger: Ledger | None = None, revision: str = LEGACY, **capabilities: Any) -> None:
        self.port, self.revision = port, revision
        self.ledger = ledger if ledger is not None else Ledger()
        self.headers: Headers = list(JSON)
        self.next_id = 0
        client = {"protocolVersion": revision, "capabilities": capabilities, "clientInfo": {"name": "plain", "version": "1"}}
        opened = self.begin("initialize", client)
        self.status, self.greeting = opened.status, opened.answer()
        self.identity = opened.head.get("mcp-session-id")
        if self.identity:
            self.headers += [("Mcp-Session-Id", self.identity), ("MCP-Protocol-Version", revision)]
            assert self.notify("notifications/initialized") == 202

    def exchange(self, verb: str, body: bytes = b"", *more: tuple[str, str]) -> Exchange:
        return Exchange(self.port, self.ledger, verb, [*self.headers, *more], body)

    def send(self, message: Message) -> Exchange:
        return self.exchange("POST", json.dumps({"jsonrpc": "2.0", **message}).encode())

    def begin(self, method: str, params: Message, identity: Any = None) -> Exchange:
        """Sends a request. Its exchange stays open."""
        self.next_id += 1
        return self.send({"id": self.next_id if identity is None else identity, "method": method, "params": params})

    def start(self, tool: str, *, token: Any = None, identity: Any = None, **arguments: Any) -> Exchange:
        """Starts a call."""
        meta = {} if token is None else {"_meta": {"progressToken": token}}
        return self.begin("tools/call", {"name": tool, "arguments": arguments, **meta}, identity)

    def call(self, tool: str, **arguments: Any) -> Message:
        return self.start(tool, **arguments).answer()

    def notify(self, method: str, **params: Any) -> int:
        return self.posted({"method": method, **({"params": params} if params else {})})

    def reply(self, request: Message, result: Message) -> int:
        return self.posted({"id": request["id"], "result": result})

    def posted(self, message: Message) -> int:
        sent = self.send(message)
        sent.finish()
        return sent.status

    def stream(self, after: str = "") -> Exchange:
        """The GET stream, or a resumed one."""
        return self.exchange("GET", b"", *([("Last-Event-ID", after)] if after else []))

    def delete(self) -> int:
        ended = self.exchange("DELETE")
        ended.finish()
        return ended.status


class Modern(Session):
    """A client of 2026-07-28, which has no session."""

    def __init__(self, port: int, ledger: Ledger | None = None, **capabilities: Any) -> None:
        self.port, self.revision = port, MODERN
        self.ledger = ledger if ledger is not None else Ledger()
        self.capabilities, self.next_id = capabilities, 0

    def begin(self, method: str, params: Message, identity: Any = None) -> Exchange:
        self.next_id += 1
        own = {
            f"{META}protocolVersion": MODERN,
            f"{META}clientInfo": {"name": "plain", "version": "1"},
            f"{META}clientCapabilities": self.capabilities,
        }
        params = {**params, "_meta": own | params.get("_meta", {})}
        name = params.get("name", params.get("uri"))
        self.headers = [*JSON, ("MCP-Protocol-Version", MODERN), ("Mcp-Method", method), *([("Mcp-Name", name)] if name else [])]
        return self.send({"id": self.next_id if identity is None else identity, "method": method, "params": params})


def broken(exchange: Exchange) -> bool:
    """Whether the response was cut, or none came."""
    try:
        exchange.finish()
    except (Truncated, OSError):
        return True
    return not exchange.connection.message or not exchange.connection.message.complete
