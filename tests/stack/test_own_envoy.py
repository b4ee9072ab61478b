"""The pipeline with an Envoy that has the filter but no launcher; its admin interface is scraped."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cases import rpc
from support.client import Connection
from support.plain_envoy import PlainEnvoy, every, set_plugin_configuration, snippet
from support.stub import Stub

CALLS = 'mcp_tool_calls_total{tool_name="forecast",status="ok"}'


PATH = "/stats/prometheus"


def bootstrap_before(upstream: Stub) -> dict:
    """A bootstrap whose listener and cluster have other names than the sidecar's, with a health check."""
    bootstrap = snippet(upstream.port)
    (manager,) = every(bootstrap, "http_filters")
    manager["stat_prefix"] = "ingress_http"
    (cluster,) = bootstrap["static_resources"]["clusters"]
    cluster["health_checks"] = [
        {"timeout": "1s", "interval": "1s", "no_traffic_interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1,
         "tcp_health_check": {}}
    ]
    return bootstrap


@pytest.fixture
def envoy(upstream: Stub, tmp_path: Path) -> Iterator[PlainEnvoy]:
    envoy = PlainEnvoy(bootstrap_before(upstream), "weather", tmp_path, "own-envoy")
    yield envoy
    envoy.stop()


@pytest.mark.parametrize("said_by", ["variable", "target"])
def test_own_envoy_without_the_launcher(envoy: PlainEnvoy, stack, tmp_path: Path, said_by: str) -> None:
    address = f"127.0.0.1:{envoy.admin_port}"
    settings = {"MCP_STAT_PREFIX": "ingress_http"}
    if said_by == "variable":
        prometheus = stack([address], MCP_METRICS_PATH=PATH, **settings).prometheus
    else:
        file = tmp_path / "own.yaml"
        file.write_text(f"- targets: ['{address}']\n  labels: {{__metrics_path__: {PATH}}}\n")
        prometheus = stack([], MCP_SIDECAR_FILE_SD=f"[{{files: ['{file}']}}]", **settings).prometheus
    with Connection(envoy.port) as connection:
        for _ in range(3):
            connection.post(rpc("tools/call", {"name": "forecast", "arguments": {}}))
    prometheus.await_value(CALLS, 3)
    prometheus.await_value('envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="ingress_http"}', 3)
    # A scrape may have the counters of calls before it has their samples.
    prometheus.await_value('mcp_tool_duration_seconds_count{tool_name="forecast"}', 3)
    # The cluster `mcp_server` is not an MCP server here, so its health does not matter.
    assert [labels["server_name"] for labels, _ in prometheus.await_series("mcp_upstream_available")] == ["weather"]
    prometheus.await_value(f'up{{instance="{address}"}}', 1)
    [(labels, _)] = prometheus.await_series(f'up{{instance="{address}"}}')
    assert "metrics_path" not in labels


def test_health_check_of_another_envoy_sets_availability(upstream: Stub, stack, tmp_path: Path) -> None:
    bootstrap = bootstrap_before(upstream)
    set_plugin_configuration(bootstrap, json.dumps({"server_name_from": "cluster", "availability": "off"}))
    own = PlainEnvoy(bootstrap, "mcp_server", tmp_path, "checking-envoy")
    try:
        settings = {"MCP_METRICS_PATH": PATH, "MCP_UPSTREAM_CLUSTERS": "another|mcp_server"}
        prometheus = stack([f"127.0.0.1:{own.admin_port}"], **settings).prometheus
        # This needs no request.
        prometheus.await_value('mcp_upstream_available{server_name="mcp_server"}', 1)
        upstream.close()
        prometheus.await_value('mcp_upstream_available{server_name="mcp_server"}', 0)
        assert len(prometheus.await_series("mcp_upstream_available")) == 1
    finally:
        own.stop()
