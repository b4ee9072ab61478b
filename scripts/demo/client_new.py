"""Demo sessions with the Python SDK 2.3.0, which uses the protocol version 2026-07-28: client_new.py URL."""

import sys

import anyio
from mcp import Client, MCPError
from session import SESSIONS, Seen, drive


async def one_session(url: str, seen: Seen) -> None:
    async with Client(url) as client:
        seen.opened("server/discover", client.protocol_version)
        await drive(client, seen, MCPError, str)


async def main(url: str) -> None:
    seen = Seen()
    async with anyio.create_task_group() as sessions:
        for _ in range(SESSIONS):
            sessions.start_soon(one_session, url, seen)
    seen.print()


anyio.run(main, sys.argv[1])
