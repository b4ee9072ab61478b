"""A server mounted at `/mcp/` that sends clients who ask for `/mcp` there by 307: the detour is no fault, and the calls are counted."""

import pytest

from clients import command
from counts import after, alarms, operations
from support.matrix import LISTS, Row, call
from support.relay import Relay
from support.rows import drive

SERVER = "fastmcp-4.2.3-slash"
OPERATIONS = [*LISTS, call("echo", text="a"), call("fails", "tool_error")]
CLIENTS = ["python-1.30.0", "typescript-1.32.2", "go-sdk-1.8.0"]


@pytest.mark.parametrize("client", CLIENTS)
def test_redirected(client: str, sidecar_of) -> None:
    row = Row(client, SERVER, "2025-11-25", OPERATIONS, mode="legacy")
    sidecar = sidecar_of(SERVER)
    relay = Relay(sidecar.port)
    done = drive(row, relay.port, command)
    exchanges = relay.close().exchanges
    assert done.returncode == 0, done.stderr[-3000:]
    sent_on = [
        exchange for exchange in exchanges
        if exchange.response is not None and exchange.response.status == 307 and b'"id":' in exchange.request_body
    ]
    # Every request of the sessions took the detour.
    assert len(sent_on) == (len(OPERATIONS) + 1) * row.sessions
    samples = after(sidecar, len(exchanges))
    ended = operations(samples)
    methods = ["initialize", *(operation.method for operation in OPERATIONS)]
    assert ended == {
        **{(method, "redirected"): methods.count(method) * row.sessions for method in methods},
        **{(method, "ok"): row.sessions for method in methods},
        ("tools/call", "tool_error"): row.sessions,
    }
    assert alarms(samples) == {}
