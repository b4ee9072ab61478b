"""Calls tools with a Python SDK 1.x and prints what the caller sees: see `refused.py`.

    refused_old.py PLAN
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client

from refused import Call, main


@asynccontextmanager
async def connect(plan: dict) -> AsyncIterator[Call]:
    transport = sse_client if plan["transport"] == "http_sse" else streamablehttp_client
    async with transport(plan["url"]) as (read, write, *_), ClientSession(read, write) as session:
        await session.initialize()
        yield session.call_tool


main(connect)
