"""Runs a plan against an MCP server with the client of FastMCP 2 or 4, and prints the outcomes.

    client_fastmcp.py PLAN

As client_old.py; Only FastMCP 4 uses the plan's `mode`; FastMCP 2 always sends `initialize`. An operation with `task`
requests a background task, and its outcome is that of the task.
"""

import asyncio
import inspect
import json
import sys
from contextlib import AsyncExitStack

import anyio
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError

try:
    from mcp import MCPError as RpcError
except ImportError:
    from mcp import McpError as RpcError

HAS_MODES = "mode" in inspect.signature(Client.__init__).parameters


class Conversation:
    """One session, and whether the server has requested the roots."""

    def __init__(self, plan: dict) -> None:
        self.roots_told = anyio.Event()
        transport = SSETransport if plan["transport"] == "http_sse" else StreamableHttpTransport
        options = {"mode": plan["mode"]} if HAS_MODES else {}

        # FastMCP accepts functions as handlers, but no methods.
        async def list_roots(context) -> list[str]:
            self.roots_told.set()
            return ["file:///here"]

        async def ask_model(messages, params, context) -> str:
            if "refuse" in messages[0].content.text:
                raise ValueError("this model is refused")
            return "an answer"

        self.client = Client(transport(plan["url"]), sampling_handler=ask_model, roots=list_roots, **options)


async def call_tool(client: Client, operation: dict, arguments: dict, on_progress) -> str:
    name = operation["name"]
    if operation.get("task"):
        task = await client.call_tool(name, arguments, task=True)
        # Only after the client knows the task, because its notifications come on another stream.
        await client.call_tool("release")
        await task.wait()
        return "tool_error" if (await task.status()).status == "failed" else "ok"
    handler = {"progress_handler": on_progress} if operation.get("progress") else {}
    result = await client.call_tool_mcp(name, arguments, **handler)
    failed = result.is_error if hasattr(result, "is_error") else result.isError
    return "tool_error" if failed else "ok"


async def run_one(client: Client, operation: dict) -> dict:
    method, name, arguments = operation["method"], operation.get("name", ""), operation.get("arguments", {})
    progress = []
    giving_up = anyio.CancelScope()

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)
        if operation.get("cancel"):
            giving_up.cancel()

    calls = {
        "ping": client.ping,
        "tools/list": client.list_tools,
        "resources/list": client.list_resources,
        "resources/templates/list": client.list_resource_templates,
        "prompts/list": client.list_prompts,
        "resources/read": lambda: client.read_resource(name),
        "prompts/get": lambda: client.get_prompt(name, arguments),
        "tools/call": lambda: call_tool(client, operation, arguments, on_progress),
    }
    outcome = "cancelled"
    try:
        with giving_up:
            result = await calls[method]()
            outcome = result if method == "tools/call" else "ok"
    except RpcError as error:
        outcome = f"rpc {error.error.code}"
    except ToolError:
        outcome = "tool_error"
    return {"method": method, "name": name, "outcome": outcome, "progress": len(progress)}


async def main(plan: dict) -> None:
    seen = []
    async with AsyncExitStack() as stack:
        opened = [Conversation(plan) for _ in range(plan["sessions"])]
        for conversation in opened:
            await stack.enter_async_context(conversation.client)
        for conversation in opened:
            for operation in plan["operations"]:
                if operation["method"] == "await":
                    await conversation.roots_told.wait()
                else:
                    seen.append(await run_one(conversation.client, operation))
    print(json.dumps(seen))


asyncio.run(main(json.loads(sys.argv[1])))
