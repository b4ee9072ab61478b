"""Scripts that begin under one plugin and end under another. The new plugin must know what the old one left open."""

from .legacy import Legacy, accept
from .operation import any_of
from .server_requests import answer_server, ask_client
from .session import Session
from .tasks import ask_about, start, state
from .world import World


async def legacy(world: World) -> None:
    """The GET stream and an operation stay open. The POSTs after the change pass another plugin."""
    legacy = await Legacy.begin(world)
    operation = legacy.call()
    post = await legacy.ask(operation)
    await accept(post)
    method, id = await legacy.ask_client()
    await world.link.replacement()
    await legacy.answer_server(method, id)
    await legacy.send(world.answer(operation, alone=False, timed=False))
    await legacy.operation()
    await legacy.end()


async def polled(world: World) -> None:
    """The response comes on a resumed stream, under another plugin."""
    session = await Session.begin(world, "2025-11-25")
    operation = session.any()
    stream = await session.ask(operation)
    await stream.open()
    last = await session.prime(stream)
    await stream.end()
    await world.link.replacement()
    resumed = await session.get(last)
    await resumed.send(world.words.event(world.answer(operation, alone=False), session.event_id()))
    await resumed.end()
    await session.end()


async def asked(world: World) -> None:
    """The server request passes one plugin, the client's response another."""
    session = await Session.begin(world)
    stream = await session.get()
    method, id = await ask_client(session, stream)
    await world.link.replacement()
    await answer_server(session, method, id, "ok")
    await stream.end()
    await session.end()


async def task(world: World) -> None:
    session = await Session.begin(world, "2025-11-25")
    operation, id = await start(session)
    await world.link.replacement()
    world.account.task(operation.name, "completed")
    await ask_about(session, "tasks/get", id, state(id, "completed"))
    await session.end()


async def open_stream(world: World) -> None:
    """One exchange, which stays with the plugin under which it began."""
    operation = any_of(world.chance, world.words.id())
    exchange = await world.ask(operation)
    await exchange.open()
    world.first_events([operation])
    await world.notify(exchange)
    await world.link.replacement()
    await exchange.send(world.words.event(world.answer(operation)))
    await exchange.end()


async def cancelled(world: World) -> None:
    """The operation is open under the plugin that is replaced; the cancellation passes the new one."""
    session = await Session.begin(world)
    operation = session.call()
    exchange = await session.ask(operation)
    await exchange.open()
    await world.link.replacement()
    await session.cancel(operation)
    world.account.ended(operation, "cancelled", answered=False)
    await exchange.end()
    await session.end()


ALL = (legacy, polled, asked, task, open_stream, cancelled)
EACH = 4
PARKED = EACH * len(ALL)
