"""Two runs of the Python SDK 2.3.0, which uses 2026-07-28: client_new.py URL.

In the first, the agent's question is a result of type `input_required`, and the client repeats the call with the answer. The
client also leaves a run that would not end. In the second, the client declares the tasks extension.

Prints the results for scripts/demo/example.py. The module `session` is in the same folder as that script.
"""

import sys
from typing import Any, Literal

import anyio
from calls import CALLS, HUMAN_SECONDS, PERSON, ask_everything
from mcp import Client, MCPError
from mcp.client import ClaimContext, ClientExtension, ResultClaim
from mcp_types import CallToolResult, ElicitResult, Request, RequestParams, Result
from session import Seen

seen = Seen()
answers = iter(PERSON)


async def person(context, question) -> ElicitResult:
    """The person's answer, after a while. Each question is the result of a call, which is counted."""
    seen.operations[("tools/call", "delegate_task", "input_required", "")] += 1
    await anyio.sleep(HUMAN_SECONDS)
    action, form = next(answers)
    return ElicitResult(action=action, content=form)


async def leave(client: Client) -> None:
    """A call whose client closes the stream after the agent's first progress notification."""
    with anyio.CancelScope() as scope:

        async def begun(progress: float, total: float | None, message: str | None) -> None:
            await seen.note_progress(progress, total, message)
            scope.cancel()

        await client.call_tool("ask_agent", {"question": "Please wait."}, progress_callback=begun)
    seen.operations[("tools/call", "ask_agent", "cancelled", "")] += 1


class TaskBegun(Result):
    """The result of a call that runs as a task."""

    result_type: Literal["task"] = "task"
    task_id: str


class TaskParams(RequestParams):
    task_id: str


class GetTask(Request[TaskParams, Literal["tasks/get"]]):
    """The request `tasks/get`."""

    method: Literal["tasks/get"] = "tasks/get"
    params: TaskParams
    name_param = "taskId"


class TaskState(Result):
    """The result of `tasks/get`."""

    status: str
    result: dict[str, Any] | None = None


async def follow(begun: TaskBegun, context: ClaimContext) -> CallToolResult:
    """Requests a task until it has ended, and returns its result as the result of the call."""
    seen.operations[("tools/call", context.tool_name, "accepted", "")] += 1
    while True:
        state = await context.session.send_request(GetTask(params=TaskParams(task_id=begun.task_id)), TaskState)
        seen.operations[("tasks/get", "", "ok", "")] += 1
        if state.status == "completed":
            return CallToolResult.model_validate(state.result)
        if state.status != "working":
            raise SystemExit(f"the task is {state.status}")


class Tasks(ClientExtension):
    """Declares the tasks extension."""

    identifier = "io.modelcontextprotocol/tasks"

    def claims(self) -> list[ResultClaim]:
        return [ResultClaim(result_type="task", model=TaskBegun, resolve=follow)]


async def ask_in_background(client: Client) -> None:
    """The same questions, as tasks."""
    await seen.ask("tools/list", "", client.list_tools(), MCPError)
    for tool, arguments, piece in CALLS:
        if tool == "ask_agent":
            result = await client.call_tool(tool, arguments)
            if piece not in result.content[0].text:
                raise SystemExit(f"the task of {arguments} ended with {result}, without {piece!r}")


async def main(url: str) -> None:
    async with Client(url, elicitation_callback=person) as client:
        seen.opened("server/discover", client.protocol_version)
        await ask_everything(client, seen, MCPError)
        await leave(client)
    async with Client(url, extensions=[Tasks()]) as client:
        seen.opened("server/discover", client.protocol_version)
        await ask_in_background(client)
    seen.print()


anyio.run(main, sys.argv[1])
