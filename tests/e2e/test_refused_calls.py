"""What real clients show their caller when the rate limit refuses a call, and whether their session goes on.

`docs/rate-limits.md` has the table.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.clients import DRIVERS, PACKAGES
from support.exchange import Exchange
from support.peers import NODE, Peer, get
from support.refusals import HANGS, OK, Row, check

SSE = "http_sse"


# What the caller sees of a refused call.


def typescript_1(refused: Exchange) -> dict:
    text = f"Streamable HTTP error: Error POSTing to endpoint: {refused.response_body.decode()}"
    return {"outcome": "error", "type": "StreamableHTTPError", "text": text, "code": 429, "data": None}


def typescript_2(refused: Exchange) -> dict:
    body = refused.response_body.decode()
    data = {"status": 429, "statusText": "Too Many Requests", "text": body}
    text = f"Error POSTing to endpoint: {body}"
    return {"outcome": "error", "type": "SdkHttpError", "text": text, "code": "CLIENT_HTTP_NOT_IMPLEMENTED", "data": data}


def typescript_sse(refused: Exchange) -> dict:
    text = f"Error POSTing to endpoint (HTTP 429): {refused.response_body.decode()}"
    return {"outcome": "error", "type": "Error", "text": text, "code": None, "data": None}


def python_1(_: Exchange) -> dict:
    """The exception of the POST ends the transport, and with it the session."""
    return {"outcome": "closed", "type": "HTTPStatusError", "text": "429 Too Many Requests", "code": None, "data": None}


def python_2(refused: Exchange) -> dict:
    error = json.loads(refused.response_body)["error"]
    return {"outcome": "error", "type": "MCPError", "text": error["message"], "code": error["code"], "data": error["data"]}


def python_sse(_: Exchange) -> dict:
    """The exception ends the task that sends; the call waits for its answer."""
    return HANGS


def rmcp(refused: Exchange) -> dict:
    waits = refused.response.get("retry-after")
    shown = {"outcome": "error", "type": "TransportSend", "text": "HTTP 429", "code": None, "data": None}
    return {**shown, "http_status": 429, "retry_after": waits}


def repeated(_: Exchange) -> dict:
    """The driver's HTTP client has waited and sent the call again."""
    return OK


CLOSED = {"outcome": "closed"}
WRITER_CLOSED = {"outcome": "error", "type": "ClosedResourceError", "text": "", "code": None, "data": None}
CONNECTION_CLOSED = {"outcome": "error", "type": "MCPError", "text": "Connection closed", "code": -32000, "data": None}


ROWS = [
    Row("typescript-1.32.2", "python-1.30.0", typescript_1),
    Row("typescript-1.32.2", "python-1.30.0-sse", typescript_sse, transport=SSE),
    Row("typescript-2.4.0", "python-1.30.0", typescript_2),
    Row("typescript-2.4.0", "python-2.3.0", typescript_2, mode="auto"),
    Row("typescript-2.4.0", "python-1.30.0-sse", typescript_sse, transport=SSE),
    Row("python-1.30.0", "python-1.30.0", python_1, CLOSED),
    Row("python-1.30.0", "python-1.30.0-sse", python_sse, WRITER_CLOSED, SSE),
    Row("python-2.3.0", "python-1.30.0", python_2),
    Row("python-2.3.0", "python-2.3.0", python_2, mode="auto"),
    Row("python-2.3.0", "python-1.30.0-sse", python_sse, CONNECTION_CLOSED, SSE),
    Row("rmcp-3.11.0", "python-1.30.0", rmcp),
    Row("rmcp-3.11.0", "python-2.3.0", rmcp, mode="auto"),
    Row("python-1.30.0", "python-1.30.0", repeated, waits=True),
    Row("python-1.30.0", "python-1.30.0-sse", repeated, transport=SSE, waits=True),
    Row("python-2.3.0", "python-1.30.0-sse", repeated, transport=SSE, waits=True),
]


def command(client: str) -> list[str]:
    if client in PACKAGES:
        return ["node", str(NODE / "refused.mjs")]
    return {
        "python-1.30.0": lambda: [get("python", "mcp-old"), str(DRIVERS / "refused_old.py")],
        "python-2.3.0": lambda: [get("python", "e2e"), str(DRIVERS / "refused_new.py")],
        "rmcp-3.11.0": lambda: [get("rmcp-client")],
    }[client]()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_caller_sees_the_refusal(row: Row, peer: Callable[[str], Peer], logs: Path) -> None:
    check(row, peer(row.server).port, command, logs)
