"""An agent as an MCP server: one tool call of the client takes many steps of the model.

    HOST=127.0.0.1 PORT=8000 python server.py

Each step of the agent is a progress notification. Before a task that may change files, the server asks the person at the client:
up to 2025-11-25 by a server request during the call, in 2026-07-28 by a result of type `input_required`. A client with the tasks
extension can run `ask_agent` as a task.
"""

import os
from typing import Annotated, Any

import agent
from background import BackgroundRuns
from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field


async def ask_in_background(arguments: dict[str, Any]) -> str:
    """Runs `ask_agent` as a task, without progress notifications."""
    question = arguments.get("question")
    if not isinstance(question, str):
        raise ToolError("ask_agent takes a question")
    return await run(question, False, None)


server = MCPServer("agent", version="1.0.0", instructions="An agent that looks after a folder of notes.", log_level="WARNING",
                   extensions=[BackgroundRuns({"ask_agent": ask_in_background})])


class Permission(BaseModel):
    """The form that the person fills in."""

    change_files: bool = Field(description="Whether the agent may change files")


def ask_permission(task: str) -> Elicit[Permission]:
    """The question before a task."""
    return Elicit(f"May the agent change files for this task: {task}", Permission)


async def run(prompt: str, may_write: bool, context: Context | None) -> str:
    """Runs the agent and reports its steps to `context`. If the run fails, the tool fails."""
    steps = 0

    async def report(line: str) -> None:
        nonlocal steps
        steps += 1
        # The number of steps is not known, so there is no total.
        if context:
            await context.report_progress(steps, message=line)

    try:
        return await agent.run(prompt, may_write, report)
    except agent.AgentFailed as error:
        raise ToolError(f"the agent gave up: {error}") from error


@server.tool(structured_output=False)
async def ask_agent(question: str, context: Context) -> str:
    """Asks the agent about the notes. It reads and changes nothing."""
    return await run(question, False, context)


@server.tool(structured_output=False)
async def delegate_task(task: str, permission: Annotated[ElicitationResult[Permission], Resolve(ask_permission)], context: Context) -> str:
    """Has the agent do something with the notes. The person at the client is asked first whether it may change files."""
    if not isinstance(permission, AcceptedElicitation):
        raise ToolError("the person did not answer, so the task was not begun")
    return await run(task, permission.data.change_files, context)


if __name__ == "__main__":
    server.run("streamable-http", host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
