"""Bodies above the 64 KiB that are held, and above the 1 MiB that Envoy buffers, of which a first part comes alone."""

import fcntl
import json
import os
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

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


@pytest.mark.parametrize("size", [70_000, 1_100_000, 5_000_000])
def test_large_body_of_unknown_length_passes_whole(passing: Sidecar, stub: Stub, size: int) -> None:
    """The filter learns only from the second part that the body is too long. Envoy has read up to 1 MiB of it then."""
    bodies: list[bytes] = []
    stub.on("/mcp", lambda request, wire: (bodies.append(request.body), wire.json(200, RESULT)))
    body = rpc("tools/call", {"name": "a", "arguments": {"text": "x" * size}})
    with closing(Connection(passing.port)) as connection:
        fields = [("Host", "a"), *JSON, ("Transfer-Encoding", "chunked")]
        connection.begin("POST", "/mcp", fields, body, chunk(body[:FIRST]))
        wait_for("the first part", lambda: received(passing) > FIRST)
        with stopped(passing):
            sender = Thread(target=connection.socket.sendall, args=[chunk(body[FIRST:]) + chunk(b"")])
            sender.start()
            wait_for("Envoy's buffer to be full", lambda: not sender.is_alive() or unacknowledged(connection) > 0)
        sender.join()
        assert connection.receive().head.status == 200
    assert bodies == [body]
    wait_for("the body to be counted", lambda: unread(passing) == 1)


@contextmanager
def stopped(sidecar: Sidecar) -> Iterator[None]:
    """Envoy reads nothing meanwhile, so that it has a lot to read at once afterwards."""
    children = subprocess.check_output(["pgrep", "-P", str(sidecar.process.pid)], text=True).split()
    for child in children:
        os.kill(int(child), signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            os.kill(int(child), signal.SIGCONT)


def unacknowledged(connection: Connection) -> int:
    """Bytes that the kernel has to send. There are some when the receiver's buffer is full."""
    return struct.unpack("i", fcntl.ioctl(connection.socket, termios.TIOCOUTQ, bytes(4)))[0]


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)


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
