"""Changes by kubectl under traffic: a plugin is added, reconfigured, given an invalid configuration, and removed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cases import NOTIFICATION
from support.processes import wait_for

from mesh import labels
from mesh.edge import Edge
from mesh.istiod import Istiod
from mesh.proxy import Proxy
from mesh.registry import Registry
from mesh.traffic import HeldStream

BAD = {"limits": {"tool_names": 0}, "sever_name": "orders"}


@pytest.fixture(scope="module")
def edge(istiod: Istiod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    edge = Edge(istiod, tmp_path_factory.mktemp("change"), "change")
    yield edge
    edge.stop()


@pytest.fixture(scope="module")
def proxy(edge: Edge, registry: Registry) -> Proxy:
    edge.apply(edge.plugin(registry.image))
    return edge.start()


def counted(edge: Edge, proxy: Proxy, server: str) -> None:
    """Waits until calls are counted under this name. More than one may have passed."""
    wait_for(f"calls to be counted under {server}", lambda: edge.call("any") == 200 and (server, "any", "ok") in labels.calls(proxy))


def test_another_configuration_leaves_streams_open(edge: Edge, proxy: Proxy, registry: Registry) -> None:
    edge.counts(proxy, "before")
    stream = HeldStream(edge.stub, edge.port)
    try:
        assert NOTIFICATION in stream.exchange(NOTIFICATION)
        taken, listeners = proxy.plugins()["config_reload"], exchanged(proxy)
        edge.apply(edge.plugin(registry.image, server_name="orders"))
        wait_for("the proxy to take it", lambda: proxy.plugins()["config_reload"] > taken)
        edge.counts(proxy, "after", "orders")
        # The stream is still open, and nothing will end it.
        assert NOTIFICATION in stream.exchange(NOTIFICATION)
        assert exchanged(proxy) == listeners
        stream.end()
        # The call began under the old name and is counted under it.
        wait_for("it to be counted", lambda: labels.calls(proxy).get(("upstream", "held", "ok")) == 1)
    finally:
        stream.close()
    # No earlier count is lost.
    assert labels.calls(proxy)["upstream", "before", "ok"] == 1


def test_another_module_leaves_streams_open(edge: Edge, proxy: Proxy, registry: Registry, module: Path, tmp_path: Path) -> None:
    """Changes to a new version and back. The new version is the same module with an additional custom section."""
    other = tmp_path / "other.wasm"
    other.write_bytes(module.read_bytes() + b"\0\4\3one")
    stream = HeldStream(edge.stub, edge.port, "/longer")
    try:
        assert NOTIFICATION in stream.exchange(NOTIFICATION)
        listeners = exchanged(proxy)
        for image, name in ((registry.put(other), "newer"), (registry.image, "older")):
            edge.apply(edge.plugin(image, server_name=name))
            counted(edge, proxy, name)
            assert NOTIFICATION in stream.exchange(NOTIFICATION)
        assert exchanged(proxy) == listeners
        stream.end()
    finally:
        stream.close()


def test_a_bad_configuration_leaves_the_old_one(edge: Edge, proxy: Proxy, registry: Registry) -> None:
    edge.apply(edge.plugin(registry.image, server_name="kept"))
    counted(edge, proxy, "kept")
    refused = proxy.plugins()["config_fail"]
    edge.apply(edge.plugin(registry.image, **BAD))
    wait_for("the proxy to refuse it", lambda: proxy.plugins()["config_fail"] > refused)
    edge.counts(proxy, "goes-on", "kept")
    log = proxy.process.log()
    assert "limits.tool_names" in log and "sever_name" in log, log[-4000:]


def test_deleted_resource_removes_the_filter(edge: Edge, proxy: Proxy, registry: Registry) -> None:
    edge.apply(edge.plugin(registry.image, server_name="leaving"))
    counted(edge, proxy, "leaving")
    listeners = exchanged(proxy)
    edge.istiod.delete(edge.plugin(registry.image))
    wait_for("the filter to be gone", lambda: "trafficextension" not in active_listeners(proxy))
    assert edge.call("uncounted") == 200
    # A second check, after the gathered counts were flushed.
    assert edge.call("uncounted") == 200
    assert "uncounted" not in proxy.page()
    # Open streams end with the old listener, as README.md describes.
    assert exchanged(proxy) > listeners


def exchanged(proxy: Proxy) -> int:
    """How often a listener was replaced by another. Draining ends the connections of the old one."""
    found = proxy.stats(r"^listener_manager\.listener_(modified|in_place_updated)$")
    assert "listener_manager.listener_modified" in found
    return sum(found.values())


def test_plugin_can_be_added_again(edge: Edge, proxy: Proxy, registry: Registry) -> None:
    edge.apply(edge.plugin(registry.image, server_name="again"))
    counted(edge, proxy, "again")


def active_listeners(proxy: Proxy) -> str:
    dump = json.loads(proxy.admin("/config_dump?resource=dynamic_listeners"))
    return json.dumps([each.get("active_state", {}) for each in dump["configs"]])


def test_a_file_begins_at_zero_with_each_change(fresh: Edge, module: Path) -> None:
    """Istio adds the resource's version to the VM's configuration if the module comes from a file. So each change makes a new VM, as
    README.md describes."""
    fresh.apply(fresh.plugin(module))
    proxy = fresh.start()
    fresh.counts(proxy, "before")
    fresh.apply(fresh.plugin(module, limits={"tool_names": 50}))
    wait_for("a new count", lambda: fresh.call("after") == 200 and ("upstream", "after", "ok") in labels.calls(proxy))
    wait_for("the old one to be gone", lambda: ("upstream", "before", "ok") not in labels.calls(proxy))


@pytest.fixture
def fresh(istiod: Istiod, tmp_path: Path) -> Iterator[Edge]:
    edge = Edge(istiod, tmp_path, "fresh")
    yield edge
    edge.stop()


def test_a_bad_configuration_as_the_first_one_is_harmless_with_the_shipped_default(fresh: Edge, module: Path) -> None:
    fresh.apply(fresh.guard(), fresh.plugin(module, **BAD))
    proxy = fresh.start()
    wait_for("the proxy to refuse it", lambda: proxy.plugins()["config_fail"] > 0)
    assert fresh.call("unseen") == 200
    log = proxy.process.log()
    assert "limits.tool_names" in log and "sever_name" in log, log[-4000:]
    # A valid configuration is accepted at once.
    fresh.apply(fresh.plugin(module))
    wait_for("a good one to be taken", lambda: fresh.call("any") == 200 and ("upstream", "any", "ok") in labels.calls(proxy))


def test_bad_configuration_without_the_default_stops_traffic(fresh: Edge, module: Path) -> None:
    """This is Istio's behaviour. So README.md says to apply the default first."""
    fresh.apply(fresh.plugin(module, **BAD))
    proxy = fresh.start()
    wait_for("the proxy to refuse it", lambda: proxy.plugins()["config_fail"] > 0)
    assert fresh.call("stopped") == 500
