"""Clients that probe for the transport, as the specification describes, with servers of 2024-11-05: first a POST of `initialize`, and if
it is refused, a GET of the stream. The refusal is not counted as a failure if the filter knows that the server uses HTTP+SSE.
"""

import json
import subprocess
from collections import Counter

import pytest

from counts import after, alarms, operations
from support.clients import PACKAGES
from support.peers import NODE, clean_env
from support.relay import Relay

# The status with which the server refuses, and the outcome of a POST before the first `endpoint` event.
SERVERS = [
    pytest.param("python-1.30.0-sse", 405, "negotiation", id="405 of the Python SDK"),
    pytest.param("fastmcp-4.2.3-sse", 405, "negotiation", id="405 of FastMCP"),
    pytest.param("everything-sse", 404, "http_error", id="404 of Express"),
    pytest.param("supergateway-4.0.0-sse", 404, "http_error", id="404 of supergateway"),
]


def probe(port: int) -> int:
    """A client probes, calls a tool and leaves. Returns the status of the POST."""
    plan = {"package": PACKAGES["typescript-1.32.2"], "url": f"http://127.0.0.1:{port}/sse"}
    client = subprocess.run(
        ["node", str(NODE / "probe.mjs"), json.dumps(plan)], capture_output=True, text=True, timeout=180, env=clean_env()
    )
    assert client.returncode == 0, client.stderr[-3000:]
    return int(client.stdout)


@pytest.mark.parametrize("name, status, first", SERVERS)
def test_probing(name: str, status: int, first: str, sidecar_of) -> None:
    sidecar = sidecar_of(name)
    relay = Relay(sidecar.port)
    for _ in range(3):
        assert probe(relay.port) == status
    exchanges = relay.close().exchanges
    samples = after(sidecar, len(exchanges))
    ended = operations(samples)
    began = {end: count for (method, end), count in ended.items() if method == "initialize"}
    assert began == Counter({"ok": 3, "negotiation": 2}) + Counter({first: 1})
    assert ended["tools/list", "ok"] == 3
    assert alarms(samples) == {}
