"""Calls tools with the Python SDK 2.3.0 and prints what the caller sees: see `refused.py`.

    refused_new.py PLAN
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.sse import sse_client

from refused import Call, main, waiting


def waiting_client(**options: object) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=waiting(httpx2.AsyncHTTPTransport)(), **options)


@asynccontextmanager
async def connect(plan: dict) -> AsyncIterator[Call]:
    server = plan["url"]
    if plan["transport"] == "http_sse":
        server = sse_client(server, **({"httpx_client_factory": waiting_client} if plan["waits"] else {}))
    async with Client(server, mode=plan["mode"]) as client:
        yield client.call_tool


main(connect)
