"""The manifests agree with each other (selectors, port names, references, times) and with the rules."""

import json
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from harness.manifests import KUSTOMIZATIONS, SERVERS, containers, objects, only, pod, port_names, port_numbers, selects
from support.peers import ROOT, get


@pytest.fixture(params=SERVERS)
def manifests(request: pytest.FixtureRequest) -> list[dict]:
    return objects(request.param)


@pytest.fixture
def own_pod(manifests: list[dict]) -> dict:
    return pod(only("Deployment", manifests))


def services(manifests: list[dict]) -> list[dict]:
    return [each for each in manifests if each["kind"] == "Service"]


def test_all_selectors_select_the_pod(manifests: list[dict], own_pod: dict) -> None:
    deployment = only("Deployment", manifests)
    spread = own_pod["spec"]["topologySpreadConstraints"][0]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        *(service["spec"]["selector"] for service in services(manifests)),
        only("NetworkPolicy", manifests)["spec"]["podSelector"]["matchLabels"],
        only("PodDisruptionBudget", manifests)["spec"]["selector"]["matchLabels"],
        spread["labelSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selects(selector, own_pod["metadata"]["labels"]), selector


def test_selectors_of_others_stay_as_written() -> None:
    """The selectors of other pods do not have the label of this server. The spread constraint has it, so that two servers do not
    affect each other."""
    overlay = objects("overlays/orders")
    peers = [peer for rule in only("NetworkPolicy", overlay)["spec"]["egress"] for peer in rule["to"]]
    [database] = [peer["podSelector"]["matchLabels"] for peer in peers if "podSelector" in peer]
    assert database == {"app.kubernetes.io/name": "postgresql"}
    spread = pod(only("Deployment", overlay))["spec"]["topologySpreadConstraints"][0]
    assert spread["labelSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "orders"


def test_every_port_that_is_named_exists(manifests: list[dict], own_pod: dict) -> None:
    names = port_names(own_pod["spec"])
    named = [port["targetPort"] for service in services(manifests) for port in service["spec"]["ports"]]
    for container in containers(own_pod["spec"]).values():
        named += [container[probe]["httpGet"]["port"] for probe in container if probe.endswith("Probe")]
    assert {"mcp", "metrics", "probe"} <= set(named) <= names
    allowed = {port["port"] for rule in only("NetworkPolicy", manifests)["spec"]["ingress"] for port in rule["ports"]}
    assert {4000, 8889} <= allowed <= port_numbers(own_pod["spec"])


def test_the_monitor_selects_one_service_and_names_its_ports(manifests: list[dict]) -> None:
    monitor = only("ServiceMonitor", manifests)
    selector = monitor["spec"]["selector"]["matchLabels"]
    selected = [each for each in services(manifests) if selects(selector, each["metadata"]["labels"])]
    assert len(selected) == 1
    ports = {port["name"] for port in selected[0]["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} == ports
    # A Service of type LoadBalancer must not publish metrics.
    assert selected[0]["spec"]["clusterIP"] == "None"


def test_two_servers_in_a_namespace_do_not_select_each_other() -> None:
    """The selectors of one server do not select pods or Services of the other."""
    for name, other in (("base", "overlays/orders"), ("overlays/orders", "base")):
        other_labels = pod(only("Deployment", objects(other)))["metadata"]["labels"]
        selectors = [
            *(service["spec"]["selector"] for service in services(objects(name))),
            *(only(kind, objects(name))["spec"]["selector"]["matchLabels"] for kind in ("Deployment", "PodDisruptionBudget")),
            only("NetworkPolicy", objects(name))["spec"]["podSelector"]["matchLabels"],
        ]
        assert not any(selects(selector, other_labels) for selector in selectors), name
        monitored = only("ServiceMonitor", objects(name))["spec"]["selector"]["matchLabels"]
        assert not any(selects(monitored, service["metadata"]["labels"]) for service in services(objects(other))), name


def test_overlay_allows_the_connections_of_its_containers() -> None:
    overlay = objects("overlays/orders")
    rules = only("NetworkPolicy", overlay)["spec"]["egress"]
    collector = containers(pod(only("Deployment", overlay))["spec"])["collector"]
    backend = urlsplit(next(each["value"] for each in collector["env"] if each["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT"))
    namespaces = {
        (port["port"], port.get("protocol", "TCP")): peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in rules for port in rule["ports"] for peer in rule["to"] if "namespaceSelector" in peer
    }
    assert namespaces == {
        (53, "UDP"): "kube-system", (53, "TCP"): "kube-system", (backend.port, "TCP"): (backend.hostname or "").partition(".")[2],
    }


def test_every_volume_is_there_and_used(manifests: list[dict], own_pod: dict) -> None:
    volumes = {volume["name"]: volume for volume in own_pod["spec"]["volumes"]}
    mounted = [mount["name"] for each in containers(own_pod["spec"]).values() for mount in each.get("volumeMounts", [])]
    assert set(mounted) == set(volumes)
    maps = {each["metadata"]["name"] for each in manifests if each["kind"] == "ConfigMap"}
    assert {volume["configMap"]["name"] for volume in volumes.values() if "configMap" in volume} == maps


def test_every_container_asks_for_what_was_measured_and_has_a_limit_of_memory(own_pod: dict) -> None:
    for name, container in containers(own_pod["spec"]).items():
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name
        assert container["image"].rpartition(":")[2] not in ("", "latest"), name


def test_the_collector_refuses_data_before_the_kernel_ends_it(own_pod: dict) -> None:
    collector = containers(own_pod["spec"])["collector"]
    variables = {each["name"]: each.get("value", "") for each in collector["env"]}
    limit = int(variables["COLLECTOR_MEMORY_MIB"])
    assert int(variables["GOMEMLIMIT"].removesuffix("MiB")) <= limit * 4 // 5
    assert limit < int(collector["resources"]["limits"]["memory"].removesuffix("Mi"))


def test_the_images_are_those_of_this_version() -> None:
    images = {name: each["image"] for name, each in containers(pod(only("Deployment", objects("base")))["spec"]).items()}
    version = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    assert images["sidecar"].endswith(f":{version}") and images["server"].endswith(f":{version}")
    assert f"COLLECTOR={images['collector'].rpartition(':')[2]}\n" in (ROOT / "versions.env").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_configmaps_hold_the_repositorys_files(name: str) -> None:
    maps = [each for each in objects(name) if each["kind"] == "ConfigMap"]
    files = {path.name: path for folder in ("collector", "grafana/dashboards", "k8s/base") for path in (ROOT / folder).glob("*")}
    assert maps
    for configmap in maps:
        for file, text in configmap["data"].items():
            assert text == files[file].read_text(encoding="utf-8"), file
        assert len(json.dumps(configmap)) < 1 << 20, "larger than etcd takes"


def test_the_rules_are_all_there_and_prometheus_takes_them(tmp_path: Path) -> None:
    spec = only("PrometheusRule", objects("monitoring"))["spec"]
    files = sorted((ROOT / "collector/rules").glob("*.yml"))
    assert spec["groups"] == [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump(spec), encoding="utf-8")
    done = subprocess.run([get("promtool"), "check", "rules", rules], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
