"""The module as an image in a registry: Istio's agent fetches it by digest, and traffic passes without it."""

from pathlib import Path

import pytest

from mesh.edge import Edge
from mesh.istiod import Istiod
from mesh.registry import Registry


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("image")


def test_the_agent_fetches_it_by_its_digest(istiod: Istiod, directory: Path, registry: Registry) -> None:
    edge = Edge(istiod, directory, "fetched")
    try:
        edge.apply(edge.plugin(registry.image, server_name="fetched"))
        proxy = edge.start()
        edge.counts(proxy, "any", "fetched")
    finally:
        edge.stop()


@pytest.mark.parametrize("place", ["@sha256:" + "0" * 64, ":no-such-tag"])
def test_traffic_passes_without_it(istiod: Istiod, directory: Path, registry: Registry, place: str) -> None:
    edge = Edge(istiod, directory, "missing" if place.startswith("@") else "untagged")
    url = registry.repository + place
    try:
        edge.apply(edge.plugin(url))
        proxy = edge.start()
        assert edge.call("unseen") == 200
        (said,) = {line.partition("error in converting")[2] for line in proxy.process.log().splitlines() if "error in converting" in line}
        assert url in said and "applying allow RBAC filter" in said, said
        assert "mcp_filter" not in proxy.page()
    finally:
        edge.stop()


def test_a_sha256_that_is_not_the_images(istiod: Istiod, directory: Path, registry: Registry) -> None:
    edge = Edge(istiod, directory, "other")
    plugin = edge.plugin(registry.image)
    plugin["spec"]["sha256"] = "0" * 64
    try:
        edge.apply(plugin)
        proxy = edge.start()
        assert edge.call("unseen") == 200
        assert "which does not match: " + "0" * 64 in proxy.process.log()
    finally:
        edge.stop()
