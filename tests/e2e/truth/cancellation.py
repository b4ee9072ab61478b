"""Scripts in which the client cancels an operation or closes its stream."""

from .session import Session
from .world import World


async def cancelled(world: World) -> None:
    """`notifications/cancelled` for an operation on an event stream: the operation is cancelled unless its response comes."""
    session = await Session.begin(world)
    operation = session.call()
    stream = await session.ask(operation)
    await stream.open()
    if world.odds(0.7):
        world.first_events([operation])
        await session.notify(stream)
        told = True
    else:
        told = False
    await session.cancel(operation)
    if world.odds(0.3):
        if not told:
            world.first_events([operation])
        await stream.send(world.words.event(world.answer(operation, alone=False)))
        await stream.end()
    else:
        world.account.ended(operation, "cancelled", answered=False)
        if told and world.odds(0.5):
            await session.notify(stream)
        await world.chance.choice((stream.end, stream.break_off, stream.leave))()
    await session.end()


async def cancelled_plain(world: World) -> None:
    """The cancellation passes before the response headers."""
    session = await Session.begin(world)
    operation = session.call()
    exchange = await session.ask(operation)
    await session.cancel(operation)
    if world.odds(0.4):
        await world.answer_here(exchange, operation)
    else:
        world.account.ended(operation, "cancelled", answered=False)
        how = world.chance.randrange(3)
        if how == 0:
            await exchange.answer(200, b"", world.chance.choice((None, "application/json")))
        elif how == 1:
            await exchange.break_off()
        else:
            await exchange.leave()
    await session.end()


async def cancelled_away(world: World) -> None:
    """The cancellation passes after the stream was closed and before it is resumed."""
    session = await Session.begin(world, "2025-11-25")
    operation = session.call()
    stream = await session.ask(operation)
    await stream.open()
    last = await session.prime(stream)
    await stream.end()
    await session.cancel(operation)
    if world.odds(0.4):
        resumed = await session.get(last)
        await resumed.send(world.words.event(world.answer(operation, alone=False), session.event_id()))
        await resumed.end()
    else:
        world.account.ended(operation, "cancelled", answered=False)
    await session.end()


async def left(world: World) -> None:
    """The client leaves a stream that cannot be resumed."""
    session = await Session.begin(world)
    operation = session.any()
    stream = await session.ask(operation)
    if world.odds(0.5):
        await stream.open()
    world.account.ended(operation, "cancelled", answered=False)
    await stream.leave()
    await session.end()
