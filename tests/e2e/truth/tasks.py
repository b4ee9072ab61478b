"""Tasks: a tool call that starts a task. The end of the task counts once, when it is first seen."""

from .link import Exchange
from .modern import mirror
from .operation import Operation
from .session import Session
from .world import World


def task_id(world: World) -> str:
    return f"{world.chance.getrandbits(128):032x}"


async def start(session: Session) -> tuple[Operation, str]:
    """A tools/call of 2025-11-25 that starts a task."""
    world = session.world
    operation = session.call()
    operation.params["task"] = {"ttl": 60000}
    id = task_id(world)
    exchange = await session.ask(operation)
    world.account.ended(operation, "accepted")
    task = {"taskId": id, "status": "working", "ttl": 60000, "pollInterval": 500}
    await world.json(exchange, world.words.result(operation.id, {"task": task}))
    return operation, id


async def ask_about(session: Session, method: str, id: str, result: dict) -> None:
    world = session.world
    operation = Operation(method, session.number(), {"taskId": id})
    exchange = await session.ask(operation)
    world.account.ended(operation, "ok")
    answer = world.words.result(operation.id, result)
    if world.odds(0.5):
        await world.json(exchange, answer)
    else:
        await world.stream(exchange, [answer], [operation])


def state(id: str, status: str) -> dict:
    return {"taskId": id, "status": status, "ttl": 60000}


async def polled(world: World) -> None:
    """`tasks/get` until the task has ended. Requests after that count no end."""
    session = await Session.begin(world, "2025-11-25")
    operation, id = await start(session)
    for _ in range(world.chance.randrange(2)):
        await ask_about(session, "tasks/get", id, state(id, "working"))
    status = world.chance.choice(("completed", "failed", "cancelled"))
    if status == "cancelled":
        await ask_about(session, "tasks/cancel", id, state(id, status))
    world.account.task(operation.name, status)
    await ask_about(session, "tasks/get", id, state(id, status))
    if world.odds(0.5):
        await ask_about(session, "tasks/get", id, state(id, status))
    if status == "completed":
        await ask_about(session, "tasks/result", id, payload(id, False))
    await session.end()


def payload(id: str, is_error: bool) -> dict:
    return {"content": [], "isError": is_error, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": id}}}


async def fetched(world: World) -> None:
    """The end is first seen in `tasks/result`."""
    session = await Session.begin(world, "2025-11-25")
    operation, id = await start(session)
    failed = world.odds(0.5)
    world.account.task(operation.name, "tool_error" if failed else "completed")
    await ask_about(session, "tasks/result", id, payload(id, failed))
    if world.odds(0.5):
        await ask_about(session, "tasks/get", id, state(id, "failed" if failed else "completed"))
    await session.end()


async def told(world: World) -> None:
    """The end is first seen in a notification, on the GET stream or on the stream of another operation."""
    session = await Session.begin(world, "2025-11-25")
    operation, id = await start(session)
    status = world.chance.choice(("completed", "failed", "cancelled"))
    world.account.task(operation.name, status)
    if world.odds(0.5):
        stream = await session.get()
        for step in ("working", status, status):
            await notify(world, stream, "notifications/tasks/status", state(id, step))
        await stream.end()
    else:
        other = session.any()
        stream = await session.ask(other)
        await stream.open()
        world.first_events([other])
        await notify(world, stream, "notifications/tasks/status", state(id, status))
        await stream.send(world.words.event(world.answer(other, alone=False)))
        await stream.end()
    await ask_about(session, "tasks/get", id, state(id, status))
    await session.end()


async def notify(world: World, stream: Exchange, method: str, params: dict) -> None:
    world.account.notification(method, "out")
    await stream.send(world.words.event(world.words.notification(method, params)))


async def of_another(world: World) -> None:
    """A task whose start was not seen."""
    session = await Session.begin(world, "2025-11-25")
    id = task_id(world)
    world.account.task("other", "completed")
    await ask_about(session, "tasks/get", id, state(id, "completed"))
    await session.end()


# === the extension of 2026-07-28 ===


async def extension(world: World) -> None:
    """There is no session, so only the task's id relates its messages."""
    operation = Operation("tools/call", 1, {"name": "deploy.prod", "arguments": {}}, "deploy.prod")
    id = task_id(world)
    exchange = await world.ask(operation, *mirror(operation).items())
    world.account.ended(operation, "accepted")
    await world.json(exchange, world.words.result(1, {"resultType": "task", "taskId": id, "status": "working"}))
    ends = (
        ("completed", "completed", {"result": {"content": [], "isError": False, "resultType": "complete"}}),
        ("completed", "tool_error", {"result": {"content": [], "isError": True, "resultType": "complete"}}),
        ("failed", "failed", {"error": {"code": -32603, "message": "broke"}}),
        ("cancelled", "cancelled", {}),
    )
    status, counted, more = world.chance.choice(ends)
    world.account.task("deploy.prod", counted)
    task = {"taskId": id, "status": status, "ttlMs": 60000, **more}
    if world.odds(0.5):
        await on_subscription(world, task)
    for _ in range(world.chance.randrange(1, 3)):
        await get_task(world, id, task)


async def get_task(world: World, id: str, task: dict) -> None:
    operation = Operation("tasks/get", world.words.id(), {"taskId": id})
    exchange = await world.ask(operation, *mirror(operation).items(), ("Mcp-Name", id))
    world.account.ended(operation, "ok")
    await world.json(exchange, world.words.result(operation.id, {"resultType": "complete", **task}))


async def on_subscription(world: World, task: dict) -> None:
    operation = Operation("subscriptions/listen", "L", {"notifications": {"taskIds": [task["taskId"]]}})
    stream = await world.ask(operation, *mirror(operation).items())
    await stream.open()
    await notify(world, stream, "notifications/subscriptions/acknowledged", {})
    await notify(world, stream, "notifications/tasks", task)
    world.account.ended(operation, "ok")
    await stream.leave()
