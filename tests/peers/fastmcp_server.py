"""An MCP server on FastMCP 2 or 4, for the tests.

    fastmcp_server.py PORT [sse|slash]

It serves Streamable HTTP at `/mcp`; with `slash` at `/mcp/`, with a redirect from `/mcp`, as a server that is mounted in a larger
application; with `sse` HTTP+SSE. FastMCP 2 runs the tools `later` and `later_fails` as background tasks, each until `release`
is called.
"""

import sys

import anyio
import fastmcp
from fastmcp import Context, FastMCP

HAS_TASKS = fastmcp.__version__.startswith("2.")
server: FastMCP = FastMCP("fastmcp")


@server.tool
def echo(text: str) -> str:
    """Answers with the text it was given."""
    return text


@server.tool
async def slow(milliseconds: int) -> str:
    """Answers after a while."""
    await anyio.sleep(milliseconds / 1000)
    return "late"


@server.tool
def big(size: int) -> str:
    """Answers with a text of this many bytes."""
    return "x" * size


@server.tool
def fails() -> str:
    """Answers with isError."""
    raise ValueError("this tool always fails")


@server.tool
async def progress(context: Context) -> str:
    """Sends three progress notifications, then answers."""
    for step in range(1, 4):
        await context.report_progress(step, 3)
    return "done"


@server.tool
async def waits(context: Context) -> str:
    """Sends one progress notification, then waits until it is cancelled."""
    await context.report_progress(0, 1)
    await anyio.sleep_forever()
    return "never"


if HAS_TASKS:
    released = anyio.Semaphore(0)

    @server.tool
    def release() -> str:
        """Lets one background task go on."""
        released.release()
        return "released"

    @server.tool(task=True)
    async def later(text: str) -> str:
        """A background task that completes."""
        await released.acquire()
        return text

    @server.tool(task=True)
    async def later_fails() -> str:
        """A background task that fails."""
        await released.acquire()
        raise ValueError("this task always fails")


@server.resource("notes://today")
def today() -> str:
    """A resource with a fixed URI."""
    return "a quiet day"


@server.resource("docs://{path*}")
def document(path: str) -> str:
    """Resources behind a template whose name takes in slashes."""
    return f"the document {path}"


@server.prompt
def summary(topic: str) -> str:
    """Asks for a summary."""
    return f"Summarise {topic}."


if __name__ == "__main__":
    kind = sys.argv[2] if len(sys.argv) > 2 else "http"
    transport = {"transport": "sse"} if kind == "sse" else {"transport": "http", "path": "/mcp/" if kind == "slash" else "/mcp"}
    server.run(**transport, host="127.0.0.1", port=int(sys.argv[1]), show_banner=False, log_level="WARNING")
