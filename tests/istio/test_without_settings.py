"""A mesh that was not told the filter's labels: what is seen then, and the message that names the setting."""

from pathlib import Path

import pytest
from support.processes import wait_for

from mesh.edge import Edge
from mesh.istiod import Istiod


@pytest.fixture
def edge(istiod: Istiod, tmp_path: Path, module: Path):
    edge = Edge(istiod, tmp_path, "untold")
    edge.apply(edge.plugin(module, server_name="orders"))
    yield edge
    edge.stop()


def test_labels_are_part_of_names(edge: Edge) -> None:
    proxy = edge.start({}, extraStatTags=[])
    assert edge.call("any") == 200
    wait_for("the call to be counted", lambda: "mcp_tool_calls_total" in proxy.page())
    names = {family for family, _ in proxy.samples()}
    assert "mcp_tool_calls_total" not in names
    # What README.md tells to look for.
    assert any(name.startswith("method___tools_call___server_name") for name in names), sorted(names)


def test_one_label_that_is_missing(edge: Edge) -> None:
    tags = [tag for tag in edge.istiod.proxy_config()["extraStatTags"] if tag != "server_name"]
    proxy = edge.start({}, extraStatTags=tags)
    assert edge.call("any") == 200
    wait_for("the call to be counted", lambda: "mcp_tool_calls_total" in proxy.page())
    assert "mcp_tool_calls_total" not in {family for family, _ in proxy.samples()}
