"""Demo sessions with the Python SDK 1.30.0, which uses the `initialize` of older protocol versions: client_old.py URL."""

import sys

import anyio
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation
from pydantic import AnyUrl
from session import Seen, drive

# The application of each session. Without a name the SDK sends "mcp".
APPLICATIONS = ["trip-planner", "trip-planner", "newsroom"]


async def one_session(url: str, application: str, seen: Seen) -> None:
    client = Implementation(name=application, version="1.0")
    async with streamable_http_client(url) as (read, write, _), ClientSession(read, write, client_info=client) as session:
        seen.opened("initialize", (await session.initialize()).protocolVersion)
        await drive(session, seen, McpError, AnyUrl)


async def main(url: str) -> None:
    seen = Seen()
    async with anyio.create_task_group() as sessions:
        for application in APPLICATIONS:
            sessions.start_soon(one_session, url, application, seen)
    seen.print()


anyio.run(main, sys.argv[1])
