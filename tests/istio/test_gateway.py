"""A gateway under Istio's own agent, with real clients and servers: all documented series have their labels."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.processes import free_port, wait_for

from mesh import labels
from mesh.istiod import Istiod
from mesh.manifests import documented_annotation, injected_annotations, only, plugin
from mesh.proxy import Proxy, serving
from mesh.traffic import TAKEN, NamesServer, call_every_tool, service

ORDERS = "outbound_8000__orders.mcp.svc.cluster.local"
WEATHER = "outbound_8000__weather.mcp.svc.cluster.local"
PLAIN = ["get_forecast", "orders.list"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


def resources(port: int, module: Path) -> list[dict]:
    """gateway.yaml with a free port, for any host name, with the module from a file."""
    gateway, routes, guard = (only(kind, "gateway.yaml") for kind in ("Gateway", "VirtualService", "EnvoyFilter"))
    gateway["spec"]["servers"][0] |= {"port": {"number": port, "name": "http-mcp", "protocol": "HTTP"}, "hosts": ["*"]}
    routes["spec"]["hosts"] = ["*"]
    return [gateway, routes, guard, plugin(module, "gateway.yaml")]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def gateway(istiod: Istiod, directory: Path, module: Path, port: int) -> Iterator[Proxy]:
    annotations = injected_annotations() | documented_annotation()
    with closing(NamesServer(directory, *TAKEN)) as orders, closing(NamesServer(directory, *PLAIN)) as weather:
        applied = [service("orders", orders.port), service("weather", weather.port), *resources(port, module)]
        with serving(istiod, applied, port, directory, "mcp-gateway", annotations=annotations) as proxy:
            yield proxy


@pytest.fixture(scope="module")
def called(gateway: Proxy, port: int) -> list[str]:
    """The tools of both servers, after a real client called each once."""
    orders = call_every_tool(f"http://127.0.0.1:{port}/orders/mcp")
    assert sorted(orders) == sorted(TAKEN)
    weather = call_every_tool(f"http://127.0.0.1:{port}/weather/mcp")
    wait_for("every call to be counted", lambda: sum(labels.calls(gateway).values()) == len(orders) + len(weather))
    return orders + weather


def label(name: str) -> str:
    """A tool's name as a label value: docs/metrics.md, Labels."""
    value = name.replace(";", "_")
    return value[:-1] + "_" if value.endswith(".") else value


def test_each_tool_is_counted_under_its_name_and_server(gateway: Proxy, called: list[str]) -> None:
    expected = {(ORDERS, label(name), "ok"): 1.0 for name in TAKEN} | {(WEATHER, name, "ok"): 1.0 for name in PLAIN}
    assert labels.calls(gateway) == expected


def test_every_series_has_the_labels_that_the_filter_wrote(gateway: Proxy, called: list[str]) -> None:
    written = labels.compare(gateway)
    assert {"mcp_requests_total", "mcp_tool_calls_total", "mcp_tools_listed_total", "mcp_filter_info"} <= {name for name, _ in written}


def test_labels_of_istios_own_tags(gateway: Proxy, called: list[str]) -> None:
    """An additional label; the filter's labels do not change. README.md describes this, and how to drop the label."""
    assert labels.added(gateway) == {
        "cache.get.x": {"cache": "get"},
        "component.a.b": {"component": "a"},
        "tag.x__": {"tag": "x__"},
        "wasm_filter.x_": {"wasm_filter": "x_;"},
        "rbac.allowed": {"authz_enforce_result": "allowed"},
        "x.shadow_denied": {"authz_dry_run_result": "denied"},
        "a.istio_dry_run_allow_b": {"authz_dry_run_action": "allow"},
    }


def test_durations_have_the_documented_bounds(gateway: Proxy, called: list[str]) -> None:
    def bounds() -> set[str]:
        return {
            dict(found)["le"] for family, found in gateway.samples()
            if family == "mcp_tool_duration_microseconds_bucket" and dict(found)["tool_name"] == "get_forecast"
        }

    wait_for("Envoy to flush histograms", lambda: bool(bounds()))
    assert {float(bound) for bound in bounds()} >= {1000.0, 50000.0, 300000000.0, float("inf")}
    assert len(bounds()) == 18


def test_the_pods_own_page_has_the_series_too(gateway: Proxy, called: list[str]) -> None:
    """Port 15020 of a pod, which Istio annotates for Prometheus."""
    assert re.search(r'mcp_tool_calls_total{[^}]*tool_name="get_forecast"', gateway.merged_page())


def test_series_for_the_alert_on_a_blind_filter_exist(gateway: Proxy, called: list[str]) -> None:
    labels.as_many_streams_as_requests(gateway, "envoy_http_downstream_rq_total")
