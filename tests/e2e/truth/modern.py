"""Scripts of 2026-07-28: headers that repeat the body, `input_required`, subscriptions."""

import base64

from .operation import Operation, any_of, call, client_info
from .world import MODERN, World

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"


async def modern(world: World) -> None:
    """The headers repeat the body, or contradict it and the server refuses the request."""
    operation = any_of(world.chance, world.words.id())
    if operation.method == "ping":
        operation.method = "server/discover"
    operation.params["_meta"] = {VERSION_KEY: MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    if world.odds(0.8):
        operation.params["_meta"][CLIENT_KEY], operation.client = client_info(world.chance)
    headers = mirror(operation)
    if world.odds(0.15):
        await refused_mirror(world, operation, headers)
        return
    if world.odds(0.1):
        # A missing header is not a mismatch.
        del headers["Mcp-Method"]
    exchange = await world.ask(operation, *headers.items())
    await world.answer_here(exchange, operation)


def mirror(operation: Operation) -> dict[str, str]:
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": operation.method}
    name = operation.params.get("name", operation.params.get("uri"))
    if name is not None:
        plain = name.isascii() and name.isprintable()
        headers["Mcp-Name"] = name if plain else f"=?base64?{base64.b64encode(name.encode()).decode()}?="
    return headers


async def refused_mirror(world: World, operation: Operation, headers: dict[str, str]) -> None:
    lie = world.chance.choice(list(headers))
    if lie == "MCP-Protocol-Version":
        operation.params["_meta"][VERSION_KEY] = "2025-11-25"
    else:
        headers[lie] = "tools/list" if lie == "Mcp-Method" else world.chance.choice(("another", "=?base64?YW5vdGhlcg==?="))
    world.account.mismatch(lie)
    exchange = await world.ask(operation, *headers.items())
    world.account.refused(operation, -32020)
    await exchange.answer(400, world.words.error(-32020, id=operation.id))


async def asked_again(world: World) -> None:
    """`input_required`; the client repeats the request with the input and a new id."""
    first = call(world.chance, 1)
    exchange = await world.ask(first, *mirror(first).items())
    world.account.ended(first, "input_required")
    wanted = {"a": {"method": "elicitation/create", "params": {"message": "sure?"}}}
    await exchange.answer(200, world.words.result(1, {"resultType": "input_required", "inputRequests": wanted}))
    second = Operation(first.method, 2, {**first.params, "inputResponses": {"a": {"action": "accept"}}}, first.name)
    exchange = await world.ask(second, *mirror(second).items())
    await world.json(exchange, world.ok(second))


async def listen(world: World) -> None:
    """`subscriptions/listen`, which ends when the client closes it or with its response. It has no duration."""
    operation = Operation("subscriptions/listen", f"L{world.chance.randrange(9)}", {"notifications": {}})
    exchange = await world.ask(operation, *mirror(operation).items())
    await exchange.open()
    for method in ("notifications/subscriptions/acknowledged", "notifications/tools/list_changed"):
        world.account.notification(method, "out")
        await exchange.send(world.words.event(world.words.notification(method, {})))
    await world.notify(exchange)
    world.account.ended(operation, "ok")
    if world.odds(0.5):
        await exchange.leave()
    else:
        await exchange.send(world.words.event(world.words.result(operation.id, {"resultType": "complete"})))
        await exchange.end()
