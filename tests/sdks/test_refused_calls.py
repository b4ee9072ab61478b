"""What more clients show their caller when the rate limit refuses a call: as `test_refused_calls.py` of the end-to-end suite."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import clients
from support.clients import DRIVERS
from support.exchange import Exchange
from support.peers import Peer, get
from support.refusals import HANGS, Row, check

SSE = "http_sse"


def go_sdk(_: Exchange) -> dict:
    """The code is the SDK's own, for what its transport rejects."""
    return {"outcome": "error", "text": "rejected by transport: sending \"tools/call\": Too Many Requests", "code": -32005}


def go_sdk_sse(_: Exchange) -> dict:
    return {"outcome": "error", "text": "failed to write: 429 Too Many Requests"}


def mcp_go(refused: Exchange) -> dict:
    return {"outcome": "error", "text": json.loads(refused.response_body)["error"]["message"]}


def mcp_go_sse(refused: Exchange) -> dict:
    return {"outcome": "error", "text": f"request failed with status 429: {refused.response_body.decode()}"}


def fastmcp_4(refused: Exchange) -> dict:
    error = json.loads(refused.response_body)["error"]
    return {"outcome": "error", "type": "MCPError", "text": error["message"], "code": error["code"], "data": error["data"]}


def hangs(_: Exchange) -> dict:
    return HANGS


def closed(kind: str, text: str, code: int | None = None) -> dict:
    return {"outcome": "error", "type": kind, "text": text, "code": code, "data": None}


ROWS = [
    Row("go-sdk-1.8.0", "python-1.30.0", go_sdk),
    Row("go-sdk-1.8.0", "python-1.30.0-sse", go_sdk_sse, {"outcome": "error", "text": "client is closing"}, SSE),
    Row("mcp-go-1.2.1", "python-1.30.0", mcp_go),
    Row("mcp-go-1.2.1", "python-1.30.0-sse", mcp_go_sse, transport=SSE),
    Row("fastmcp-2.14.7", "python-1.30.0", hangs, closed("RuntimeError", "Client is not connected")),
    Row("fastmcp-2.14.7", "python-1.30.0-sse", hangs, closed("ClosedResourceError", ""), SSE),
    Row("fastmcp-4.2.3", "python-1.30.0", fastmcp_4),
    Row("fastmcp-4.2.3", "python-1.30.0-sse", hangs, closed("MCPError", "Connection closed", -32000), SSE),
]


def command(client: str) -> list[str]:
    if not client.startswith("fastmcp"):
        return clients.command(client)
    return [get("python", client.partition(".")[0]), str(DRIVERS / "refused_fastmcp.py")]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_caller_sees_the_refusal(row: Row, server: Callable[[str], Peer], logs: Path) -> None:
    check(row, server(row.server).port, command, logs)
