"""An MCP server on the Python SDK 1.30.0, a peer of the end-to-end tests.

    mcp_old.py PORT sse|json

It speaks the handshake revisions only; the second argument chooses how it answers a request. A client
that tries 2026-07-28 first is refused and falls back, as with any server of that generation.
"""

import sys

import anyio
from mcp.server.fastmcp import Context, FastMCP

server = FastMCP(
    "mcp-old",
    host="127.0.0.1",
    port=int(sys.argv[1]),
    json_response=sys.argv[2] == "json",
    log_level="WARNING",
)


@server.tool()
def echo(text: str) -> str:
    """Answers with the text it was given."""
    return text


@server.tool()
async def slow(milliseconds: int) -> str:
    """Answers after a while."""
    await anyio.sleep(milliseconds / 1000)
    return "late"


@server.tool()
def fails() -> str:
    """Answers with isError."""
    raise ValueError("this tool always fails")


@server.tool()
def big(size: int) -> str:
    """Answers with a text of this many bytes."""
    return "x" * size


@server.tool()
async def progress(context: Context) -> str:
    """Sends three progress notifications, then answers."""
    for step in range(1, 4):
        await context.report_progress(step, 3)
    return "done"


@server.resource("notes://today")
def today() -> str:
    """A resource with a fixed URI."""
    return "a quiet day"


@server.prompt()
def summary(topic: str) -> str:
    """Asks for a summary."""
    return f"Summarise {topic}."


if __name__ == "__main__":
    server.run(transport="streamable-http")
