"""Scripts with server requests on the stream of a POST or on the GET stream. The client responds by a later POST."""

from .link import Exchange
from .session import Session
from .world import World

METHODS = ("sampling/createMessage", "elicitation/create", "roots/list", "ping")
ENDINGS = ("ok", "ok", "ok", "error", "cancelled", "lost")


async def ask_client(session: Session, stream: Exchange) -> tuple[str, int]:
    """Sends a server request. Both sides use the same small ids."""
    world = session.world
    method = world.chance.choice(METHODS)
    id = session.server_number()
    await stream.send(world.words.event(world.words.request(method, id, {"message": "?"})))
    return method, id


async def answer_server(session: Session, method: str, id: int, ending: str) -> None:
    """Sends the client's response by a POST."""
    world = session.world
    world.account.server_request(method, ending)
    body = world.words.result(id, {"isError": True}) if ending == "ok" else world.words.error(-32601, id=id)
    exchange = await session.post(body)
    await exchange.answer(202, b"", world.chance.choice((None, "application/json")))


async def settle(session: Session, stream: Exchange, method: str, id: int) -> str:
    """Ends the server request in one of the possible ways. A lost one ends with its stream or session."""
    world = session.world
    ending = world.chance.choice(ENDINGS)
    if ending in ("ok", "error"):
        await answer_server(session, method, id, ending)
        return ending
    world.account.server_request(method, ending)
    if ending == "cancelled":
        world.account.notification("notifications/cancelled", "out")
        await stream.send(world.words.event(world.words.notification("notifications/cancelled", {"requestId": id})))
    return ending


async def on_own_stream(world: World) -> None:
    """Server requests on the stream of a tool call. The duration of the call excludes the wait for the client. If the client
    does not respond, the wait is unknown, and the call has no duration."""
    session = await Session.begin(world)
    operation = session.call()
    stream = await session.ask(operation)
    await stream.open()
    world.first_events([operation])
    endings = [
        await settle(session, stream, *await ask_client(session, stream)) for _ in range(world.chance.randrange(1, 4))
    ]
    await stream.send(world.words.event(world.answer(operation, alone=False, timed="lost" not in endings)))
    await stream.end()
    await session.end()


async def two_at_once(world: World) -> None:
    """Two server requests are open on one stream; the responses come in any order."""
    session = await Session.begin(world)
    operation = session.call()
    stream = await session.ask(operation)
    await stream.open()
    world.first_events([operation])
    waiting = [await ask_client(session, stream), await ask_client(session, stream)]
    world.chance.shuffle(waiting)
    for method, id in waiting:
        await answer_server(session, method, id, world.chance.choice(("ok", "error")))
    await stream.send(world.words.event(world.ok(operation)))
    await stream.end()
    await session.end()


async def on_get_stream(world: World) -> None:
    """Server requests on the GET stream do not change the durations of operations."""
    session = await Session.begin(world)
    stream = await session.get()
    operation = session.any()
    exchange = await session.ask(operation)
    for _ in range(world.chance.randrange(1, 3)):
        await settle(session, stream, *await ask_client(session, stream))
    await world.answer_here(exchange, operation)
    await world.chance.choice((stream.end, stream.leave, stream.break_off))()
    await session.end()


async def answered_twice(world: World) -> None:
    """A second response to the same server request is a duplicate."""
    session = await Session.begin(world)
    stream = await session.get()
    method, id = await ask_client(session, stream)
    await answer_server(session, method, id, "ok")
    world.account.unmatched("duplicate")
    again = await session.post(world.words.result(id, {}))
    await again.answer(202, b"", None)
    await stream.end()
    await session.end()
