"""Lists that change: a new definition under a known name, and a new name.

A definition in another spelling, or one that was listed before, is not a change. An item with more than four definitions varies,
which counts once.
"""

import json

from .operation import Operation
from .world import MODERN, World

METHOD = "resources/templates/list"
MOST_ADDED = 30
MOST_DEFINITIONS = 4
VERSIONS = 8


async def changing(world: World) -> None:
    """Changes the list and requests it. The order of the lists matters, so only one of these scripts runs at a time. All lists
    have the same size, so it does not matter which worker sets the gauges last."""
    async with world.link.turn:
        known = world.link.published
        if not known:
            known.update({name(number): 0 for number in range(5)})
        elif world.odds(0.6):
            # Only the first item, so that it gets more versions than are kept.
            changed = next(iter(known))
            known[changed] = world.chance.randrange(VERSIONS)
            if change := drift(world.link.shown.setdefault(changed, [0]), known[changed]):
                world.account.list_changed(METHOD, change)
        elif world.odds(0.2) and world.link.added < MOST_ADDED:
            world.link.added += 1
            # One item disappears, which is not a change.
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
    """The change that this version makes, given the versions listed before; empty if it is none."""
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
