"""Responses in gzip and deflate: as one body, and as an event stream that is flushed after each event."""

import gzip
import zlib

from .link import Exchange
from .operation import Operation, any_of
from .world import World


async def answer(world: World) -> None:
    operation = any_of(world.chance, world.words.id())
    exchange = await world.ask(operation, ("Accept-Encoding", "gzip, deflate"))
    message = world.answer(operation)
    coding = world.chance.choice(("gzip", "deflate"))
    if world.odds(0.5):
        body = gzip.compress(message) if coding == "gzip" else zlib.compress(message)
        await exchange.answer(200, body, headers=[("Content-Encoding", coding)])
    else:
        await stream(world, exchange, operation, message, coding)


async def stream(world: World, exchange: Exchange, operation: Operation, message: bytes, coding: str) -> None:
    packer = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    await exchange.open(headers=[("Content-Encoding", coding), ("Vary", "Accept-Encoding")])
    world.first_events([operation])
    for _ in range(world.chance.randrange(3)):
        world.account.notification("notifications/progress", "out")
        event = world.words.event(world.words.notification("notifications/progress", {}))
        await exchange.send(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH))
    await exchange.send(packer.compress(world.words.event(message)) + packer.flush(zlib.Z_FINISH))
    await exchange.end()
