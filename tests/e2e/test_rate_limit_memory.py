"""A client that invents a session for every request: the rule per session admits no more than its buckets, and memory stays flat."""

import re
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.cases import CALL
from support.client import DEADLINE, JSON
from support.limited import DAY_MS, config_file, outcomes_of
from support.processes import wait_for
from support.sidecar import WORKERS, Sidecar
from support.stub import Stub

SESSIONS, FIRST = 100_000, 20_000
# The filter's bound for one rule.
BUCKETS = 1024
CONNECTIONS = 32
# The value of a rule has at most 24 KiB. The rest is the allocators' and V8's.
MOST_GROWTH_KIB = 3 * 1024
RESPONSE = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\ncontent-length: (\d+)\r\n.*?\r\n\r\n", re.DOTALL | re.IGNORECASE)


@pytest.fixture
def sidecar(server: Stub, logs: Path):
    rule = {"name": "calls", "method": "tools/call", "per": "session", "requests": 1, "interval_ms": DAY_MS}
    config = config_file(logs, "rate-limit-memory", rules=[rule])
    sidecar = Sidecar(server.port, logs, "rate-limit-memory", MCP_FILTER_CONFIG=config)
    yield sidecar
    sidecar.stop()


@pytest.mark.soak
def test_invented_sessions_share_a_bounded_number_of_buckets(sidecar: Sidecar) -> None:
    statuses = call(sidecar.port, range(FIRST))
    # Every bucket holds one request, and comes back only after a day.
    assert statuses == {200: BUCKETS, 429: FIRST - BUCKETS}
    wait_for("the counts", lambda: outcomes_of(sidecar.samples()) == Counter(allowed=BUCKETS, limited=FIRST - BUCKETS))
    before, series = resident_kib(sidecar), len(sidecar.samples())
    statuses = call(sidecar.port, range(FIRST, SESSIONS))
    assert statuses == {429: SESSIONS - FIRST}
    wait_for("the counts", lambda: outcomes_of(sidecar.samples())["limited"] == SESSIONS - BUCKETS)
    assert len(sidecar.samples()) == series
    growth = resident_kib(sidecar) - before
    print(f"resident memory: {before} KiB after {FIRST} sessions, {growth:+} KiB after {SESSIONS}")
    assert growth < MOST_GROWTH_KIB
    assert len([count for count in sidecar.accepted() if count]) == WORKERS
    sidecar.check_log()


def call(port: int, sessions: range) -> Counter[int]:
    """Calls once in each session: one request on each connection, then the responses. Returns the HTTP statuses."""
    statuses: Counter[int] = Counter()
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE)) for _ in range(CONNECTIONS)]
        for first in range(0, len(sessions), CONNECTIONS):
            sent = list(zip(sockets, sessions[first : first + CONNECTIONS]))
            for connection, session in sent:
                connection.sendall(request(session))
            for connection, _ in sent:
                statuses[status(connection)] += 1
    return statuses


def status(connection: socket.socket) -> int:
    """Reads one response with a content length."""
    data = b""
    while not (match := RESPONSE.match(data)) or len(data) < match.end() + int(match[2]):
        piece = connection.recv(4096)
        assert piece, "Envoy closed the connection"
        data += piece
    return int(match[1])


def request(session: int) -> bytes:
    fields = [("Host", "a"), *JSON, ("Mcp-Session-Id", f"invented-{session}"), ("Content-Length", str(len(CALL)))]
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"POST /mcp HTTP/1.1\r\n{lines}\r\n".encode() + CALL


def resident_kib(sidecar: Sidecar) -> int:
    """Resident memory of Envoy, which is the launcher's only child."""
    pid = sidecar.process.pid
    (envoy,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{envoy}/status").read_text())[1])
