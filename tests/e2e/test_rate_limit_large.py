"""Bodies above the 64 KiB that are held, and above the 1 MiB that Envoy buffers, of which a first part comes alone."""

import fcntl
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

from support.client import JSON, Connection
from support.http1 import chunk, last_chunk
from support.limited import TOOLS, Limited, of_length, outcomes_of, running
from support.processes import wait_for
from support.stub import Stub

SIZES = [70_000, 1_100_000, 5_000_000]
# The length of the part that comes first.
FIRST = 100


@pytest.fixture
def passing(stub: Stub, logs: Path):
    with running(stub, logs, "rate-limit-large-pass") as sidecar:
        yield sidecar


@contextmanager
def after_first_part(sidecar: Limited, body: bytes, framing: tuple[str, str], part: bytes) -> Iterator[Connection]:
    """Sends the first part of a body, and waits until Envoy has read it. The caller sends the rest. The body passes whole and is counted."""
    with closing(Connection(sidecar.port)) as connection:
        connection.begin("POST", sidecar.path, [("Host", "a"), *JSON, framing], body, part)
        wait_for("the first part", lambda: received(sidecar) > FIRST)
        yield connection
        assert connection.receive().head.status == 200
    assert sidecar.bodies() == [body]
    wait_for("the body to be counted", lambda: outcomes_of(sidecar.samples())["unread"] == 1)


@pytest.mark.parametrize("size", SIZES)
def test_large_body_passes_whole_although_its_first_part_comes_alone(passing: Limited, size: int) -> None:
    body = of_length(next(TOOLS), size)
    with after_first_part(passing, body, ("Content-Length", str(size)), body[:FIRST]) as connection:
        connection.socket.sendall(body[FIRST:])


@pytest.mark.parametrize("size", SIZES)
def test_large_body_of_unknown_length_passes_whole(passing: Limited, size: int) -> None:
    """The filter learns only from the second part that the body is too long. Envoy has read up to 1 MiB of it then."""
    body = of_length(next(TOOLS), size)
    with after_first_part(passing, body, ("Transfer-Encoding", "chunked"), chunk(body[:FIRST])) as connection:
        with stopped(passing):
            sender = Thread(target=connection.socket.sendall, args=[chunk(body[FIRST:]) + last_chunk()])
            sender.start()
            wait_for("Envoy's buffer to be full", lambda: not sender.is_alive() or unacknowledged(connection) > 0)
        sender.join()


@contextmanager
def stopped(sidecar: Limited) -> Iterator[None]:
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


def test_large_body_is_refused_at_its_headers(stub: Stub, logs: Path) -> None:
    fields = [("Host", "a"), *JSON, ("Content-Length", "70000")]
    with running(stub, logs, "rate-limit-large-refuse", unread="refuse") as sidecar:
        with closing(Connection(sidecar.port)) as connection:
            connection.begin("POST", sidecar.path, fields, b"")
            assert connection.receive().head.status == 429
        wait_for("the body to be counted", lambda: outcomes_of(sidecar.samples())["unread"] == 1)


def received(sidecar: Limited) -> int:
    """Bytes that Envoy has read on the MCP listener."""
    return int(sidecar.admin(r"/stats?filter=^http\.mcp\.downstream_cx_rx_bytes_total$").rpartition(":")[2])
