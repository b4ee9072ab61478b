"""Demo sessions with the Python SDK 2.3.0, which uses the protocol version 2026-07-28: client_new.py URL."""

import sys

import anyio
from mcp import Client, MCPError
from mcp.client import session as sdk
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.types import Implementation
from session import Seen, drive

# The application and the user of each session. Without a name the SDK sends "mcp". The header stands for what a token filter in
# front of the sidecar would set.
SESSIONS = [("trip-planner", "ann"), ("newsroom", "bo"), ("field-agent", "cleo")]
USER_HEADER = "x-forwarded-user"
# The SDK waits 10 s for server/discover, then falls back to `initialize`. The first request starts the program of examples/stdio,
# which takes longer on a busy machine.
sdk.DISCOVER_TIMEOUT_SECONDS = 120


async def one_session(url: str, application: str, user: str, seen: Seen) -> None:
    info = Implementation(name=application, version="1.0")
    async with create_mcp_http_client(headers={USER_HEADER: user}) as http, \
            Client(streamable_http_client(url, http_client=http), client_info=info) as client:
        seen.opened("server/discover", client.protocol_version)
        await drive(client, application, seen, MCPError, str)


async def main(url: str) -> None:
    seen = Seen()
    async with anyio.create_task_group() as sessions:
        for application, user in SESSIONS:
            sessions.start_soon(one_session, url, application, user, seen)
    seen.print()


anyio.run(main, sys.argv[1])
