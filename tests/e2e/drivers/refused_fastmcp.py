"""Calls tools with the client of FastMCP 2 or 4 and prints what the caller sees: see `refused.py`.

    refused_fastmcp.py PLAN

Only FastMCP 4 uses the plan's `mode`.
"""

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport

from refused import Call, main

HAS_MODES = "mode" in inspect.signature(Client.__init__).parameters


@asynccontextmanager
async def connect(plan: dict) -> AsyncIterator[Call]:
    transport = SSETransport if plan["transport"] == "http_sse" else StreamableHttpTransport
    options = {"mode": plan["mode"]} if HAS_MODES else {}
    async with Client(transport(plan["url"]), **options) as client:
        yield client.call_tool


main(connect)
