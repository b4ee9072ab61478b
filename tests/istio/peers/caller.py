"""An MCP client on the Python SDK 2.3.0: lists the tools, calls each once, and prints their names.

    caller.py URL
"""

import sys

import anyio
from mcp import Client


async def main(url: str) -> None:
    async with Client(url) as client:
        for tool in (await client.list_tools()).tools:
            result = await client.call_tool(tool.name, {})
            assert not result.is_error, result
            print(tool.name)


anyio.run(main, sys.argv[1])
