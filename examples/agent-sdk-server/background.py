"""Tool calls as tasks: the part of the tasks extension of 2026-07-28 that this server needs.

A client that declares the extension gets a task at once, and requests its result with `tasks/get`. Any other client waits for
the result. Tasks are kept in memory; if there are too many, the oldest is dropped. The server has no `tasks/update`, because
these runs ask no questions, and sends no notifications about tasks.
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
# tasks/get waits this long for the end before it returns "working". Most clients then need only one request.
WAIT_SECONDS = 10
POLL_INTERVAL_MS = 1000

Run = Callable[[dict[str, Any]], Coroutine[Any, Any, str]]


class TaskParams(RequestParams):
    """Parameters of tasks/get and tasks/cancel."""

    task_id: str


async def tool_result(run: Coroutine[Any, Any, str]) -> CallToolResult:
    """The result of the call, as a client that waits gets it."""
    try:
        text, failed = await run, False
    except ToolError as error:
        text, failed = str(error), True
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=failed)


class BackgroundRuns(Extension):
    """The tools that may run as tasks, by name, and the tasks."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self, runs: dict[str, Run]):
        self.runs = runs
        self.tasks: dict[str, tuple[str, asyncio.Task[CallToolResult]]] = {}

    def methods(self) -> Sequence[MethodBinding]:
        return [MethodBinding("tasks/get", TaskParams, self.get), MethodBinding("tasks/cancel", TaskParams, self.cancel)]

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: ServerRequestContext, call_next: CallNext) -> HandlerResult:
        """Starts a task if the client declares the extension."""
        declared = ctx.session.client_capabilities and ctx.session.client_capabilities.extensions
        if params.name not in self.runs or not declared or self.identifier not in declared:
            return await call_next(ctx)
        if len(self.tasks) >= TASK_LIMIT:
            self.tasks.pop(next(iter(self.tasks)))[1].cancel()
        # The id gives access to the result, so it must not be guessable.
        task_id = secrets.token_urlsafe(16)
        task = asyncio.create_task(tool_result(self.runs[params.name](params.arguments or {})))
        self.tasks[task_id] = datetime.now(UTC).isoformat(), task
        return {"resultType": "task"} | self.state(task_id)

    async def get(self, ctx: ServerRequestContext, params: TaskParams) -> HandlerResult:
        """Handles tasks/get: returns the status of a task, and its result if it has ended."""
        await asyncio.wait([self.known(params.task_id)], timeout=WAIT_SECONDS)
        return self.state(params.task_id)

    async def cancel(self, ctx: ServerRequestContext, params: TaskParams) -> HandlerResult:
        """Handles tasks/cancel."""
        self.known(params.task_id).cancel()
        return {}

    def known(self, task_id: str) -> asyncio.Task[CallToolResult]:
        """Returns the task with this id."""
        if task_id not in self.tasks:
            raise MCPError(INVALID_PARAMS, "no such task")
        return self.tasks[task_id][1]

    def state(self, task_id: str) -> dict[str, Any]:
        """The task as an object of the extension."""
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
