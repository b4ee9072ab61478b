"""Drives an MCP server with the Python SDK 1.30.0 and prints what it saw.

    client_old.py URL SESSIONS OPERATIONS

OPERATIONS is a JSON list of operations; every session runs all of them, all sessions are open at once.
Prints a JSON list of `{session, method, name, outcome, progress}`.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack

from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamablehttp_client
from pydantic import AnyUrl


async def run_one(session: ClientSession, operation: dict) -> dict:
    method, name, arguments = operation["method"], operation.get("name", ""), operation.get("arguments", {})
    progress: list[float] = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    calls = {
        "ping": session.send_ping,
        "tools/list": session.list_tools,
        "resources/list": session.list_resources,
        "resources/templates/list": session.list_resource_templates,
        "prompts/list": session.list_prompts,
        "resources/read": lambda: session.read_resource(AnyUrl(name)),
        "prompts/get": lambda: session.get_prompt(name, arguments),
        "tools/call": lambda: session.call_tool(
            name, arguments, progress_callback=on_progress if operation.get("progress") else None
        ),
    }
    try:
        result = await calls[method]()
        outcome = "tool_error" if getattr(result, "isError", False) else "ok"
    except McpError as error:
        outcome = f"rpc {error.error.code}"
    return {"method": method, "name": name, "outcome": outcome, "progress": len(progress)}


async def main(url: str, sessions: int, operations: list[dict]) -> None:
    seen = []
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(sessions):
            read, write, _ = await stack.enter_async_context(streamablehttp_client(url))
            session = await stack.enter_async_context(ClientSession(read, write))
            greeting = await session.initialize()
            opened.append(session)
            seen.append({"method": "initialize", "name": "", "outcome": "ok", "version": greeting.protocolVersion})
        for session in opened:
            for operation in operations:
                seen.append(await run_one(session, operation))
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
