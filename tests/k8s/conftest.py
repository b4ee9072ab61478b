"""Fixtures of the suite. `scripts/test-k8s.sh` builds what it needs and sets its paths in the environment."""

from collections.abc import Iterator

import pytest

from harness import charts
from harness.cluster import Cluster, with_operator
from support.suite import prepare

def pytest_configure() -> None:
    prepare("scripts/test-k8s.sh")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with Prometheus Operator's resource definitions."""
    with with_operator(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The objects of a chart that has this chart as a dependency."""
    return charts.rendered(charts.template({}, charts.with_dependency(tmp_path_factory.mktemp("library")), release="library"))
