"""Calls an MCP server with a Python SDK 1.x and prints the outcomes.

    client_old.py PLAN

PLAN is a JSON object: `transport` (streamable_http or http_sse), `url`, `sessions` and `operations`. With `command`, a list of words,
instead of `transport` and `url`, each session starts this server on standard input and output. Every session runs all
operations; all sessions are open at the same time. Prints a JSON list of `{method, name, outcome, progress}`.
"""

import inspect
from contextlib import AsyncExitStack

import anyio
from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from pydantic import AnyUrl

from plan import main

def connect(plan: dict):
    if command := plan.get("command"):
        return stdio_client(StdioServerParameters(command=command[0], args=command[1:]))
    return (sse_client if plan["transport"] == "http_sse" else streamablehttp_client)(plan["url"])


ELICITS = "elicitation_callback" in inspect.signature(ClientSession).parameters


class Conversation:
    """One session, with the server requests and notifications so far."""

    def __init__(self) -> None:
        self.roots_told = anyio.Event()
        self.progress = 0
        self.progressed = anyio.Event()

    async def open(self, plan: dict, stack: AsyncExitStack) -> None:
        read, write, *_ = await stack.enter_async_context(connect(plan))
        callbacks = {"elicitation_callback": self.ask_person} if ELICITS else {}
        self.session = await stack.enter_async_context(
            ClientSession(
                read,
                write,
                sampling_callback=self.ask_model,
                list_roots_callback=self.list_roots,
                message_handler=self.on_message,
                **callbacks,
            )
        )
        await self.session.initialize()

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

    async def on_message(self, message) -> None:
        if isinstance(getattr(message, "root", None), types.ProgressNotification):
            self.progress += 1
            self.progressed.set()

    async def call_tool(self, operation: dict) -> types.CallToolResult:
        """Calls a tool. Version 1.8 has no callback for progress, so the token is set here."""
        # The id that the SDK will use for its next request.
        token = {"progressToken": self.session._request_id} if operation.get("progress") else None
        parameters = types.CallToolRequestParams(
            name=operation["name"], arguments=operation.get("arguments", {}), _meta=token
        )
        request = types.ClientRequest(types.CallToolRequest(method="tools/call", params=parameters))
        return await self.session.send_request(request, types.CallToolResult)

    async def cancelled_call(self, operation: dict) -> None:
        """Starts a call, waits until it has arrived, and sends the cancellation."""
        identity = self.session._request_id

        async def call() -> None:
            try:
                await self.call_tool(operation)
            except McpError:
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            if operation.get("progress"):
                await self.progressed.wait()
            else:
                # The server does not confirm that the call has arrived. A ping that was sent after it has a response.
                await anyio.lowlevel.checkpoint()
                await self.session.send_ping()
            parameters = types.CancelledNotificationParams(requestId=identity, reason="no longer needed")
            cancel = types.CancelledNotification(method="notifications/cancelled", params=parameters)
            await self.session.send_notification(types.ClientNotification(cancel))
            group.cancel_scope.cancel()

    async def run_one(self, operation: dict) -> dict:
        method, name, arguments = operation["method"], operation.get("name", ""), operation.get("arguments", {})
        self.progress, self.progressed = 0, anyio.Event()
        calls = {
            "ping": self.session.send_ping,
            "tools/list": self.session.list_tools,
            "resources/list": self.session.list_resources,
            "resources/templates/list": self.session.list_resource_templates,
            "prompts/list": self.session.list_prompts,
            "resources/read": lambda: self.session.read_resource(AnyUrl(name)),
            "prompts/get": lambda: self.session.get_prompt(name, arguments),
            "tools/call": lambda: self.call_tool(operation),
        }
        try:
            if operation.get("cancel"):
                await self.cancelled_call(operation)
                outcome = "cancelled"
            else:
                result = await calls[method]()
                outcome = "tool_error" if getattr(result, "isError", False) else "ok"
        except McpError as error:
            outcome = f"rpc {error.error.code}"
        return {"method": method, "name": name, "outcome": outcome, "progress": self.progress}


main(Conversation)
