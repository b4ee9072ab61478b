"""Fixtures of the suite. `scripts/test-istio.sh` builds what it needs and sets its paths in the environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.cluster import Cluster
from support.peers import get
from support.suite import prepare

from mesh.istiod import Istiod
from mesh.registry import Registry


def pytest_configure() -> None:
    prepare("scripts/test-istio.sh", "MCP_FILTER_WASM")


@pytest.fixture(scope="session")
def module() -> Path:
    return Path(os.environ["MCP_FILTER_WASM"])


@pytest.fixture(scope="session")
def istiod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Istiod]:
    """istiod on an API server with the resource definitions of Istio, the Gateway API and Prometheus Operator."""
    directory = tmp_path_factory.mktemp("mesh")
    cluster = Cluster(directory)
    try:
        cluster.install(Path(get("istio")) / "definitions")
        cluster.install(Path(get("crds")))
        istiod = Istiod(cluster, directory)
        yield istiod
        istiod.stop()
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def registry(module: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = Registry(tmp_path_factory.mktemp("registry"), module)
    yield registry
    registry.stop()
