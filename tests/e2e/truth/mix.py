"""Runs many scripts at the same time, in an order that depends on a seed."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from . import cancellation, compressed, exchanges, legacy, modern, published, server_requests, session, tasks, tool_lists
from .link import Link
from .world import Script, World

AT_ONCE = 48

# The weights of the scripts of one exchange.
ALONE: dict[Script, int] = {
    exchanges.plain: 20,
    modern.modern: 20,
    exchanges.unanswered: 5,
    exchanges.breaks: 4,
    exchanges.notification: 4,
    exchanges.batch: 5,
    exchanges.documents: 1,
    exchanges.not_mcp: 3,
    exchanges.get_stream: 3,
    exchanges.initialize: 2,
    exchanges.probe: 1,
    exchanges.error_beside_a_result: 1,
    modern.asked_again: 2,
    modern.listen: 2,
    exchanges.lists: 5,
    compressed.answer: 4,
}
# The weights of the scripts of several exchanges.
TOGETHER: dict[Script, int] = {
    exchanges.foreign_result: 1,
    published.changing: 3,
    tool_lists.changing: 3,
    session.ordinary: 6,
    session.ended_twice: 1,
    session.deleted_at_once: 1,
    session.polled: 3,
    session.never_resumed: 1,
    session.replayed: 2,
    session.pending: 1,
    cancellation.cancelled: 2,
    cancellation.cancelled_plain: 2,
    cancellation.cancelled_away: 1,
    cancellation.left: 1,
    session.unmatched: 2,
    server_requests.on_own_stream: 3,
    server_requests.two_at_once: 1,
    server_requests.on_get_stream: 2,
    server_requests.answered_twice: 1,
    legacy.ordinary: 4,
    legacy.out_of_order: 2,
    legacy.left_open: 2,
    legacy.cancelled: 1,
    legacy.server_asks: 2,
    legacy.tool_asks: 1,
    legacy.refused: 1,
    legacy.unmatched: 1,
    tasks.polled: 1,
    tasks.fetched: 1,
    tasks.told: 1,
    tasks.of_another: 1,
    tasks.extension: 2,
}


def name(script: Script) -> str:
    return f"{script.__module__.rpartition('.')[2]}.{script.__name__}"


async def play(
    link: Link, scripts: dict[Script, int], wanted: int, seed: str, at: dict[int, Callable[[], Awaitable[None]]]
) -> None:
    """Runs scripts until `wanted` exchanges were made. `at` has functions that run when this number of exchanges was made."""
    order = random.Random(seed)
    kinds, weights = list(scripts), list(scripts.values())
    events = sorted(at.items())
    numbers = iter(range(1 << 62))

    async def worker() -> None:
        while link.exchanges < wanted:
            number = next(numbers)
            script = order.choices(kinds, weights)[0]
            if events and link.exchanges >= events[0][0]:
                await events.pop(0)[1]()
            await one(script, link, f"{seed} {number}")

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


async def one(script: Script, link: Link, seed: str) -> None:
    try:
        await script(World(link, seed))
    except Exception as error:
        raise AssertionError(f"{name(script)} of seed {seed!r}") from error


def rate(link: Link, begun: float) -> str:
    seconds = time.monotonic() - begun
    return f"{link.exchanges} exchanges in {seconds:.0f} s, {link.exchanges / seconds:.0f} a second"
