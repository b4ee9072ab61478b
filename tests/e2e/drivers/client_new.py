"""Calls an MCP server with the Python SDK 2.3.0 and prints the outcomes.

    client_new.py PLAN

As client_old.py; `mode` of the plan is `auto` (tries 2026-07-28 first), `legacy` or a protocol version.
"""

from contextlib import AsyncExitStack

import anyio
import mcp_types as types
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client

from plan import main


class Conversation:
    """One session, and the methods of the server requests so far."""

    def __init__(self) -> None:
        self.roots_told = anyio.Event()

    async def open(self, plan: dict, stack: AsyncExitStack) -> None:
        if command := plan.get("command"):
            server = StdioServerParameters(command=command[0], args=command[1:])
        else:
            server = sse_client(plan["url"]) if plan["transport"] == "http_sse" else plan["url"]
        self.client = await stack.enter_async_context(
            Client(
                server,
                mode=plan["mode"],
                sampling_callback=self.ask_model,
                elicitation_callback=self.ask_person,
                list_roots_callback=self.list_roots,
            )
        )

    async def ask_model(self, context, params: types.CreateMessageRequestParams):
        if "refuse" in params.messages[0].content.text:
            return types.ErrorData(code=-1, message="this model is refused")
        answer = types.TextContent(type="text", text="an answer")
        return types.CreateMessageResult(role="assistant", model="m", content=answer)

    async def ask_person(self, context, params):
        return types.ElicitResult(action="decline")

    async def list_roots(self, context) -> types.ListRootsResult:
        self.roots_told.set()
        return types.ListRootsResult(roots=[types.Root(uri="file:///here", name="here")])

    async def run_one(self, operation: dict) -> dict:
        method, name, arguments = operation["method"], operation.get("name", ""), operation.get("arguments", {})
        client, progress = self.client, []
        giving_up = anyio.CancelScope()

        async def on_progress(done: float, total: float | None, message: str | None) -> None:
            progress.append(done)
            if operation.get("cancel"):
                giving_up.cancel()

        async def ping_then_give_up() -> None:
            # The server does not confirm that the call has arrived. A ping that was sent after it has a response.
            await client.send_ping()
            giving_up.cancel()

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
        outcome = "cancelled"
        try:
            async with anyio.create_task_group() as group:
                if operation.get("cancel") and not operation.get("progress"):
                    group.start_soon(ping_then_give_up)
                with giving_up:
                    result = await calls[method]()
                    outcome = "tool_error" if getattr(result, "is_error", False) else "ok"
        except* MCPError as errors:
            outcome = f"rpc {errors.exceptions[0].code}"
        return {"method": method, "name": name, "outcome": outcome, "progress": len(progress)}


main(Conversation)
