"""Lists that change: a definition under a known name, a new name. What is only spelled otherwise, or is as it was before, has
not changed; what has had more than four definitions varies, which is told once."""

import json

from .operation import Operation
from .world import MODERN, World

METHOD = "resources/templates/list"
MOST_ADDED = 30
MOST_DEFINITIONS = 4
VERSIONS = 8


async def changing(world: World) -> None:
    """What a server publishes has an order in time, so only one of these scripts lists at once. All messages have one
    size, so that it does not matter which worker tells its gauges last."""
    async with world.link.turn:
        known = world.link.published
        if not known:
            known.update({name(number): 0 for number in range(5)})
        elif world.odds(0.6):
            # One at a time, so that some have more versions than are known.
            changed = next(iter(known))
            known[changed] = world.chance.randrange(VERSIONS)
            if change := drift(world.link.shown.setdefault(changed, [0]), known[changed]):
                world.account.list_changed(METHOD, change)
        elif world.odds(0.2) and world.link.added < MOST_ADDED:
            world.link.added += 1
            # One goes, which is no change of any that stay.
            del known[world.chance.choice(list(known))]
            known[name(4 + world.link.added)] = 0
            world.account.list_changed(METHOD, "added")
        operation = Operation(METHOD, world.chance.randrange(1000, 10000))
        exchange = await world.ask(operation, ("MCP-Protocol-Version", MODERN), ("Mcp-Method", METHOD))
        message = b'{"jsonrpc":"2.0","id":%d,"result":%s}' % (operation.id, spelled(world, known).encode())
        world.account.ended(operation, "ok")
        world.account.listed(METHOD, len(known), len(message))
        await exchange.answer(200, message)


def drift(shown: list[int], version: int) -> str:
    """What one more version of a definition is after those that were shown before."""
    if version in shown or len(shown) > MOST_DEFINITIONS:
        return ""
    shown.append(version)
    return "changed" if len(shown) <= MOST_DEFINITIONS else "varies"


def name(number: int) -> str:
    return f"template-{number:02}"


def spelled(world: World, known: dict[str, int]) -> str:
    templates = [
        {"name": name, "uriTemplate": name + "://{city}", "description": f"version {version:9}"}
        for name, version in known.items()
    ]
    world.chance.shuffle(templates)
    separators = world.chance.choice(((", ", ": "), (" ,", " :")))
    return json.dumps({"resourceTemplates": templates}, separators=separators)
