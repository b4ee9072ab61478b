"""The server is down, or refuses a request because of its headers. Each attempt of a client is counted, also if headers and body come
separately.

httpx sends the body after the headers, so the response may arrive before the body. Then the filter knows the method only from the
headers.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import command
from counts import after, alarms, operations
from support.matrix import Row
from support.peers import PEERS, clean_env, get
from support.posting import LIBRARIES, post
from support.processes import Process, accepts, free_port, wait_for
from support.relay import Relay
from support.rows import drive
from support.sidecar import Sidecar

ATTEMPTS = 40
CLIENTS = [
    "python-1.30.0",
    "python-2.3.0",
    "fastmcp-2.14.7",
    "fastmcp-4.2.3",
    "typescript-1.32.2",
    "typescript-2.4.0",
    "go-sdk-1.8.0",
    "mcp-go-1.2.1",
]
METHODS = {"initialize", "unseen"}


@pytest.fixture(scope="module")
def protected(logs: Path) -> Iterator[Sidecar]:
    """A sidecar in front of a server of the Python SDK that requires a token, and refuses after the headers."""
    port = free_port()
    start = [get("python", "e2e"), str(PEERS / "mcp_auth.py"), str(port), f"http://127.0.0.1:{port}"]
    server = Process(start, logs / "protected.log", clean_env())
    wait_for("the server to listen", lambda: accepts(port), process=server)
    sidecar = Sidecar(port, logs, "protected")
    yield sidecar
    sidecar.stop()
    server.stop()


def check(sidecar: Sidecar, before: Counter, exchanges: int, attempts: int, error_type: str) -> None:
    """Checks that every attempt ended with this outcome, under its method if that was seen."""
    samples = after(sidecar, exchanges)
    ended = operations(samples) - before
    assert sum(ended.values()) == attempts, ended
    assert {method for method, _ in ended} <= METHODS
    assert {end for _, end in ended} == {error_type}
    assert alarms(samples) == {}


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_attempt_is_counted(library: str, down: Sidecar) -> None:
    before = operations(down.samples())
    assert post(library, down.port, ATTEMPTS) == [503] * ATTEMPTS
    check(down, before, ATTEMPTS, ATTEMPTS, "upstream_unavailable")


@pytest.mark.parametrize("library", LIBRARIES)
def test_refused_by_the_headers(library: str, protected: Sidecar) -> None:
    before = operations(protected.samples())
    assert post(library, protected.port, ATTEMPTS) == [401] * ATTEMPTS
    check(protected, before, ATTEMPTS, ATTEMPTS, "unauthorized")


@pytest.mark.parametrize("client", CLIENTS)
def test_client_of_an_sdk(client: str, down: Sidecar) -> None:
    """The number of attempts is the client's: it may try again after the first one."""
    before = operations(down.samples())
    relay = Relay(down.port)
    drive(Row(client, "down", "2025-11-25", [], sessions=1, mode="legacy"), relay.port, command)
    exchanges = relay.close().exchanges
    # The response may close a connection before the relay has read the body. So everything that is not seen to be a notification is a
    # request.
    asked = [exchange for exchange in exchanges if b"notifications/" not in exchange.request_body]
    assert asked and {exchange.request.verb for exchange in exchanges} == {"POST"}
    check(down, before, len(exchanges), len(asked), "upstream_unavailable")
