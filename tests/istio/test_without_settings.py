"""A mesh without the filter's labels: the symptoms that README.md lists, and the alert."""

from pathlib import Path

import pytest
from support.processes import wait_for
from support.series import series

from mesh import blind
from mesh.edge import Edge
from mesh.istiod import Istiod
from mesh.manifests import documented_annotation
from mesh.proxy import Proxy


@pytest.fixture
def edge(istiod: Istiod, tmp_path: Path, module: Path):
    edge = Edge(istiod, tmp_path, "untold")
    edge.apply(edge.plugin(module, server_name="orders"))
    yield edge
    edge.stop()


def is_blind(proxy: Proxy, directory: Path) -> bool:
    """Whether the alert fires."""
    samples = {series(family, instance="gateway", **dict(labels)): value for (family, labels), value in proxy.samples().items()}
    assert blind.compared(samples, blind.REQUESTS)
    return bool(blind.alerts(samples, directory))


def test_labels_are_part_of_names(edge: Edge, tmp_path: Path) -> None:
    proxy = edge.start(documented_annotation(), extraStatTags=[])
    assert edge.call("any") == 200
    wait_for("the call to be counted", lambda: "mcp_tool_calls_total" in proxy.page())
    names = {family for family, _ in proxy.samples()}
    assert "mcp_tool_calls_total" not in names
    # The stat name that README.md lists as a symptom.
    assert any(name.startswith("method___tools_call___server_name") for name in names), sorted(names)
    assert is_blind(proxy, tmp_path)


@pytest.mark.parametrize("missing", ["server_name", "tool_name"])
def test_one_label_that_is_missing(edge: Edge, missing: str, tmp_path: Path) -> None:
    """The alert compares a family whose only label is `server_name`, so it does not detect other missing labels, as README.md says."""
    tags = [tag for tag in edge.istiod.proxy_config()["extraStatTags"] if tag != missing]
    proxy = edge.start(documented_annotation(), extraStatTags=tags)
    assert edge.call("any") == 200
    wait_for("the call to be counted", lambda: "mcp_tool_calls_total" in proxy.page())
    assert "mcp_tool_calls_total" not in {family for family, _ in proxy.samples()}
    assert is_blind(proxy, tmp_path) == (missing == "server_name")
