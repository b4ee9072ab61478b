"""A listener that is replaced under load, with a rate limit: every held request gets an answer, and the buckets stay as they are.

The rule admits its burst and no more within the test, so a bucket that a new plugin or a new VM fills again shows as another number.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from support import http1
from support.cases import CALL
from support.client import JSON, Connection
from support.limited import DAY_MS, config_file, outcomes_of
from support.plain_envoy import every
from support.processes import wait_for
from support.sidecar import Sidecar
from support.stub import Stub
from truth.account import Account
from truth.envoy import FileListenerEnvoy

NAME = "upstream"
BURST = 30
CALLERS = 8
HELD = 20
# The second is the VM's: a VM with another configuration replaces the old one, with all its state.
CHANGES = [({"limits": {"error_codes": 31}}, ""), ({}, "1"), ({"limits": {"error_codes": 32}}, "1"), ({}, "2")]


@pytest.fixture
def envoy(server: Stub, logs: Path, request: pytest.FixtureRequest):
    name = request.node.name
    rule = {"name": "calls", "method": "tools/call", "requests": 1, "interval_ms": DAY_MS, "burst": BURST}
    model = Sidecar(server.port, logs, f"{name}-model", MCP_FILTER_CONFIG=config_file(logs, name, rules=[rule]))
    try:
        # All held requests end within the drain, also on a busy machine: a drained listener closes them.
        drains = ("--drain-time-s", "15", "--drain-strategy", "immediate")
        envoy = FileListenerEnvoy(model, server.port, Account(NAME), logs, name, *drains)
    finally:
        model.stop()
    yield envoy
    envoy.stop()


def hold(envoy: FileListenerEnvoy) -> Connection:
    """Sends a call without its last byte."""
    connection = Connection(envoy.port)
    connection.begin("POST", "/mcp", [("Host", "a"), *JSON, ("Content-Length", str(len(CALL)))], CALL, CALL[:-1])
    return connection


def finish(connection: Connection) -> int:
    connection.socket.sendall(CALL[-1:])
    message = connection.receive()
    assert message.complete
    return message.head.status


def active(envoy: FileListenerEnvoy) -> int:
    """Requests of which Envoy has the headers, and that have no answer yet."""
    (manager, *_) = every(envoy.listener, "stat_prefix")
    return int(envoy.admin(f"/stats?filter=^http\\.{manager['stat_prefix']}\\.downstream_rq_active$").rpartition(":")[2])


def gauges(envoy: FileListenerEnvoy) -> dict[str, float]:
    families = ("mcp_requests_in_flight", "mcp_active_connections")
    return {family: value for (family, _), value in envoy.samples().items() if family in families}


def check_counts(envoy: FileListenerEnvoy, statuses: Counter) -> None:
    assert set(statuses) <= {200, 429}, statuses
    assert statuses[200] == BURST, statuses
    expected = Counter(allowed=BURST, limited=statuses[429])
    wait_for("the answers to be counted", lambda: outcomes_of(envoy.samples()) == expected)
    wait_for("nothing to be in flight", lambda: set(gauges(envoy).values()) == {0} and len(gauges(envoy)) == 2)
    assert active(envoy) == 0
    envoy.check_log()


@pytest.mark.parametrize("change", CHANGES[:2], ids=["plugin", "vm"])
def test_held_requests_are_answered_after_the_change(envoy: FileListenerEnvoy, change) -> None:
    before = [hold(envoy) for _ in range(HELD)]
    left, kept = hold(envoy), hold(envoy)
    wait_for("the requests to be held", lambda: active(envoy) == HELD + 2)
    envoy.update(*change)
    after = [hold(envoy) for _ in range(HELD)]
    wait_for("more requests to be held", lambda: active(envoy) == 2 * HELD + 2)
    left.close()
    # Answers of the old and of the new plugin in turn.
    statuses = Counter(finish(connection) for pair in zip(before, after, strict=True) for connection in pair)
    wait_for("the listener to be drained", lambda: envoy.draining() == 0)
    # The request whose end never came goes with its listener, without an answer.
    with closing(kept), pytest.raises((http1.Truncated, OSError)):
        kept.receive()
    for connection in (*before, *after):
        connection.close()
    check_counts(envoy, statuses)


def call_until(envoy: FileListenerEnvoy, stop: threading.Event) -> Counter:
    """Calls again and again, each time in two segments, so that the request is held in between."""
    statuses: Counter = Counter()
    while not stop.is_set():
        with closing(hold(envoy)) as connection:
            statuses[finish(connection)] += 1
    return statuses


def test_bucket_is_not_filled_again_by_changes_under_load(envoy: FileListenerEnvoy) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(call_until, envoy, stop) for _ in range(CALLERS)]
        try:
            wait_for("calls to be refused", lambda: outcomes_of(envoy.samples())["limited"] > 0)
            for change in CHANGES:
                before = outcomes_of(envoy.samples())["limited"]
                envoy.update(*change)
                wait_for("more calls to be refused", lambda: outcomes_of(envoy.samples())["limited"] > before + 10 * CALLERS)
        finally:
            stop.set()
        statuses = sum((caller.result() for caller in callers), Counter())
    wait_for("the listeners to be drained", lambda: envoy.draining() == 0)
    check_counts(envoy, statuses)
