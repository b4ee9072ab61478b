"""Fixtures of several suites. A suite's conftest has this module in `pytest_plugins`."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .sidecar import Sidecar


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of all logs of this run; pytest keeps those of the last three runs."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def down(logs: Path) -> Iterator[Sidecar]:
    """A sidecar with a server whose port refuses connections. No other process can use that port."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        sidecar = Sidecar(reserved.getsockname()[1], logs, "down")
        yield sidecar
        sidecar.stop()
