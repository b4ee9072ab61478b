"""Fixtures of the suite. `scripts/test-sdks.sh` builds what they need and names it in the environment."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from servers import Servers
from support.sidecar import Sidecar

BUILT = {"MCP_SIDECAR": "the launcher", "MCP_FILTER_WASM": "the filter module"}


def pytest_configure() -> None:
    missing = [f"{name} ({what})" for name, what in BUILT.items() if not Path(os.environ.get(name, "")).is_file()]
    if missing:
        raise pytest.UsageError("not built: " + ", ".join(missing) + "; run scripts/test-sdks.sh")
    # A run that is told to stop still ends its servers and Envoys.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every process of this run writes; pytest keeps the last three runs."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def server(logs: Path) -> Iterator[Servers]:
    """Starts a server by name, once in a file."""
    servers = Servers(logs)
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def sidecars(server: Servers, logs: Path) -> Iterator[Callable[[str], Sidecar]]:
    """One sidecar per server, for all its clients."""
    running: dict[str, Sidecar] = {}

    def start(name: str) -> Sidecar:
        if name not in running:
            running[name] = Sidecar(server(name).port, logs, f"sidecar-{name}", MCP_UPSTREAM_NAME=name)
        return running[name]

    yield start
    for sidecar in running.values():
        sidecar.stop()


@pytest.fixture
def sidecar_of(server: Servers, logs: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Sidecar]]:
    """A sidecar of the test's own before a server, so that its counters hold what the test did and nothing else."""
    running: list[Sidecar] = []

    def start(name: str) -> Sidecar:
        running.append(Sidecar(server(name).port, logs, request.node.name.replace("/", "-"), MCP_UPSTREAM_NAME=name))
        return running[-1]

    yield start
    for sidecar in running:
        sidecar.stop()
