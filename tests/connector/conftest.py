"""Fixtures of the suite. `scripts/test-connector.sh` builds what they need and sets its paths in the environment."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.peers import Peer
from support.sidecar import Sidecar
from support.suite import prepare, started_once

pytest_plugins = ["support.fixtures"]


def pytest_configure() -> None:
    prepare("scripts/test-connector.sh")


@pytest.fixture(scope="module")
def peer(logs: Path) -> Iterator[Callable[[str], Peer]]:
    """Starts a server with HTTP by name, once for each file of tests."""
    with started_once(lambda name: Peer(name, logs)) as start:
        yield start


@pytest.fixture
def run(logs: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Sidecar]]:
    """`run(COMMAND, SETTING=…)` starts `mcp-sidecar run -- COMMAND`, for this test only."""
    running: list[Sidecar] = []

    def start(command: list[str], **settings: str) -> Sidecar:
        name = f"{request.node.name}-{len(running)}".replace("/", "-").replace(" ", "-")
        running.append(Sidecar(command, logs, name, **settings))
        return running[-1]

    yield start
    for sidecar in running:
        sidecar.stop()
