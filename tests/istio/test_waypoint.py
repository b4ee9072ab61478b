"""Ambient mode: istiod's configuration for the waypoint in waypoint.yaml.

A waypoint needs Istio's own build of Envoy and certificates, so none runs here. An ADS client (an Envoy that refuses most of the
configuration) connects under the waypoint's name, and the test reads the configuration that istiod made for it.
"""

import json
import re
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.peers import get
from support.plain_envoy import every
from support.processes import Process, free_port, wait_for

from mesh.istiod import Istiod
from mesh.manifests import MANIFESTS, NAMESPACE, mesh_config, objects, only

GATEWAY = only("Gateway", "waypoint.yaml")["metadata"]["name"]
LABELS = {"gateway.networking.k8s.io/gateway-name": GATEWAY}
POD = f"{GATEWAY}-0"


def services(address: str) -> list[dict]:
    """Creates the waypoint, as its controller does, and a server that uses it."""
    waypoint = {"name": GATEWAY, "namespace": NAMESPACE}
    server = {"name": "orders", "namespace": NAMESPACE, "labels": {"istio.io/use-waypoint": GATEWAY}}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": waypoint, "spec": {
            "selector": LABELS, "ports": [{"name": "mesh", "port": 15008}],
        }},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
         "metadata": waypoint | {"labels": {"kubernetes.io/service-name": GATEWAY}},
         "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
         "ports": [{"name": "mesh", "port": 15008}]},
        {"apiVersion": "v1", "kind": "Service", "metadata": server, "spec": {
            "selector": {"app": "orders"}, "ports": [{"name": "http-mcp", "port": 8000}],
        }},
    ]


def bootstrap(istiod: Istiod, address: str) -> dict:
    """A bootstrap that requests listeners only, so it need not wait for clusters."""
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    endpoint = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": istiod.port}}}
    return {
        "node": {
            "id": f"waypoint~{address}~{POD}.{NAMESPACE}~{NAMESPACE}.svc.cluster.local", "cluster": GATEWAY,
            "metadata": {
                "NAMESPACE": NAMESPACE, "CLUSTER_ID": "Kubernetes", "SERVICE_ACCOUNT": "default", "ENABLE_HBONE": "true",
                "LABELS": LABELS, "INSTANCE_IPS": address,
            },
        },
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": free_port()}}},
        "dynamic_resources": {
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
            "ads_config": {
                "api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "istiod"}}],
            },
        },
        "static_resources": {"clusters": [{
            "name": "istiod", "type": "STATIC",
            "load_assignment": {"cluster_name": "istiod", "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
            "typed_extension_protocol_options": {options: {
                "@type": f"type.googleapis.com/{options}", "explicit_http_config": {"http2_protocol_options": {}},
            }},
        }]},
    }


@pytest.fixture
def client(istiod: Istiod, tmp_path: Path) -> Iterator[Process]:
    address = istiod.create_pod(POD, LABELS, {})
    applied = [*objects("waypoint.yaml"), *services(address)]
    istiod.apply(*applied)
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps(bootstrap(istiod, address)))
    client = Process([get("envoy"), "-c", str(file), "--use-dynamic-base-id", "-l", "warning"], tmp_path / "client.log")
    yield client
    client.stop()
    istiod.delete(*applied)


def manager(istiod: Istiod) -> dict:
    """The configuration of istiod for requests to the server; empty until the client is connected."""
    try:
        made = istiod.made_for(f"{POD}.{NAMESPACE}")
    except urllib.error.HTTPError:
        return {}
    chains = every(made.get("ListenersConfigDump", {}), "filters")
    name = f"inbound-vip|8000|http|orders.{NAMESPACE}.svc.cluster.local"
    found = [each for chain in chains if chain.get("name") == name for each in every(chain, "httpFilters")]
    return found[0] if found else {}


@pytest.fixture
def made(istiod: Istiod, client: Process) -> dict:
    wait_for("istiod to make the listener", lambda: manager(istiod), process=client)
    return manager(istiod)


def test_the_filter_is_first_before_the_server(made: dict) -> None:
    names = [each["name"] for each in made["httpFilters"]]
    plugin = f"{NAMESPACE}.mcp-observability-waypoint"
    assert plugin in names[0]
    assert sum(plugin in name for name in names) == 1
    assert names[-1] == "envoy.filters.http.router"


def test_it_serves_though_the_first_configuration_is_bad(made: dict) -> None:
    """The default of the shipped EnvoyFilter is in the waypoint's configuration."""
    discovery = made["httpFilters"][0]["configDiscovery"]
    assert discovery["applyDefaultConfigWithoutWarming"] is True
    assert discovery["defaultConfig"]["@type"].endswith(".rbac.v3.RBAC")


def test_the_server_gets_the_documented_name(made: dict) -> None:
    (cluster,) = {each["cluster"] for each in every(made, "cluster")}
    label = re.sub(r"[^A-Za-z0-9_.-]", "_", cluster)
    assert label == "inbound-vip_8000_http_orders.mcp.svc.cluster.local"
    for page in ("README.md", "waypoint.yaml"):
        assert label in (MANIFESTS / page).read_text(encoding="utf-8")


def test_series_for_the_alert_on_a_blind_filter_exist(made: dict) -> None:
    """mesh.yaml keeps the count that MCPFilterBlind compares."""
    name = f"http.{made['statPrefix']}.downstream_rq_total"
    patterns = mesh_config()["defaultConfig"]["proxyStatsMatcher"]["inclusionRegexps"]
    assert any(re.fullmatch(pattern, name) for pattern in patterns), name
