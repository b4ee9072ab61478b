"""Scripts of one exchange each, without a session."""

import json

from .link import Exchange
from .operation import PROMPTS, Operation, any_of, call, client_info
from .world import CODES, HANDSHAKE_VERSIONS, JSON, World
from .words import NOTIFICATIONS_IN


async def plain(world: World) -> None:
    """An operation of a protocol version with `initialize`; the response is JSON or an event stream."""
    operation = any_of(world.chance, world.words.id())
    exchange = await world.ask(operation, ("MCP-Protocol-Version", world.chance.choice(HANDSHAKE_VERSIONS)))
    await world.answer_here(exchange, operation)


async def unanswered(world: World) -> None:
    """An operation without a JSON-RPC response that can be read, on an exchange that ends normally."""
    operation = any_of(world.chance, world.words.id())
    exchange = await world.ask(operation)
    ways = (unauthorized, http_error, redirected, no_response, foreign_coding, broken_json, cut_json, empty_stream)
    await world.chance.choice(ways)(world, exchange, operation)


async def unauthorized(world: World, exchange: Exchange, operation: Operation) -> None:
    world.account.ended(operation, "error", "unauthorized", answered=False)
    challenge = [("WWW-Authenticate", 'Bearer resource_metadata="https://x/.well-known/oauth-protected-resource"')]
    await exchange.answer(world.chance.choice((401, 403)), *error_page(world), challenge)


async def http_error(world: World, exchange: Exchange, operation: Operation) -> None:
    world.account.ended(operation, "error", "http_error", answered=False)
    status = world.chance.choice((400, 404, 405, 406, 409, 413, 415, 429, 500, 502, 503, 504))
    await exchange.answer(status, *error_page(world))


def error_page(world: World) -> tuple[bytes, str | None]:
    """Bodies of error responses of frameworks and gateways. They are not JSON-RPC and do not count as skipped."""
    return world.chance.choice((
        (b"", None), (b"<p>no</p>", "text/html"), (b"no", "text/plain"), (b'{"error":"invalid_token"}', "application/json"),
        (b'{"detail":"Not Found"', "application/json"), (b"[]", "application/json"),
    ))


async def redirected(world: World, exchange: Exchange, operation: Operation) -> None:
    world.account.ended(operation, "redirected", answered=False)
    moved = world.chance.choice(((b"", None), (b"<p>moved</p>", "text/html")))
    await exchange.answer(world.chance.choice((301, 302, 307, 308)), *moved, [("Location", "/mcp/")])


async def probe(world: World) -> None:
    """A client tries Streamable HTTP with a server that has HTTP+SSE only."""
    info, client = client_info(world.chance)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    operation = Operation("initialize", world.words.id(), params, client=client)
    exchange = await world.ask(operation)
    world.account.ended(operation, "negotiation", answered=False)
    await exchange.answer(405, b"Method Not Allowed", "text/plain")


async def error_beside_a_result(world: World) -> None:
    """An object with a result and an error is an error, unless `error` is null."""
    operation = call(world.chance, world.words.id())
    exchange = await world.ask(operation)
    members = {"jsonrpc": "2.0", "id": operation.id, "result": {"content": []}}
    if world.odds(0.3):
        world.account.ended(operation, "ok")
        await exchange.answer(200, world.words.spell(members | {"error": None}))
    else:
        world.account.refused(operation, -32603)
        await exchange.answer(200, world.words.spell(members | {"error": {"code": -32603, "message": "x"}}))


async def no_response(world: World, exchange: Exchange, operation: Operation) -> None:
    world.account.ended(operation, "error", "no_response", answered=False)
    if world.odds(0.3):
        await exchange.answer(204, b"", None)
    elif world.odds(0.5):
        await exchange.answer(200, b"")
    else:
        world.account.skipped("not_json_rpc", "out")
        await exchange.answer(200, b'{"status":"fine"}')


async def foreign_coding(world: World, exchange: Exchange, operation: Operation) -> None:
    """Brotli, which the filter does not read."""
    world.account.ended(operation, "unknown", answered=False)
    world.account.skipped("content_encoding", "out")
    await exchange.answer(200, b"\x0b\x02\x80{}\x03", headers=[("Content-Encoding", "br")])


async def broken_json(world: World, exchange: Exchange, operation: Operation) -> None:
    world.account.ended(operation, "unknown", answered=False)
    world.account.skipped("invalid_json", "out")
    await exchange.answer(200, b'{"jsonrpc":"2.0",,"id":1,"result":{}}')


async def cut_json(world: World, exchange: Exchange, operation: Operation) -> None:
    world.account.ended(operation, "unknown", answered=False)
    world.account.skipped("truncated", "out")
    await exchange.answer(200, b'{"jsonrpc":"2.0","id":1,"result":{"content":[')


async def empty_stream(world: World, exchange: Exchange, operation: Operation) -> None:
    world.account.ended(operation, "error", "no_response", answered=False)
    await exchange.open()
    if world.odds(0.5):
        world.first_events([operation])
        world.account.notification("notifications/message", "out")
        await exchange.send(world.words.event(world.words.notification("notifications/message", {})))
    if world.odds(0.5):
        # An event at the end without its blank line does not count.
        await exchange.send(b"data: " + world.words.result(operation.id, {}).replace(b"\n", b"") + b"\n")
    await exchange.end()


async def foreign_result(world: World) -> None:
    """A JSON response with another id than the request. It matches only if the ids are the same number, one of them as a string."""
    operation = any_of(world.chance, world.chance.choice((7, "7")))
    exchange = await world.ask(operation)
    if world.odds(0.5):
        written, operation.id = operation.id, int(operation.id) if isinstance(operation.id, str) else str(operation.id)
        answer = world.answer(operation)
        operation.id = written
        await world.json(exchange, answer)
        return
    world.account.unmatched("unknown_id")
    world.account.ended(operation, "error", "no_response", answered=False)
    await exchange.answer(200, world.words.result("07", {}))


async def breaks(world: World) -> None:
    """Client or server closes the connection before the response is complete."""
    operation = any_of(world.chance, world.words.id())
    exchange = await world.ask(operation)
    if world.odds(0.6):
        await exchange.open(world.chance.choice(("text/event-stream", "application/json")))
        if exchange.head["content-type"] == "text/event-stream" and world.odds(0.6):
            world.first_events([operation])
            world.account.notification("notifications/progress", "out")
            await exchange.send(world.words.event(world.words.notification("notifications/progress", {})))
    if world.odds(0.5):
        world.account.ended(operation, "error", "reset", answered=False)
        await exchange.break_off()
    else:
        world.account.ended(operation, "cancelled", answered=False)
        await exchange.leave()


async def notification(world: World) -> None:
    """A notification of the client, which the server accepts or refuses."""
    method = world.chance.choice((*NOTIFICATIONS_IN, "acme/happened"))
    world.account.notification("other" if method.startswith("acme") else method, "in")
    body = world.words.notification(method, world.chance.choice((None, {"progress": 1})))
    if world.odds(0.2):
        # A message with an invalid id is a notification.
        body = world.words.request(method, world.chance.choice((None, [1], {"a": 1}, True)))
    exchange = await world.post(body, ("MCP-Protocol-Version", "2025-06-18"))
    if world.odds(0.8):
        await exchange.answer(202, *world.chance.choice(((b"", None), (b"Accepted", "text/plain"), (b"", "application/json"))))
    elif world.odds(0.5):
        await exchange.answer(400, b"no", "text/plain")
    else:
        code = world.chance.choice(CODES)
        world.account.error_object(code, "none")
        await exchange.answer(400, world.words.error(code, id=world.chance.choice((None, "server-error"))))


async def batch(world: World) -> None:
    """Requests and notifications in one array. The responses are an array or events, and some may be missing."""
    refused = world.odds(0.1)
    operations = [(call if refused else any_of)(world.chance, id) for id in distinct_ids(world)]
    messages = [world.request(operation) for operation in operations]
    for _ in range(world.chance.randrange(3)):
        world.account.notification("notifications/progress", "in")
        messages.append(world.words.notification("notifications/progress", {}))
    world.chance.shuffle(messages)
    exchange = await world.post(b"[" + b" ,".join(messages) + b"]", ("MCP-Protocol-Version", "2025-03-26"))
    world.chance.shuffle(operations)
    if refused:
        # One error object without an id ends all operations, and counts as one error.
        for operation in operations:
            world.account.ended(operation, "error", "invalid_request")
        world.account.error_object(-32600, "tools/call")
        await exchange.answer(400, world.words.error(-32600, id=None))
        return
    answered = operations[: world.chance.randrange(len(operations) + 1)] if world.odds(0.2) else operations
    answers = [world.answer(operation, alone=False) for operation in answered]
    for operation in operations[len(answered) :]:
        world.account.ended(operation, "error", "no_response", answered=False)
    if not answers:
        await exchange.answer(200, b"")
    elif world.odds(0.5):
        await exchange.answer(200, b"[" + b",".join(answers) + b"]" if len(answers) > 1 else answers[0])
    else:
        await world.stream(exchange, answers, operations)


def distinct_ids(world: World) -> list:
    """Ids that differ for every JSON-RPC peer: `1.0` equals `1`, `"1"` does not."""
    ids: list = []
    for _ in range(world.chance.randrange(1, 6)):
        id = world.words.id()
        if not any(type(id) is type(other) and id == other or str(id) == f"{other}.0" or str(other) == f"{id}.0" for other in ids):
            ids.append(id)
    return ids


async def documents(world: World) -> None:
    """Several documents in one body after a byte order mark, and their responses as several documents in one body."""
    operations = [call(world.chance, id) for id in distinct_ids(world)]
    texts = [world.request(operation) for operation in operations]
    exchange = await world.post(b"\xef\xbb\xbf" + b"\n".join(texts))
    await exchange.answer(200, b" ".join(world.answer(operation, alone=False) for operation in operations))


async def not_mcp(world: World) -> None:
    """Other traffic on the listener."""
    kind = world.chance.randrange(6)
    if kind == 0:
        world.account.skipped("not_mcp", "in")
        ethereum = world.words.request("eth_call", 1, {"a": 1})
        exchange = await world.link.begin("POST", "/rpc", [JSON, ("Accept", "application/json")], ethereum, False)
        await exchange.answer(200, world.words.result(1, {"isError": True}))
    elif kind == 1:
        body, reason = world.chance.choice(((b"[]", "not_json_rpc"), (b'{"a":1}', "not_json_rpc"), (b"{]", "invalid_json")))
        world.account.skipped(reason, "in")
        exchange = await world.post(body, counted=False)
        await exchange.answer(400, b"no", "text/plain")
    elif kind == 2:
        exchange = await world.link.begin("POST", "/form", [("Content-Type", "text/plain")], b'{"method":"ping"}', False)
        await exchange.answer(200, b"thanks", "text/plain")
    else:
        verb, target = (("GET", "/.well-known/oauth-protected-resource"), ("OPTIONS", "/mcp"), ("GET", "/health"))[kind - 3]
        headers = [("MCP-Protocol-Version", "2025-11-25")] if "well-known" in target else []
        exchange = await world.link.begin(verb, target, headers, b"", False)
        await exchange.answer(200, b'{"resource":"x"}')


async def get_stream(world: World) -> None:
    """A GET with a session whose start was not seen: a stream with notifications and perhaps an error, or a refusal."""
    exchange = await world.get(("Mcp-Session-Id", f"{world.chance.getrandbits(64):x}"))
    if world.odds(0.2):
        await exchange.answer(405, b"no", "text/plain")
        return
    if world.odds(0.2):
        world.account.error_object(-32600, "none")
        await exchange.answer(400, world.words.error(-32600, id="server-error"))
        return
    await exchange.open()
    await world.notify(exchange, 5)
    if world.odds(0.2):
        world.account.error_object(-32000, "none")
        await exchange.send(world.words.event(world.words.error(-32000, id=world.chance.choice((None, "server-error")))))
    await world.chance.choice((exchange.end, exchange.break_off, exchange.leave))()


async def initialize(world: World) -> None:
    """An `initialize` without further exchanges of its session."""
    version = world.chance.choice((*HANDSHAKE_VERSIONS, "1999-01-01"))
    info, client = client_info(world.chance)
    params = {"protocolVersion": "2025-11-25", "clientInfo": info}
    operation = Operation("initialize", world.words.id(), params, client=client)
    exchange = await world.ask(operation)
    world.account.ended(operation, "ok")
    world.account.session_began(version if version in HANDSHAKE_VERSIONS else "other", client, named=False)
    answer = world.words.result(operation.id, {"protocolVersion": version, "serverInfo": {"name": "s"}})
    if world.odds(0.5):
        await world.json(exchange, answer)
    else:
        await world.stream(exchange, [answer], [operation])


LISTS = {
    "prompts/list": ("prompts", [{"name": name} for name in PROMPTS]),
    "resources/list": ("resources", [{"name": "oslo", "uri": "weather://oslo"}]),
}


async def lists(world: World) -> None:
    """A list of prompts or resources, always with the same items and the same bytes. Its next page does not change the gauges."""
    method = world.chance.choice(list(LISTS))
    member, items = LISTS[method]
    operation = Operation(method, world.chance.randrange(1000, 10000))
    exchange = await world.ask(operation, ("MCP-Protocol-Version", "2025-11-25"))
    message = b'{"jsonrpc":"2.0","id":%d,"result":' % operation.id + compact({member: items}) + b"}"
    world.account.ended(operation, "ok")
    world.account.listed(method, len(items), len(message))
    if world.odds(0.5):
        await exchange.answer(200, message)
    else:
        world.first_events([operation])
        await exchange.open()
        await exchange.send(b"event: message\r\ndata: " + message + b"\r\n\r\n")
        await exchange.end()
    if world.odds(0.3):
        page = Operation(method, world.words.id(), {"cursor": "next"})
        exchange = await world.ask(page, ("MCP-Protocol-Version", "2025-11-25"))
        world.account.ended(page, "ok")
        await world.json(exchange, world.words.result(page.id, {member: items[:1]}))


def compact(value: dict) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
