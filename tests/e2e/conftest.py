"""Fixtures of the end-to-end suite. `scripts/test-e2e.sh` builds what they need and sets its paths in the environment."""

from pathlib import Path

import pytest

from support.cases import RESULT, answers
from support.limited import running
from support.peers import Peer
from support.sidecar import Sidecar
from support.stub import Stub
from support.suite import prepare, started_once

pytest_plugins = ["support.fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: takes minutes; run by scripts/test-e2e.sh -m soak")
    config.addinivalue_line("markers", "loadtest: needs the load test built; run by scripts/test-loadtest.sh")
    prepare("scripts/test-e2e.sh")


@pytest.fixture(scope="module")
def stub():
    stub = Stub()
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def stub_sidecar(stub: Stub, logs: Path, request: pytest.FixtureRequest):
    """A sidecar in front of the stub, shared by the tests of one file. Its series are compared once more at the end."""
    sidecar = Sidecar(stub.port, logs, request.module.__name__)
    yield sidecar
    try:
        sidecar.check()
    finally:
        sidecar.stop()


@pytest.fixture(scope="module")
def server(stub: Stub) -> Stub:
    """The stub as a server that responds to every call at /mcp."""
    stub.on("/mcp", answers(200, RESULT))
    return stub


@pytest.fixture(scope="module")
def limited(stub: Stub, logs: Path, request: pytest.FixtureRequest):
    """A sidecar with a rate limit, shared by the tests of one file. What is not read passes."""
    with running(stub, logs, request.module.__name__) as sidecar:
        yield sidecar


@pytest.fixture(scope="module")
def strict(stub: Stub, logs: Path, request: pytest.FixtureRequest):
    """The same, but what is not read is refused."""
    with running(stub, logs, f"{request.module.__name__}-strict", unread="refuse") as sidecar:
        yield sidecar


@pytest.fixture(scope="session")
def peer(logs: Path):
    """Starts a real MCP server by name, once per run."""
    with started_once(lambda name: Peer(name, logs)) as start:
        yield start
