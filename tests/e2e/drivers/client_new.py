"""Drives an MCP server with the Python SDK 2.3.0 and prints what it saw.

    client_new.py URL SESSIONS OPERATIONS [MODE]

As client_old.py. MODE is `auto` (tries 2026-07-28 first), `legacy` or a revision.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack

from mcp import Client, MCPError


async def run_one(client: Client, operation: dict) -> dict:
    method, name, arguments = operation["method"], operation.get("name", ""), operation.get("arguments", {})
    progress: list[float] = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    calls = {
        "ping": client.send_ping,
        "tools/list": lambda: client.list_tools(cache_mode="bypass"),
        "resources/list": lambda: client.list_resources(cache_mode="bypass"),
        "resources/templates/list": lambda: client.list_resource_templates(cache_mode="bypass"),
        "prompts/list": lambda: client.list_prompts(cache_mode="bypass"),
        "resources/read": lambda: client.read_resource(name, cache_mode="bypass"),
        "prompts/get": lambda: client.get_prompt(name, arguments),
        "tools/call": lambda: client.call_tool(
            name, arguments, progress_callback=on_progress if operation.get("progress") else None
        ),
    }
    try:
        result = await calls[method]()
        outcome = "tool_error" if getattr(result, "is_error", False) else "ok"
    except MCPError as error:
        outcome = f"rpc {error.code}"
    return {"method": method, "name": name, "outcome": outcome, "progress": len(progress)}


async def main(url: str, sessions: int, operations: list[dict], mode: str) -> None:
    seen = []
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(sessions):
            client = await stack.enter_async_context(Client(url, mode=mode))
            opened.append(client)
            opening = "server/discover" if client.protocol_version == "2026-07-28" else "initialize"
            seen.append({"method": opening, "name": "", "outcome": "ok", "version": client.protocol_version})
        for client in opened:
            for operation in operations:
                seen.append(await run_one(client, operation))
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]))
