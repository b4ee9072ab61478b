"""Runs that outlive the call that began them: the tasks extension of the 2026-07-28 revision, as far as this server needs it.

A client that declares the extension is answered at once with a task and asks for its end with `tasks/get`. Any other client
waits for the answer as before. Tasks live in this process and are forgotten with it; the oldest goes when there are too many.
There is no `tasks/update`, because these runs ask nobody, and no notification.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, RequestParams, TextContent

TASK_LIMIT = 100
# tasks/get waits this long for the end before it says "working", which spares most clients a second question.
WAIT_SECONDS = 10
POLL_INTERVAL_MS = 1000

Run = Callable[[dict[str, Any]], Coroutine[Any, Any, str]]


class TaskParams(RequestParams):
    """What tasks/get and tasks/cancel are asked with."""

    task_id: str


async def tool_result(run: Coroutine[Any, Any, str]) -> CallToolResult:
    """What the call would have been answered, had its client waited."""
    try:
        text, failed = await run, False
    except ToolError as error:
        text, failed = str(error), True
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=failed)


class BackgroundRuns(Extension):
    """The tools that may become tasks, by name, and the tasks that were begun."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self, runs: dict[str, Run]):
        self.runs = runs
        self.tasks: dict[str, tuple[str, asyncio.Task[CallToolResult]]] = {}

    def methods(self) -> Sequence[MethodBinding]:
        return [MethodBinding("tasks/get", TaskParams, self.get), MethodBinding("tasks/cancel", TaskParams, self.cancel)]

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: ServerRequestContext, call_next: CallNext) -> HandlerResult:
        """Begins a task where the client can take one."""
        declared = ctx.session.client_capabilities and ctx.session.client_capabilities.extensions
        if params.name not in self.runs or not declared or self.identifier not in declared:
            return await call_next(ctx)
        if len(self.tasks) >= TASK_LIMIT:
            self.tasks.pop(next(iter(self.tasks)))[1].cancel()
        # Whoever knows the id may read the answer, so it cannot be guessed.
        task_id = secrets.token_urlsafe(16)
        task = asyncio.create_task(tool_result(self.runs[params.name](params.arguments or {})))
        self.tasks[task_id] = datetime.now(UTC).isoformat(), task
        return {"resultType": "task"} | self.state(task_id)

    async def get(self, ctx: ServerRequestContext, params: TaskParams) -> HandlerResult:
        """How a task stands, and its result once it has one."""
        await asyncio.wait([self.known(params.task_id)], timeout=WAIT_SECONDS)
        return self.state(params.task_id)

    async def cancel(self, ctx: ServerRequestContext, params: TaskParams) -> HandlerResult:
        """Ends a task before its time."""
        self.known(params.task_id).cancel()
        return {}

    def known(self, task_id: str) -> asyncio.Task[CallToolResult]:
        """A task of this process."""
        if task_id not in self.tasks:
            raise MCPError(INVALID_PARAMS, "no such task")
        return self.tasks[task_id][1]

    def state(self, task_id: str) -> dict[str, Any]:
        """A task in the form of the extension."""
        begun, task = self.tasks[task_id]
        told: dict[str, Any] = {"taskId": task_id, "createdAt": begun, "lastUpdatedAt": datetime.now(UTC).isoformat(),
                                "ttlMs": None, "pollIntervalMs": POLL_INTERVAL_MS}
        if not task.done():
            return told | {"status": "working"}
        if task.cancelled():
            return told | {"status": "cancelled"}
        if error := task.exception():
            return told | {"status": "failed", "error": {"code": -32603, "message": f"the run broke: {type(error).__name__}"}}
        return told | {"status": "completed", "result": task.result().model_dump(by_alias=True, mode="json", exclude_none=True)}
