"""Fixtures of the end-to-end suite. `scripts/test-e2e.sh` builds what they need and names it in the environment."""

import os
import signal
import sys
from pathlib import Path

import pytest

from support.peers import Peer
from support.sidecar import Sidecar
from support.stub import Stub

BUILT = {"MCP_SIDECAR": "the launcher", "MCP_FILTER_WASM": "the filter module"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: takes minutes; run by scripts/test-e2e.sh -m soak")
    config.addinivalue_line("markers", "loadtest: needs the load test built; run by scripts/test-loadtest.sh")
    missing = [f"{name} ({what})" for name, what in BUILT.items() if not Path(os.environ.get(name, "")).is_file()]
    if missing:
        raise pytest.UsageError("not built: " + ", ".join(missing) + "; run scripts/test-e2e.sh")
    # A run that is told to stop still ends its servers and Envoys.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every process of this run writes; pytest keeps the last three runs."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def stub():
    stub = Stub()
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def stub_sidecar(stub: Stub, logs: Path, request: pytest.FixtureRequest):
    """A sidecar before the stub, shared by the tests of one file; checked once more at the end."""
    sidecar = Sidecar(stub.port, logs, request.module.__name__)
    yield sidecar
    try:
        sidecar.check()
    finally:
        sidecar.stop()


@pytest.fixture(scope="session")
def peer(logs: Path):
    """Starts a real MCP server by name, once in the run."""
    running: dict[str, Peer] = {}

    def start(name: str) -> Peer:
        if name not in running:
            running[name] = Peer(name, logs)
        return running[name]

    yield start
    for server in running.values():
        server.stop()
