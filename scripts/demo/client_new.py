"""Demo sessions with the Python SDK 2.3.0, which uses the protocol version 2026-07-28: client_new.py URL."""

import sys

import anyio
from mcp import Client, MCPError
from mcp.types import Implementation
from session import Seen, drive

# The application of each session. Without a name the SDK sends "mcp".
APPLICATIONS = ["trip-planner", "newsroom", "field-agent"]


async def one_session(url: str, application: str, seen: Seen) -> None:
    async with Client(url, client_info=Implementation(name=application, version="1.0")) as client:
        seen.opened("server/discover", client.protocol_version)
        await drive(client, seen, MCPError, str)


async def main(url: str) -> None:
    seen = Seen()
    async with anyio.create_task_group() as sessions:
        for application in APPLICATIONS:
            sessions.start_soon(one_session, url, application, seen)
    seen.print()


anyio.run(main, sys.argv[1])
