"""Bodies above the 64 KiB that are held, and above the 1 MiB that Envoy buffers, of which a first part comes alone."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.cases import RESULT, rpc
from support.client import JSON, Connection
from support.processes import wait_for
from support.sidecar import Sidecar
from support.stub import Stub

DAY_MS = 86_400_000
FIRST = 100


def start(stub: Stub, logs: Path, unread: str) -> Iterator[Sidecar]:
    rule = {"name": "calls", "method": "tools/call", "requests": 1, "interval_ms": DAY_MS}
    config = logs / f"rate-limit-large-{unread}.json"
    config.write_text(json.dumps({"rate_limit": {"unread": unread, "rules": [rule]}}))
    sidecar = Sidecar(stub.port, logs, f"rate-limit-large-{unread}", MCP_FILTER_CONFIG=str(config))
    yield sidecar
    sidecar.stop()


@pytest.fixture
def passing(stub: Stub, logs: Path):
    yield from start(stub, logs, "pass")


@pytest.fixture
def refusing(stub: Stub, logs: Path):
    yield from start(stub, logs, "refuse")


def unread(sidecar: Sidecar) -> int:
    counts = [value for (family, labels), value in sidecar.samples().items()
              if family == "mcp_rate_limit_total" and dict(labels)["outcome"] == "unread"]
    return int(sum(counts))


@pytest.mark.parametrize("size", [70_000, 1_100_000, 5_000_000])
def test_large_body_passes_whole_although_its_first_part_comes_alone(passing: Sidecar, stub: Stub, size: int) -> None:
    bodies: list[bytes] = []
    stub.on("/mcp", lambda request, wire: (bodies.append(request.body), wire.json(200, RESULT)))
    body = rpc("tools/call", {"name": "a", "arguments": {"text": "x" * size}})
    with closing(Connection(passing.port)) as connection:
        fields = [("Host", "a"), *JSON, ("Content-Length", str(len(body)))]
        connection.begin("POST", "/mcp", fields, body, body[:FIRST])
        # Envoy has read the first part before the rest comes.
        wait_for("the first part", lambda: received(passing) > FIRST)
        connection.socket.sendall(body[FIRST:])
        assert connection.receive().head.status == 200
    assert bodies == [body]
    wait_for("the body to be counted", lambda: unread(passing) == 1)


def test_large_body_is_refused_at_its_headers(refusing: Sidecar, stub: Stub) -> None:
    stub.on("/mcp", lambda request, wire: wire.json(200, RESULT))
    fields = [("Host", "a"), *JSON, ("Content-Length", "70000")]
    with closing(Connection(refusing.port)) as connection:
        connection.begin("POST", "/mcp", fields, b"")
        assert connection.receive().head.status == 429
    wait_for("the body to be counted", lambda: unread(refusing) == 1)


def received(sidecar: Sidecar) -> int:
    """Bytes that Envoy has read on the MCP listener."""
    return int(sidecar.admin(r"/stats?filter=^http\.mcp\.downstream_cx_rx_bytes_total$").rpartition(":")[2])
