"""Plays many scripts at once, in an order that a seed decides."""

import asyncio
import random
import time
from collections.abc import Callable

from . import exchanges
from .link import Link
from .world import Script, World

AT_ONCE = 48

# How often each kind of traffic is played, relative to the others.
ALONE: dict[Script, int] = {
    exchanges.plain: 20,
    exchanges.modern: 20,
    exchanges.unanswered: 5,
    exchanges.breaks: 4,
    exchanges.notification: 4,
    exchanges.batch: 5,
    exchanges.documents: 1,
    exchanges.not_mcp: 3,
    exchanges.get_stream: 3,
    exchanges.initialize: 2,
    exchanges.asked_again: 2,
    exchanges.listen: 2,
    exchanges.lists: 5,
}


async def play(link: Link, scripts: dict[Script, int], wanted: int, seed: str, at: dict[int, Callable] = {}) -> None:
    """Plays until `wanted` more exchanges are made. `at` holds what happens meanwhile, by the number of exchanges made."""
    order = random.Random(seed)
    kinds, weights = list(scripts), list(scripts.values())
    end = link.exchanges + wanted
    events = sorted((link.exchanges + number, event) for number, event in at.items())
    numbers = iter(range(1 << 62))

    async def worker() -> None:
        while link.exchanges < end:
            number = next(numbers)
            script = order.choices(kinds, weights)[0]
            if events and link.exchanges >= events[0][0]:
                await asyncio.to_thread(events.pop(0)[1])
            try:
                await script(World(link, f"{seed} {number}"))
            except Exception as error:
                raise AssertionError(f"{script.__name__}, script {number} of seed {seed!r}") from error

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


def rate(link: Link, begun: float) -> str:
    seconds = time.monotonic() - begun
    return f"{link.exchanges} exchanges in {seconds:.0f} s, {link.exchanges / seconds:.0f} a second"
