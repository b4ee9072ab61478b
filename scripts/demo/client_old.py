"""Demo sessions with the Python SDK 1.30.0, which uses the `initialize` of older protocol versions: client_old.py URL."""

import sys

import anyio
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl
from session import SESSIONS, Seen, drive


async def one_session(url: str, seen: Seen) -> None:
    async with streamable_http_client(url) as (read, write, _), ClientSession(read, write) as session:
        seen.opened("initialize", (await session.initialize()).protocolVersion)
        await drive(session, seen, McpError, AnyUrl)


async def main(url: str) -> None:
    seen = Seen()
    async with anyio.create_task_group() as sessions:
        for _ in range(SESSIONS):
            sessions.start_soon(one_session, url, seen)
    seen.print()


anyio.run(main, sys.argv[1])
