"""An MCP server on the Python SDK 1.30.0, for the end-to-end tests.

    mcp_old.py PORT events|json|sse
    mcp_old.py 0 stdio

It supports the protocol versions up to 2025-11-25. The second argument: Streamable HTTP with event streams (`events`) or with JSON
(`json`), HTTP+SSE (`sse`), or standard input and output (`stdio`). It refuses a client that tries 2026-07-28 first; the client then uses an older version.
"""

import sys

import anyio
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import SamplingMessage, TextContent
from pydantic import AnyUrl, BaseModel

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


@server.tool()
async def waits(context: Context) -> str:
    """Sends one progress notification, then waits until it is cancelled."""
    await context.report_progress(0, 1)
    await anyio.sleep_forever()
    return "never"


@server.tool()
async def ask_model(text: str, context: Context) -> str:
    """Asks the client's model, on the stream of this call."""
    question = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    answer = await context.session.create_message([question], max_tokens=10, related_request_id=context.request_id)
    return answer.model


@server.tool()
async def ask_roots(context: Context) -> str:
    """Asks for the client's roots, on the stream that belongs to no call."""
    return str((await context.session.list_roots()).roots[0].uri)


@server._mcp_server.subscribe_resource()
async def subscribe(uri: AnyUrl) -> None:
    """All clients get the changes, whether they subscribed or not."""


@server._mcp_server.unsubscribe_resource()
async def unsubscribe(uri: AnyUrl) -> None:
    """As `subscribe`."""


@server.tool()
async def change(context: Context) -> str:
    """Says that the resource changed, and then that the list of resources changed."""
    await context.session.send_resource_updated(AnyUrl("notes://today"))
    await context.session.send_resource_list_changed()
    return "changed"


class Choice(BaseModel):
    yes: bool


@server.tool()
async def ask_person(context: Context) -> str:
    """Asks the client's user, on the stream of this call."""
    return (await context.elicit("Yes?", Choice)).action


@server.resource("notes://today")
def today() -> str:
    """A resource with a fixed URI."""
    return "a quiet day"


@server.prompt()
def summary(topic: str) -> str:
    """Asks for a summary."""
    return f"Summarise {topic}."


if __name__ == "__main__":
    server.run(transport=sys.argv[2] if sys.argv[2] in ("sse", "stdio") else "streamable-http")
