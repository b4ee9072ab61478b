"""What real clients show their caller when the rate limit refuses a call, and whether their session goes on.

`docs/rate-limits.md` has the table. Each client calls until the bucket is empty, is refused, waits and calls again. A relay on
each side of the sidecar records what the client sent and what reached the server, so a client that repeats a call by itself is seen.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.clients import DRIVERS, PACKAGES
from support.exchange import Exchange, Ledger
from support.expected import is_refused
from support.peers import NODE, ROOT, Peer, clean_env, get
from support.relay import Relay
from support.sidecar import Sidecar

# Seconds in which a token comes back. All calls before the wait have to fit in.
INTERVAL = 4
BURST = 2
RULE = {"name": "calls", "method": "tools/call", "requests": 1, "interval_ms": INTERVAL * 1000, "burst": BURST}
# After this time without an answer the drivers give a call up.
PATIENCE = 3
CALL = {"call": "echo", "arguments": {"text": "a"}}
BATCH = {"batch": "echo", "arguments": {"text": "a"}}
OK = {"outcome": "ok"}
HANGS = {"outcome": "hangs"}
SSE = "http_sse"

Shown = Callable[[Exchange], dict]


# What the caller sees of a refused call. `text` is a part of what it sees.


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


@dataclass(frozen=True)
class Row:
    """`next` is what the caller sees of a call after the wait."""

    client: str
    server: str
    shown: Shown
    next: dict = field(default_factory=lambda: OK)
    transport: str = "streamable_http"
    mode: str = "legacy"
    # The driver's HTTP client waits for `retry-after`.
    waits: bool = False

    def __str__(self) -> str:
        return f"{self.client} to {self.server}, {self.mode}{', waits' if self.waits else ''}"

    def steps(self) -> list[dict]:
        """Only the TypeScript SDK can send a batch."""
        batch = [BATCH] if self.client in PACKAGES else []
        return [*[CALL] * BURST, CALL, *batch, {"wait": INTERVAL}, CALL]

    def sent(self) -> list[dict]:
        """The steps that are a message to the server. A client that has closed its connection sends no more."""
        return [step for step in self.steps() if "wait" not in step][: None if self.next == OK else -1]


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


def drive(row: Row, port: int) -> list[dict]:
    plan = {
        "package": PACKAGES.get(row.client),
        "url": f"http://127.0.0.1:{port}{'/sse' if row.transport == SSE else '/mcp'}",
        "transport": row.transport,
        "mode": row.mode,
        "patience": PATIENCE + INTERVAL if row.waits else PATIENCE,
        "waits": row.waits,
        "steps": row.steps(),
    }
    done = subprocess.run(
        [*command(row.client), json.dumps(plan)],
        capture_output=True, text=True, timeout=60, env=clean_env(), cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@dataclass
class Run:
    """What the caller saw, what the client sent, and what reached the server."""

    seen: list[dict]
    client: Ledger
    server: Ledger


def play(row: Row, server_port: int, logs: Path) -> Run:
    """Runs the client through a sidecar of its own. The counters have to agree with what the client got."""
    name = "refused-" + "".join(character if character.isalnum() else "-" for character in str(row))
    file = logs / f"{name}.json"
    file.write_text(json.dumps({"rate_limit": {"rules": [RULE]}}))
    behind = Relay(server_port)
    sidecar = Sidecar(behind.port, logs, name, MCP_FILTER_CONFIG=str(file))
    before = Relay(sidecar.port)
    try:
        seen = drive(row, before.port)
        client = before.close()
        for exchange in calls(client):
            outcome = "limited" if is_refused(exchange) else "allowed"
            sidecar.expected.add("mcp_rate_limit_total", len(requests(exchange)), rule="calls", outcome=outcome)
        sidecar.check(client)
    finally:
        sidecar.stop()
        server = behind.close()
    return Run(seen, client, server)


def calls(ledger: Ledger) -> list[Exchange]:
    return [exchange for exchange in ledger.exchanges if b'"tools/call"' in exchange.request_body]


def requests(exchange: Exchange) -> list[dict]:
    message = json.loads(exchange.request_body)
    return message if isinstance(message, list) else [message]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_caller_sees_the_refusal(row: Row, peer: Callable[[str], Peer], logs: Path) -> None:
    run = play(row, peer(row.server).port, logs)
    made = calls(run.client)
    refused = sorted(filter(is_refused, made), key=lambda exchange: len(requests(exchange)))
    for exchange in refused:
        check_answer(exchange)
    wanted = [*[OK] * BURST, *(row.shown(exchange) for exchange in refused), row.next]
    assert [without_text(entry) for entry in run.seen] == [without_text(entry) for entry in wanted]
    assert [entry for entry, part in zip(run.seen, wanted) if part.get("text", "") not in entry.get("text", "")] == []
    # No client repeats a call by itself, and only the calls that were not refused reach the server.
    assert len(made) == len(row.sent()) + row.waits
    passed = sorted(exchange.request_body for exchange in made if exchange not in refused)
    assert passed == sorted(exchange.request_body for exchange in calls(run.server))


def without_text(entry: dict) -> dict:
    return {key: value for key, value in entry.items() if key != "text"}


def check_answer(exchange: Exchange) -> None:
    """Each request of the message has an error with its id."""
    assert exchange.response.get("content-type") == "application/json"
    body = json.loads(exchange.response_body)
    answers = body if isinstance(body, list) else [body]
    assert [answer["id"] for answer in answers] == [request["id"] for request in requests(exchange)]
    waits = [answer["error"]["data"]["retryAfterMs"] for answer in answers]
    assert 0 < max(waits) <= BURST * INTERVAL * 1000
    assert exchange.response.get("retry-after") == str(-(-max(waits) // 1000))
    assert {answer["error"]["data"]["rule"] for answer in answers} == {"calls"}
