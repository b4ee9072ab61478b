"""A GET without a session, before `initialize`, with which clients test whether the server has a stream. The Python SDKs refuse it
with a JSON-RPC error whose id belongs to no request; this is not counted as a failure.
"""

import json
import subprocess

import pytest

from counts import after, alarms, operations, total
from support.client import Connection
from support.exchange import Ledger
from support.peers import PEERS, clean_env, get
from support.relay import Relay

EARLY = [("Accept", "text/event-stream"), ("MCP-Protocol-Version", "2025-11-25")]
SERVERS = ["python-1.30.0", "fastmcp-2.14.7", "python-2.3.0", "fastmcp-4.2.3"]


@pytest.mark.parametrize("name", SERVERS)
def test_early_get(name: str, sidecar_of) -> None:
    sidecar = sidecar_of(name)
    ledger = Ledger()
    for connection in sidecar.connections(ledger):
        with connection:
            connection.send("GET", "/mcp", EARLY)
            refusal = connection.receive()
            assert refusal.head.status == 400
            error = json.loads(refusal.body)
            assert error["id"] in (None, "server-error")
    samples = after(sidecar, len(ledger.exchanges))
    code = str(error["error"]["code"])
    assert total(samples, "mcp_protocol_errors_total", error_code=code, method="none") == len(ledger.exchanges)
    assert total(samples, "mcp_stream_opens_total", status="error") == len(ledger.exchanges)
    assert operations(samples) == {}
    assert alarms(samples) == {}


def test_nothing_of_mcp_in_the_headers(sidecar_of) -> None:
    """Without a header of MCP the same GET is not counted."""
    sidecar = sidecar_of("python-1.30.0")
    with Connection(sidecar.port) as connection:
        connection.send("GET", "/mcp", [("Accept", "text/event-stream")])
        assert connection.receive().head.status == 400
    samples = after(sidecar, 1)
    assert total(samples, "mcp_protocol_errors_total") == 0
    assert operations(samples) == {}
    assert alarms(samples) == {}


def test_the_client_of_the_ai_sdk(sidecar_of) -> None:
    """It tries 2026-07-28 first, then requests a stream, then starts a session, whose stream it may request twice."""
    sidecar = sidecar_of("python-1.30.0")
    get("node-peers")
    relay = Relay(sidecar.port)
    program = ["node", str(PEERS / "node/ai-sdk.mjs"), f"http://127.0.0.1:{relay.port}/mcp", "echo", '{"text": "hello"}']
    done = subprocess.run(program, capture_output=True, text=True, timeout=180, env=clean_env())
    exchanges = relay.close().exchanges
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr[-3000:]
    # The client may leave before its last stream has begun.
    gets = [exchange for exchange in exchanges if exchange.request.verb == "GET" and exchange.response is not None]
    refused = [exchange for exchange in gets if exchange.response.status >= 400]
    assert refused and all(b'"server-error"' in exchange.response_body for exchange in refused), "the pair no longer does this"
    samples = after(sidecar, len(exchanges))
    assert operations(samples) == {
        ("server/discover", "negotiation"): 1,
        ("initialize", "ok"): 1,
        ("tools/list", "ok"): 1,
        ("tools/call", "ok"): 1,
    }
    assert total(samples, "mcp_protocol_errors_total", error_code="-32600", method="none") == len(refused)
    assert alarms(samples) == {}
