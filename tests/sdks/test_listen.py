"""`subscriptions/listen` of the Go SDK's client over HTTP+SSE: the HTTP response to the POST is 202, and the messages come on the stream."""

import json
import subprocess

import pytest

from clients import command
from counts import after, alarms, operations, total
from support.peers import clean_env
from support.relay import Relay

# Over Streamable HTTP the server ends the cancelled stream with a response.
WAYS = [
    pytest.param("mcp-go-1.2.1", "http_sse", "/sse", id="HTTP+SSE"),
    pytest.param("go-sdk-1.8.0", "streamable_http", "/modern", id="Streamable HTTP"),
]
CALL = {"method": "tools/call", "name": "echo", "arguments": {"text": "a"}}


@pytest.mark.parametrize("name, transport, endpoint", WAYS)
def test_listen(name: str, transport: str, endpoint: str, sidecar_of) -> None:
    sidecar = sidecar_of(name)
    relay = Relay(sidecar.port)
    plan = {
        "url": f"http://127.0.0.1:{relay.port}{endpoint}",
        "transport": transport,
        "mode": "auto",
        "sessions": 1,
        "listens": True,
        "operations": [{"method": "tools/list"}, CALL],
    }
    client = subprocess.run(
        [*command("go-sdk-1.8.0"), json.dumps(plan)], capture_output=True, text=True, timeout=180, env=clean_env()
    )
    exchanges = relay.close().exchanges
    assert client.returncode == 0, client.stderr[-3000:]
    told = b"".join(exchange.response_body for exchange in exchanges)
    assert b"notifications/subscriptions/acknowledged" in told, "the pair no longer does what this test is for"
    samples = after(sidecar, len(exchanges))
    ended = operations(samples)
    listened = {end: count for (method, end), count in ended.items() if method == "subscriptions/listen"}
    assert sum(listened.values()) == 1
    # The client may cancel the subscription, or only leave.
    assert set(listened) <= {"ok", "cancelled"}
    assert ended["tools/call", "ok"] == ended["tools/list", "ok"] == 1
    assert total(samples, "mcp_notifications_total", method="notifications/subscriptions/acknowledged", direction="out") == 1
    assert alarms(samples) == {}
