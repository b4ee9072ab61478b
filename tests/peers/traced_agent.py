"""An agent on the Python SDK 2.3.0 with OpenTelemetry's SDK: each turn is one span, in which it calls tools.

    traced_agent.py URL MODE TURNS

MODE is the client's mode, such as `legacy`. The turns run at the same time. The MCP SDK writes the trace context into `_meta`.
"""

import sys

import anyio
from mcp import Client, MCPError
from opentelemetry.trace import get_tracer
from tracing import start_tracing


async def turn(url: str, mode: str, number: int) -> None:
    with get_tracer("agent").start_as_current_span(f"turn {number}"):
        async with Client(url, mode=mode) as client:
            assert not (await client.call_tool("echo", {"text": str(number)})).is_error
            assert (await client.call_tool("fails", {})).is_error
            try:
                await client.call_tool("refused", {})
            except MCPError:
                return
            raise AssertionError("the server did not refuse the call")


async def turns(url: str, mode: str, count: int) -> None:
    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(turn, url, mode, number)


if __name__ == "__main__":
    start_tracing()
    anyio.run(turns, sys.argv[1], sys.argv[2], int(sys.argv[3]))
