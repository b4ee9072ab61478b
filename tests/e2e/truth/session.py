"""Scripts of a session of Streamable HTTP: its start, its operations and their streams, and its end."""

from .link import Exchange
from .operation import UNKNOWN, Operation, any_of, call, client_info
from .words import NOTIFICATIONS_OUT
from .world import World

VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")


class Session:
    """Client and server number their requests from 0. Event ids are unique in the session."""

    def __init__(self, world: World, version: str) -> None:
        self.world, self.version = world, version
        self.id = "-".join(f"{world.chance.getrandbits(32):x}" for _ in range(4))
        self.client_info, self.client = client_info(world.chance)
        self.asked = self.server_asked = self.events = 0

    @classmethod
    async def begin(cls, world: World, version: str = "", named: bool = True) -> "Session":
        """Begins a session. Its client has no name if `named` is false."""
        session = cls(world, version or world.chance.choice(VERSIONS))
        if not named:
            session.client_info, session.client = {}, UNKNOWN
        operation, exchange = await session.initialize()
        answer = session.begun(operation)
        if world.odds(0.5):
            await world.json(exchange, answer, session.named())
        else:
            await world.stream(exchange, [answer], [operation], session.named())
        await session.tell("notifications/initialized", None)
        return session

    async def initialize(self) -> tuple[Operation, Exchange]:
        params = {"protocolVersion": self.version, "capabilities": {}, "clientInfo": self.client_info}
        operation = Operation("initialize", self.number(), params, client=self.client)
        return operation, await self.world.ask(operation)

    def named(self) -> tuple[str, str]:
        return self.world.chance.choice(("Mcp-Session-Id", "MCP-Session-Id", "mcp-session-id")), self.id

    def begun(self, operation: Operation) -> bytes:
        self.world.account.ended(operation, "ok")
        self.world.account.session_began(self.version, self.client)
        return self.world.words.result(operation.id, {"protocolVersion": self.version, "capabilities": {}})

    async def end(self) -> None:
        """Ends the session by DELETE. Everything that is still open ends with it."""
        exchange = await self.world.link.begin("DELETE", "/mcp", self.headers)
        self.world.account.session_ended()
        await exchange.answer(self.world.chance.choice((200, 202, 204)), b"", None)

    async def expire(self) -> None:
        """Ends the session by a 404 to a GET or to an operation."""
        if self.world.odds(0.3):
            exchange = await self.world.get(*self.headers)
            self.world.account.session_ended()
            await exchange.answer(404, b"Not Found: Session not found", None)
            return
        operation = self.any()
        exchange = await self.ask(operation)
        self.world.account.session_ended()
        if self.world.odds(0.5):
            self.world.account.ended(operation, "error", "http_error", answered=False)
            await exchange.answer(404, b"Not Found: Session not found", None)
        else:
            self.world.account.refused(operation, -32001)
            await exchange.answer(404, self.world.words.error(-32001, id=None))

    # Messages of the session

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("Mcp-Session-Id", self.id), ("MCP-Protocol-Version", self.version)]

    def number(self) -> int:
        self.asked += 1
        return self.asked - 1

    def server_number(self) -> int:
        self.server_asked += 1
        return self.server_asked - 1

    def event_id(self) -> str:
        self.events += 1
        return f"{self.id}::{self.events}"

    def any(self) -> Operation:
        return any_of(self.world.chance, self.number())

    def call(self) -> Operation:
        return call(self.world.chance, self.number())

    async def ask(self, operation: Operation) -> Exchange:
        operation.client = self.client
        return await self.world.ask(operation, *self.headers)

    async def post(self, body: bytes) -> Exchange:
        return await self.world.post(body, *self.headers)

    async def tell(self, method: str, params: dict | None) -> None:
        await self.world.tell(method, params, *self.headers)

    async def cancel(self, operation: Operation) -> None:
        await self.tell("notifications/cancelled", {"requestId": operation.id, "reason": "stop"})

    async def get(self, last_event: str | None = None) -> Exchange:
        resumed = [("Last-Event-ID", last_event)] if last_event else []
        exchange = await self.world.get(*self.headers, *resumed)
        await exchange.open()
        return exchange

    # Events

    async def notify(self, stream: Exchange, id: str | None = None) -> bytes:
        """Sends one notification of the server; returns the event, so that it can be replayed."""
        method = self.world.chance.choice(NOTIFICATIONS_OUT)
        self.world.account.notification(method, "out")
        event = self.world.words.event(self.world.words.notification(method, {"progress": 1}), id)
        await stream.send(event)
        return event

    async def prime(self, stream: Exchange) -> str:
        """Sends a priming event: an id without data, from which the stream can be resumed."""
        id = self.event_id()
        await stream.send(self.world.words.event(b"", id, None, retry=500))
        return id


async def ordinary(world: World) -> None:
    """A session as clients of SDKs make it: some operations, perhaps a GET stream, an end."""
    session = await Session.begin(world)
    stream = await session.get() if world.odds(0.4) else None
    for _ in range(world.chance.randrange(5)):
        operation = session.any()
        await world.answer_here(await session.ask(operation), operation)
        if stream and world.odds(0.3):
            await session.notify(stream)
    if stream and world.odds(0.5):
        await stream.end()
        stream = None
    await (session.end if world.odds(0.8) else session.expire)()
    if stream:
        await world.chance.choice((stream.end, stream.leave))()


async def ended_twice(world: World) -> None:
    """A session ends once, even if further requests get a 404. A refused DELETE does not end it. The name of the client is known
    to some workers after the end, so it has none here."""
    session = await Session.begin(world, named=False)
    refused = await world.link.begin("DELETE", "/mcp", session.headers)
    await refused.answer(405, b"no", "text/plain")
    await session.end()
    again = await world.link.begin("DELETE", "/mcp", session.headers)
    await again.answer(404, b"no", "text/plain")
    late = session.any()
    exchange = await session.ask(late)
    world.account.ended(late, "error", "http_error", answered=False)
    await exchange.answer(404, b"Session not found", None)


async def deleted_at_once(world: World) -> None:
    """The client gets the session's id from the headers, and sends DELETE before the response to `initialize` has passed."""
    session = Session(world, world.chance.choice(VERSIONS))
    operation, exchange = await session.initialize()
    await exchange.open(headers=[session.named()])
    await session.end()
    world.first_events([operation])
    await exchange.send(world.words.event(session.begun(operation)))
    await exchange.end()


# === responses on another stream ===


async def polled(world: World) -> None:
    """The stream is closed after a priming event. The response comes on a GET that resumes it, perhaps the second one."""
    session = await Session.begin(world, "2025-11-25")
    operation = session.any()
    stream = await session.ask(operation)
    await stream.open()
    last = await session.prime(stream)
    if world.odds(0.4):
        world.first_events([operation])
        last = session.event_id()
        await session.notify(stream, last)
    await world.chance.choice((stream.end, stream.end, stream.break_off, stream.leave))()
    if world.odds(0.3):
        empty = await session.get(last)
        last = await session.prime(empty)
        await empty.end()
    resumed = await session.get(last)
    if world.odds(0.5):
        await session.notify(resumed, session.event_id())
    await resumed.send(world.words.event(world.answer(operation, alone=False), session.event_id()))
    await world.chance.choice((resumed.end, resumed.leave))()
    await session.end()


async def never_resumed(world: World) -> None:
    """A stream with event ids breaks and is not resumed. The operation ends with the session."""
    session = await Session.begin(world, "2025-11-25")
    operation = session.any()
    stream = await session.ask(operation)
    await stream.open()
    await session.prime(stream)
    await (stream.end if world.odds(0.5) else stream.break_off)()
    world.account.ended(operation, "error", "no_response", answered=False, timed=False)
    await session.end()


async def replayed(world: World) -> None:
    """A resumed stream repeats events of this and of another stream, and has new ones."""
    session = await Session.begin(world, "2025-11-25")
    first, second = session.any(), session.any()
    one = await session.ask(first)
    await one.open()
    primed = await session.prime(one)
    world.first_events([first])
    noted = await session.notify(one, session.event_id())
    answered = world.words.event(world.answer(first, alone=False), session.event_id())
    await one.send(answered)
    await one.end()
    other = await session.ask(second)
    await other.open()
    await session.prime(other)
    await world.chance.choice((other.end, other.break_off))()
    answer = world.words.event(world.answer(second, alone=False), session.event_id())
    for _ in range(world.chance.randrange(1, 3)):
        resumed = await session.get(primed)
        await resumed.send(world.words.event(b"{}", primed))
        for event in (noted, answered, answer):
            await resumed.send(event)
        await resumed.end()
    await session.end()


async def pending(world: World) -> None:
    """A request with the HTTP response 202: its response comes on the session's GET stream, or does not come."""
    session = await Session.begin(world)
    stream = await session.get() if world.odds(0.5) else None
    operation = session.any()
    exchange = await session.ask(operation)
    await exchange.answer(202, b"", None)
    if world.odds(0.6):
        stream = stream or await session.get()
        await stream.send(world.words.event(world.answer(operation, alone=False)))
    else:
        world.account.ended(operation, "error", "no_response", answered=False, timed=False)
    if stream:
        await stream.end()
    await session.end()


async def unmatched(world: World) -> None:
    """Results without a request, and results that come twice. The open operation is not affected."""
    session = await Session.begin(world)
    operation = session.any()
    exchange = await session.ask(operation)
    await exchange.open()
    world.first_events([operation])
    if world.odds(0.6):
        world.account.unmatched("unknown_id")
        strange = world.chance.choice((f"0{operation.id}", 10**9, "never asked"))
        await exchange.send(world.words.event(world.words.result(strange, {})))
    answer = world.ok(operation)
    await exchange.send(world.words.event(answer))
    if world.odds(0.6):
        world.account.unmatched("duplicate")
        await exchange.send(world.words.event(answer))
    await exchange.end()
    if world.odds(0.5):
        # Without a GET of the session, the server request may have passed another process.
        if world.odds(0.5):
            await (await session.get()).end()
            world.account.unmatched("unknown_id")
        stray = await session.post(world.words.result(10**6, {}))
        await stray.answer(202, b"", None)
    await session.end()
