"""Lists of tools that change, and calls of tools that are listed or not.

The tools of the other scripts are in every list. A tool has one definition, but with white space that changes its size.
"""

import json

from .operation import TOOLS, Operation, call
from .world import World

METHOD = "tools/list"
VERSION = ("MCP-Protocol-Version", "2025-11-25")
# Labels are cut to this, so these two names have one label. Only the first one is listed.
LONG = "long-" + "x" * 123
LISTED, INVENTED = LONG + "-listed", (LONG + "-invented", "invented-1", "invented-2")
MOST_EXTRA = 30


async def changing(world: World) -> None:
    """Changes the list, requests it in one or two pages, and calls a tool. The order of the lists matters, so only one of these
    scripts runs at a time."""
    async with world.link.turn:
        tools = world.link.tools
        if not tools:
            tools += [*TOOLS, LISTED]
        elif world.odds(0.3) and world.link.extra < MOST_EXTRA:
            # The extra tool before this one disappears. It is still in one of the last four lists.
            tools[len(TOOLS) + 1 :] = [f"extra-{world.link.extra}"]
            world.link.extra += 1
            world.account.list_changed(METHOD, "added")
        await listed(world, list(tools))
        await called(world, world.chance.choice((*tools, *INVENTED)))


async def listed(world: World, tools: list[str]) -> None:
    world.chance.shuffle(tools)
    texts = {name: definition(world, name) for name in tools}
    cut = world.chance.randrange(len(tools)) if world.odds(0.4) else 0
    pages = [tools[:cut], tools[cut:]] if cut else [tools]
    for number, names in enumerate(pages):
        operation = Operation(METHOD, world.words.id(), {"cursor": "2"} if number else {})
        exchange = await world.ask(operation, VERSION)
        message = page(operation.id, [texts[name] for name in names], has_next=number + 1 < len(pages))
        world.account.ended(operation, "ok")
        if number == 0:
            world.account.listed(METHOD, len(names), len(message))
        await exchange.answer(200, message)
    for name in world.link.defined - set(tools):
        world.account.defined(name, 0)
    for name, text in texts.items():
        world.account.defined(label(name), len(text.encode()))
    world.link.defined = set(tools)


async def called(world: World, name: str) -> None:
    operation = call(world.chance, world.words.id())
    operation.params["name"], operation.name = name, label(name)
    if name in INVENTED:
        world.account.unlisted()
    exchange = await world.ask(operation, VERSION)
    await world.answer_here(exchange, operation)


def label(name: str) -> str:
    return name[: len(LONG)]


def definition(world: World, name: str) -> str:
    separators = world.chance.choice(((",", ":"), (", ", ": "), (" ,\n", " :  ")))
    return json.dumps({"name": name, "inputSchema": {"type": "object"}}, separators=separators, ensure_ascii=False)


def page(id: object, tools: list[str], has_next: bool) -> bytes:
    next_cursor = ',"nextCursor":"2"' if has_next else ""
    return f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"result":{{"tools":[{", ".join(tools)}]{next_cursor}}}}}'.encode()
