"""A client of 2026-07-28 with a server that does not support it and refuses every call: mcp-go's client accepts any response to
`server/discover`, and the Go SDK answers it although its sessions use older protocol versions.
"""

from clients import command
from counts import after, alarms, operations
from support.matrix import LISTS, Row, call, prompt, read
from support.relay import Relay
from support.rows import drive

OPERATIONS = [*LISTS, call("echo", text="a"), call("fails"), read("notes://today"), prompt("summary", topic="tea")]
ROW = Row("mcp-go-1.2.1", "go-sdk-1.8.0", "2026-07-28", OPERATIONS)


def test_calls_are_errors_and_probes_are_none(sidecar_of) -> None:
    sidecar = sidecar_of(ROW.server)
    relay = Relay(sidecar.port)
    client = drive(ROW, relay.port, command)
    exchanges = relay.close().exchanges
    assert client.returncode == 0, client.stderr[-3000:]
    refused = [exchange for exchange in exchanges if b'"code":-32022' in exchange.response_body]
    assert len(refused) == len(OPERATIONS) * ROW.sessions, "the pair no longer does what this test is for"
    samples = after(sidecar, len(exchanges))
    assert operations(samples) == {
        ("server/discover", "ok"): ROW.sessions,
        **{(operation.method, "negotiation"): ROW.sessions for operation in LISTS},
        ("tools/call", "rpc_error"): 2 * ROW.sessions,
        ("resources/read", "rpc_error"): ROW.sessions,
        ("prompts/get", "rpc_error"): ROW.sessions,
    }
    assert alarms(samples) == {}
