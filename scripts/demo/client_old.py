"""Demo sessions with the Python SDK 1.30.0, which uses the `initialize` of older protocol versions: client_old.py URL."""

import sys

import anyio
from mcp import ClientSession, McpError
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.types import Implementation
from pydantic import AnyUrl
from session import Seen, drive

# The application and the user of each session. Without a name the SDK sends "mcp". The header stands for what a token filter in
# front of the sidecar would set.
SESSIONS = [("trip-planner", "ann"), ("trip-planner", "bo"), ("newsroom", "bo")]
USER_HEADER = "x-forwarded-user"


async def one_session(url: str, application: str, user: str, seen: Seen) -> None:
    client = Implementation(name=application, version="1.0")
    async with create_mcp_http_client(headers={USER_HEADER: user}) as http, \
            streamable_http_client(url, http_client=http) as (read, write, _), \
            ClientSession(read, write, client_info=client) as session:
        seen.opened("initialize", (await session.initialize()).protocolVersion)
        await drive(session, application, seen, McpError, AnyUrl)


async def main(url: str) -> None:
    seen = Seen()
    async with anyio.create_task_group() as sessions:
        for application, user in SESSIONS:
            sessions.start_soon(one_session, url, application, user, seen)
    seen.print()


anyio.run(main, sys.argv[1])
