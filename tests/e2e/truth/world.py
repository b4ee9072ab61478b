"""The context of a script, and the ways to send the response to an operation on its own exchange."""

import random
from collections.abc import Callable, Coroutine
from typing import Any

from .account import Account
from .link import Exchange, Headers, Link
from .operation import Operation, good_result
from .words import NOTIFICATIONS_OUT, Words

ACCEPT = ("Accept", "application/json, text/event-stream")
JSON = ("Content-Type", "application/json")
MODERN = "2026-07-28"
HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
CODES = (-32700, -32600, -32601, -32602, -32002, -32603, -32000, -32001, -32022, -32042, 0, 42)
EVENT_STREAMS = ("text/event-stream", "text/event-stream; charset=utf-8")
Script = Callable[["World"], Coroutine[Any, Any, None]]


class World:
    """The shared link and account, and the script's own random generator."""

    def __init__(self, link: Link, seed: str) -> None:
        self.link = link
        self.account: Account = link.account
        self.chance = random.Random(seed)
        self.words = Words(self.chance)

    def odds(self, probability: float) -> bool:
        return self.chance.random() < probability

    async def post(self, body: bytes, *headers: tuple[str, str], target: str = "/mcp", counted: bool = True) -> Exchange:
        return await self.link.begin("POST", target, [JSON, ACCEPT, *headers], body, counted)

    async def get(self, *headers: tuple[str, str], target: str = "/mcp") -> Exchange:
        return await self.link.begin("GET", target, [("Accept", "text/event-stream"), *headers])

    async def ask(self, operation: Operation, *headers: tuple[str, str], target: str = "/mcp") -> Exchange:
        return await self.post(self.request(operation), *headers, target=target)

    def request(self, operation: Operation) -> bytes:
        text = self.words.request(operation.method, operation.id, operation.params)
        operation.size = len(text)
        return text

    # Answers

    def answer(self, operation: Operation, alone: bool = True, timed: bool = True) -> bytes:
        """Returns a response to the operation, and counts its end. `alone`: it is the only open operation of the exchange.
        `timed`: its duration is known."""
        chance = self.chance.random()
        if chance < 0.70:
            self.account.ended(operation, "ok", timed=timed)
            return self.words.result(operation.id, good_result(self.chance, operation))
        if chance < 0.82 and operation.method == "tools/call":
            self.account.ended(operation, "error", "tool_error", timed=timed)
            return self.words.result(operation.id, {"content": [], "isError": True})
        if chance < 0.86 and operation.method in ("tools/call", "prompts/get", "resources/read"):
            self.account.ended(operation, "input_required", timed=timed)
            return self.words.result(operation.id, {"resultType": "input_required", "requestState": "s"})
        code = self.chance.choice(CODES)
        self.account.refused(operation, code, timed)
        id = {"id": self.words.echoed(operation.id)}
        if alone:
            id = self.chance.choice((id, id, {"id": None}, {}, {"id": "server-error"}))
        return self.words.error(code, **id)

    def ok(self, operation: Operation) -> bytes:
        self.account.ended(operation, "ok")
        return self.words.result(operation.id, good_result(self.chance, operation))

    async def answer_here(self, exchange: Exchange, operation: Operation, *headers: tuple[str, str]) -> None:
        """Sends the response on the operation's own exchange, as JSON or as events."""
        message = self.answer(operation)
        if self.odds(0.5):
            await self.json(exchange, message, *headers)
        else:
            await self.stream(exchange, [message], [operation], *headers)

    async def json(self, exchange: Exchange, body: bytes, *headers: tuple[str, str]) -> None:
        status = self.chance.choice((200, 200, 400, 404, 500)) if b'"refused"' in body else 200
        if self.odds(0.7):
            await exchange.answer(status, body, headers=headers)
        else:
            await exchange.open("application/json; charset=utf-8", headers, status)
            await exchange.send(body)
            await exchange.end()

    async def stream(
        self, exchange: Exchange, messages: list[bytes], operations: list[Operation], *headers: tuple[str, str]
    ) -> None:
        """Sends an event stream: notifications, these messages, and the end."""
        await exchange.open(self.chance.choice(EVENT_STREAMS), headers)
        if self.odds(0.2):
            await exchange.send(self.chance.choice((b": hello\n\n", b"\xef\xbb\xbf", b":\r\n")))
        self.first_events(operations)
        await self.notify(exchange)
        for message in messages:
            await exchange.send(self.words.event(message))
        await exchange.end()

    def first_events(self, operations: list[Operation]) -> None:
        for operation in operations:
            if operation.method != "subscriptions/listen":
                self.account.first_event(operation.label)

    async def notify(self, exchange: Exchange, most: int = 3) -> None:
        """Sends some notifications of the server on an open stream."""
        for _ in range(self.chance.randrange(most + 1)):
            method = self.chance.choice(NOTIFICATIONS_OUT)
            self.account.notification(method, "out")
            await exchange.send(self.words.event(self.words.notification(method, {"progress": 1.0})))

    async def tell(self, method: str, params: dict | None, *headers: tuple[str, str], target: str = "/mcp") -> None:
        """Sends a notification of the client."""
        self.account.notification(method, "in")
        exchange = await self.post(self.words.notification(method, params), *headers, target=target)
        await exchange.answer(202, b"", None)


def version_header(version: str) -> Headers:
    return [("MCP-Protocol-Version", version)]
