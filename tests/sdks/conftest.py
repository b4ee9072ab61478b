"""Fixtures of the suite. `scripts/test-sdks.sh` builds what they need and sets its paths in the environment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from servers import commands
from support.peers import Peer
from support.sidecar import Sidecar
from support.suite import prepare, started_once

pytest_plugins = ["support.fixtures"]


def pytest_configure() -> None:
    prepare("scripts/test-sdks.sh")


@pytest.fixture(scope="module")
def server(logs: Path) -> Iterator[Callable[[str], Peer]]:
    """Starts a server by name, once for each file of tests."""
    with started_once(lambda name: Peer(name, logs, commands)) as start:
        yield start


@pytest.fixture(scope="module")
def sidecars(server: Callable[[str], Peer], logs: Path) -> Iterator[Callable[[str], Sidecar]]:
    """One sidecar for each server, with all its clients."""
    with started_once(lambda name: Sidecar(server(name).port, logs, f"sidecar-{name}", MCP_UPSTREAM_NAME=name)) as start:
        yield start


@pytest.fixture
def sidecar_of(server: Callable[[str], Peer], logs: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Sidecar]]:
    """A sidecar in front of a server for this test only, so that its counters have only the test's traffic."""
    running: list[Sidecar] = []

    def start(name: str) -> Sidecar:
        running.append(Sidecar(server(name).port, logs, request.node.name.replace("/", "-"), MCP_UPSTREAM_NAME=name))
        return running[-1]

    yield start
    for sidecar in running:
        sidecar.stop()
