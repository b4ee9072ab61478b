"""Calls tools with a Python SDK 1.x and prints what the caller sees: see `refused.py`.

    refused_old.py PLAN
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client

from refused import Call, main, waiting


def waiting_client(**options: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=waiting(httpx.AsyncHTTPTransport)(), **options)


@asynccontextmanager
async def connect(plan: dict) -> AsyncIterator[Call]:
    transport = sse_client if plan["transport"] == "http_sse" else streamablehttp_client
    options = {"httpx_client_factory": waiting_client} if plan["waits"] else {}
    async with transport(plan["url"], **options) as (read, write, *_), ClientSession(read, write) as session:
        await session.initialize()
        yield session.call_tool


main(connect)
