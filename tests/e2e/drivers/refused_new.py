"""Calls tools with the Python SDK 2.3.0 and prints what the caller sees: see `refused.py`.

    refused_new.py PLAN
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp import Client
from mcp.client.sse import sse_client

from refused import Call, main


@asynccontextmanager
async def connect(plan: dict) -> AsyncIterator[Call]:
    server = sse_client(plan["url"]) if plan["transport"] == "http_sse" else plan["url"]
    async with Client(server, mode=plan["mode"]) as client:
        yield client.call_tool


main(connect)
