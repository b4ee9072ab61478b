"""Calls at the edge of the servers' idle timeouts: Node and uvicorn close an idle connection after 5 s.

A proxy that reuses a connection which the server is just closing loses the call, and must not retry it,
since calls are not idempotent. One call every 4.5 to 5.5 s for two minutes must all be answered.
"""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.cases import rpc
from support.client import JSON, Connection
from support.exchange import Ledger
from support.sidecar import Sidecar

SECONDS = 120.0
GAP = (4.5, 5.5)
SERVERS = {"everything": {"message": "a"}, "python-2.3.0": {"text": "a"}}
INITIALIZE = rpc(
    "initialize",
    {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "soak", "version": "1"}},
)


@pytest.mark.soak
def test_no_call_is_lost(peer, logs) -> None:
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(call_for_a_while, name, peer(name).port, logs) for name in SERVERS]
    calls = [run.result() for run in runs]
    assert min(calls) >= SECONDS / GAP[1] - 1


def call_for_a_while(name: str, port: int, logs) -> int:
    sidecar = Sidecar(port, logs, f"soak-{name}", MCP_UPSTREAM_NAME=name)
    try:
        ledger = Ledger()
        first, second = sidecar.connections(ledger)
        session = first.post(INITIALIZE).head.get("mcp-session-id")
        headers = [*JSON, ("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-06-18")]
        first.post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}', headers)
        end = time.monotonic() + SECONDS
        calls = 0
        gaps = random.Random(name)
        while time.monotonic() < end:
            for connection in (first, second):
                call(connection, headers, SERVERS[name], calls)
                calls += 1
            time.sleep(gaps.uniform(*GAP))
        for connection in (first, second):
            connection.close()
        sidecar.check(ledger)
        return calls // 2
    finally:
        sidecar.stop()


def call(connection: Connection, headers, arguments: dict, number: int) -> None:
    answer = connection.post(rpc("tools/call", {"name": "echo", "arguments": arguments}, id=number), headers)
    assert answer.head.status == 200, answer.head.start
    assert b'"result"' in answer.body and answer.complete
