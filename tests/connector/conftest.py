"""Fixtures of the suite. `scripts/test-connector.sh` builds what they need and sets its paths in the environment."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from behaviour import LINE_BYTES
from families import LAST, alive, descendants
from servers import misbehaving
from session import Session
from support.peers import Peer
from support.processes import Process
from support.sidecar import Sidecar, launch
from support.suite import prepare, started_once

pytest_plugins = ["support.fixtures", "desktop"]


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


@pytest.fixture
def launched(logs: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Process]]:
    """`launched(COMMAND, SETTING=…)` starts the launcher without waiting for anything."""
    running: list[Process] = []

    def start(command: list[str], **settings: str) -> Process:
        running.append(launch(logs / f"{request.node.name}-{len(running)}.log".replace("/", "-"), command, **settings))
        return running[-1]

    yield start
    for process in running:
        process.stop()


@pytest.fixture(scope="module")
def misbehaving_sidecar(logs: Path, request: pytest.FixtureRequest) -> Iterator[Sidecar]:
    """For tests that need no settings. At its end no program is left."""
    started = Sidecar(misbehaving(), logs, request.module.__name__, MCP_STDIO_LINE_BYTES=str(LINE_BYTES))
    yield started
    everything = descendants(started.process.pid)
    started.stop(LAST)
    assert not alive(everything)


@pytest.fixture
def session(misbehaving_sidecar: Sidecar) -> Iterator[Session]:
    opened = Session(misbehaving_sidecar.port)
    yield opened
    opened.delete()
