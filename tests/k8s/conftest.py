"""Fixtures of the suite. `scripts/test-k8s.sh` builds what it needs and names it in the environment."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import charts
from harness.cluster import Cluster
from support.peers import get

BUILT = {"MCP_SIDECAR": "the launcher", "MCP_FILTER_WASM": "the filter module"}


def pytest_configure() -> None:
    missing = [f"{name} ({what})" for name, what in BUILT.items() if not Path(os.environ.get(name, "")).is_file()]
    if missing:
        raise pytest.UsageError("not built: " + ", ".join(missing) + "; run scripts/test-k8s.sh")
    # A run that is told to stop still ends its processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server that knows Prometheus Operator's resources."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.install(Path(get("crds")))
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a chart renders that has ours as a library."""
    return charts.rendered(charts.template({}, charts.with_dependency(tmp_path_factory.mktemp("library")), release="library"))
