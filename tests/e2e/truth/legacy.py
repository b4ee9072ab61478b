"""HTTP+SSE of 2024-11-05: POSTs with the HTTP response 202, and all messages of the server on one GET stream."""

from dataclasses import replace

from .link import Exchange
from .operation import Operation, any_of, call, client_info
from .server_requests import METHODS
from .words import NOTIFICATIONS_OUT
from .world import HANDSHAKE_VERSIONS, World

# The path of the stream, and the address in its `endpoint` event.
SPELLINGS = (
    ("/sse", "/message?sessionId={}"),
    ("/sse", "http://truth.example/api/messages?sessionId={}"),
    ("/api/sse", "/messages/?session_id={}"),
    ("/both", "/both?sessionid={}"),
    ("/api/sse", "message?lang=en&sessionId={}"),
)


class Legacy:
    """A session. Client and server number their requests from 0."""

    def __init__(self, world: World, stream: Exchange, target: str) -> None:
        self.world, self.stream, self.target = world, stream, target
        self.client_info, self.client = client_info(world.chance)
        self.asked = self.server_asked = 0
        self.versions: list[tuple[str, str]] = []

    @classmethod
    async def begin(cls, world: World) -> "Legacy":
        path, spelling = world.chance.choice(SPELLINGS)
        target = spelling.format(f"{world.chance.getrandbits(128):032x}")
        stream = await world.get(target=path)
        await stream.open(world.chance.choice(("text/event-stream", "text/event-stream; charset=utf-8")))
        await stream.send(world.words.event(target.encode(), name="endpoint"))
        legacy = cls(world, stream, resolved(path, target))
        await legacy.initialize()
        return legacy

    async def initialize(self) -> None:
        world = self.world
        version = world.chance.choice(HANDSHAKE_VERSIONS)
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": self.client_info}
        operation = Operation("initialize", self.number(), params, client=self.client)
        world.account.ended(operation, "ok")
        world.account.session_began(version, self.client, "http_sse")
        await self.exchange(operation, world.words.result(operation.id, {"protocolVersion": version}))
        if version > "2025-06":
            self.versions = [("MCP-Protocol-Version", version)]
        await world.tell("notifications/initialized", None, *self.versions, target=self.target)

    def number(self) -> int:
        self.asked += 1
        return self.asked - 1

    async def post(self, body: bytes) -> Exchange:
        return await self.world.post(body, *self.versions, target=self.target)

    def any(self) -> Operation:
        return replace(any_of(self.world.chance, self.number()), client=self.client)

    def call(self) -> Operation:
        return replace(call(self.world.chance, self.number()), client=self.client)

    async def ask(self, operation: Operation) -> Exchange:
        return await self.world.ask(operation, *self.versions, target=self.target)

    async def send(self, message: bytes) -> None:
        await self.stream.send(self.world.words.event(message))

    async def exchange(self, operation: Operation, answer: bytes) -> None:
        """The response comes before or after the 202."""
        post = await self.ask(operation)
        if self.world.odds(0.5):
            await accept(post)
            await self.send(answer)
        else:
            await self.send(answer)
            await accept(post)

    async def operation(self) -> None:
        operation = self.any()
        await self.exchange(operation, self.world.answer(operation, alone=False))

    async def notify(self) -> None:
        method = self.world.chance.choice(NOTIFICATIONS_OUT)
        self.world.account.notification(method, "out")
        await self.send(self.world.words.notification(method, {}))

    async def ask_client(self) -> tuple[str, int]:
        method = self.world.chance.choice(METHODS)
        self.server_asked += 1
        await self.send(self.world.words.request(method, self.server_asked - 1, {}))
        return method, self.server_asked - 1

    async def answer_server(self, method: str, id: int) -> None:
        ending = self.world.chance.choice(("ok", "ok", "error"))
        self.world.account.server_request(method, ending)
        words = self.world.words
        await accept(await self.post(words.result(id, {}) if ending == "ok" else words.error(-1, id=id)))

    async def end(self) -> None:
        """Ends the session with its stream: normally, by the server, or by the client."""
        self.world.account.session_ended("http_sse")
        await self.world.chance.choice((self.stream.end, self.stream.break_off, self.stream.leave))()


async def accept(post: Exchange) -> None:
    await post.answer(202, *post.link.random.choice(((b"Accepted", "text/plain"), (b"Accepted", None), (b"", None))))


def resolved(path: str, target: str) -> str:
    """The path of the endpoint, resolved against the path of the stream."""
    if target.startswith("http"):
        return "/" + target.split("/", 3)[3]
    return target if target.startswith("/") else path.rsplit("/", 1)[0] + "/" + target


async def ordinary(world: World) -> None:
    legacy = await Legacy.begin(world)
    for _ in range(world.chance.randrange(5)):
        await legacy.operation()
        if world.odds(0.3):
            await legacy.notify()
    await legacy.end()


async def out_of_order(world: World) -> None:
    """Several operations are open at once, and their responses come in another order."""
    legacy = await Legacy.begin(world)
    operations = [legacy.any() for _ in range(world.chance.randrange(2, 5))]
    posts = [await legacy.ask(operation) for operation in operations]
    early = [post for post in posts if world.odds(0.5)]
    for post in early:
        await accept(post)
    world.chance.shuffle(operations)
    for operation in operations:
        await legacy.send(world.answer(operation, alone=False))
    for post in posts:
        if post not in early:
            await accept(post)
    await legacy.end()


async def left_open(world: World) -> None:
    """The stream ends while an operation, and perhaps a server request, is open.

    An operation that ends as `no_response` has no duration. With a server request no duration is known, because the stream does
    not show to which operation the server request belongs.
    """
    legacy = await Legacy.begin(world)
    operation = legacy.any()
    await accept(await legacy.ask(operation))
    asked = world.odds(0.5)
    if asked:
        method, _ = await legacy.ask_client()
        world.account.server_request(method, "lost")
    world.account.session_ended("http_sse")
    how, outcome = world.chance.choice(
        (
            (legacy.stream.end, ("error", "no_response")),
            (legacy.stream.break_off, ("error", "reset")),
            (legacy.stream.leave, ("cancelled", "")),
        )
    )
    timed = not asked and outcome[1] != "no_response"
    world.account.ended(operation, *outcome, answered=False, timed=timed)
    await how()


async def cancelled(world: World) -> None:
    """The client cancels. The response still comes, or does not come."""
    legacy = await Legacy.begin(world)
    operation = legacy.call()
    await accept(await legacy.ask(operation))
    await world.tell("notifications/cancelled", {"requestId": operation.id}, *legacy.versions, target=legacy.target)
    if world.odds(0.4):
        await legacy.send(world.answer(operation, alone=False))
    else:
        world.account.ended(operation, "cancelled", answered=False)
    await legacy.end()


async def server_asks(world: World) -> None:
    """Server requests while no operation is open."""
    legacy = await Legacy.begin(world)
    await legacy.operation()
    waiting = [await legacy.ask_client() for _ in range(world.chance.randrange(1, 3))]
    world.chance.shuffle(waiting)
    for method, id in waiting:
        await legacy.answer_server(method, id)
    await legacy.end()


async def tool_asks(world: World) -> None:
    """A server request while an operation is open. The operation has no duration: the request may belong to any operation."""
    legacy = await Legacy.begin(world)
    operation = legacy.call()
    await accept(await legacy.ask(operation))
    await legacy.answer_server(*await legacy.ask_client())
    await legacy.send(world.answer(operation, alone=False, timed=False))
    await legacy.end()


async def refused(world: World) -> None:
    """A POST to a session that does not exist, or that the server refuses."""
    operation = any_of(world.chance, world.words.id())
    spelling = world.chance.choice(("sessionId", "session_id", "sessionid"))
    exchange = await world.ask(operation, target=f"/message?{spelling}={world.chance.getrandbits(64):x}")
    world.account.ended(operation, "error", "http_error", answered=False)
    await exchange.answer(world.chance.choice((400, 404, 500)), b"Could not find session", "text/plain")


async def unmatched(world: World) -> None:
    """A response without a request, and a response that comes twice."""
    legacy = await Legacy.begin(world)
    world.account.unmatched("unknown_id")
    await legacy.send(world.words.result(10**6, {}))
    operation = legacy.any()
    answer = world.ok(operation)
    await legacy.exchange(operation, answer)
    world.account.unmatched("duplicate")
    await legacy.send(answer)
    await legacy.end()
