"""An MCP server on the Python SDK 2.3.0, for the end-to-end tests.

    mcp_new.py PORT [sse]
    mcp_new.py stdio

One port serves all protocol versions over Streamable HTTP, or HTTP+SSE with `sse`. With `stdio` the server is on standard input and
output. The tools cover the outcomes of a tool call. No
response depends on the time. Lines of its event streams end with CRLF.
"""

import sys
from typing import Annotated

import anyio
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer, Resolve, Sample
from mcp_types import CreateMessageResult, SamplingMessage, TextContent

server = MCPServer("mcp-new", log_level="WARNING")


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
def refused() -> str:
    """Answers with JSON-RPC error -32000."""
    raise MCPError(-32000, "this tool is refused")


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


@server.tool()
async def waits(context: Context) -> str:
    """Sends one progress notification, then waits until it is cancelled."""
    await context.report_progress(0, 1)
    await anyio.sleep_forever()
    return "never"


@server.tool()
async def change(context: Context) -> str:
    """Says that the resource changed: to the subscriptions of 2026-07-28, and to a session."""
    await context.notify_resource_updated("notes://today")
    await context.session.send_resource_updated("notes://today")
    return "changed"


def question(text: str) -> Sample:
    content = TextContent(type="text", text=text)
    return Sample([SamplingMessage(role="user", content=content)], max_tokens=10)


@server.tool()
def ask_model(text: str, answer: Annotated[CreateMessageResult, Resolve(question)]) -> str:
    """Asks the client's model, in the way of the revision: a request of its own, or a result that asks for more."""
    return answer.model


@server.resource("notes://today")
def today() -> str:
    """A resource with a fixed URI."""
    return "a quiet day"


@server.resource("notes://{day}/page")
def page(day: str) -> str:
    """A resource behind a template."""
    return f"the page of {day}"


@server.prompt()
def summary(topic: str) -> str:
    """Asks for a summary."""
    return f"Summarise {topic}."


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run(transport="stdio")
    else:
        transport = "sse" if sys.argv[2:] == ["sse"] else "streamable-http"
        server.run(transport=transport, host="127.0.0.1", port=int(sys.argv[1]))
