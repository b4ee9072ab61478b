"""The containers' processes of the pods run: they serve MCP traffic, and its metrics are on Prometheus' port."""

import os
import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from harness import charts
from harness.manifests import SERVERS, containers, objects, only, pod
from harness.running import POD_IP, RunningPod, programs
from prometheus_client.parser import text_string_to_metric_families
from support.peers import ROOT, get
from support.processes import Process, accepts, free_port, wait_for

SECRETS = {"url": "postgresql://reader@db:5432/orders", "key": "of sixteen bytes or more"}
# Time for two scrapes of the collector on a busy machine.
METRICS_DEADLINE = 60.0
DEMO = ROOT / "scripts/demo"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pods")


@pytest.fixture(scope="module")
def elsewhere(directory: Path) -> Iterator[str]:
    """The URL of a server in another pod."""
    port = free_port()
    server = Process(programs()["server"], directory / "elsewhere.log", {"PATH": os.environ["PATH"], "HOST": "0.0.0.0", "PORT": str(port)})
    try:
        wait_for("the server to listen", lambda: accepts(port), process=server)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.stop()


@pytest.fixture(scope="module", params=[*SERVERS, "chart: proxy", "chart: hashed", "chart: library"])
def manifests(request: pytest.FixtureRequest, directory: Path) -> list[dict]:
    """The manifests of one server: by kustomize, by the chart in front of a Service, by a chart that depends on it."""
    if request.param in ("chart: proxy", "chart: hashed", "chart: no-collector"):
        more = charts.VARIANTS.get(request.param.removeprefix("chart: "), {})
        values = {"upstream": {"url": request.getfixturevalue("elsewhere"), "name": "orders"}} | more
        return charts.objects(charts.rendered(charts.template(values)))
    if request.param == "chart: library":
        return charts.objects(charts.rendered(charts.template({}, charts.with_dependency(directory))))
    return objects(request.param)


@pytest.fixture(scope="module")
def running(manifests: list[dict], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPod]:
    running = RunningPod(pod(only("Deployment", manifests)), manifests, tmp_path_factory.mktemp("pod"), SECRETS)
    yield running
    running.kill()


def calls(page: str) -> dict[tuple[str, ...], float]:
    """Tool calls by server, sidecar and status."""
    with urllib.request.urlopen(page, timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples]
    found: dict[tuple[str, ...], float] = {}
    for sample in samples:
        if sample.name == "mcp_tool_calls_total":
            key = tuple(sample.labels.get(label, "") for label in ("server_name", "instance", "status"))
            found[key] = found.get(key, 0) + sample.value
    return found


def call_tools(running: RunningPod) -> None:
    client = [get("python", "weather"), str(DEMO / "client_new.py"), running.url(4000, "/mcp")]
    done = subprocess.run(client, env=os.environ | {"PYTHONPATH": str(DEMO)}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_processes_of_a_pod_serve_and_are_counted(running: RunningPod) -> None:
    call_tools(running)
    server = next(each["value"] for each in running.containers["sidecar"]["env"] if each["name"] == "MCP_UPSTREAM_NAME")
    instance = running.url(9902, "").removeprefix("http://")
    expected = (server, instance, "ok")
    wait_for(
        f"tool calls of {expected} at the collector",
        lambda: calls(running.url(8889, "/metrics")).get(expected, 0) > 0, METRICS_DEADLINE, running.processes["collector"],
    )
    assert running.is_well("sidecar") and running.is_well("collector")


@pytest.mark.parametrize("manifests", ["chart: no-collector"], indirect=True)
def test_without_a_collector_prometheus_sees_the_sidecar_itself(running: RunningPod) -> None:
    call_tools(running)
    wait_for(
        "tool calls at the sidecar",
        lambda: calls(running.url(9902, "/metrics")).get(("orders", "", "ok"), 0) > 0, METRICS_DEADLINE, running.processes["sidecar"],
    )
    assert running.is_well("sidecar")
    assert running.end("sidecar") == 0


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="cannot run here: this machine has no IPv6")
def test_the_pages_hosts_for_ipv6_are_taken(tmp_path: Path) -> None:
    page = " ".join((ROOT / "k8s/README.md").read_text(encoding="utf-8").split())
    found = re.findall(r"`(HOST|COLLECTOR_METRICS_HOST)` and `(PROBE_HOST|COLLECTOR_HEALTH_HOST)` are `(.*?)`", page)
    hosts = {variable: value for *variables, value in found for variable in variables}
    assert len(hosts) == 4
    manifests = deepcopy(objects("base"))
    own = pod(only("Deployment", manifests))
    every = containers(own["spec"])
    for variable, value in hosts.items():
        name = "collector" if variable.startswith("COLLECTOR") else "sidecar"
        every[name]["env"] = [each for each in every[name]["env"] if each["name"] != variable] + [{"name": variable, "value": value}]
    # It is enough that the pod is ready, because the process exits at an invalid address.
    RunningPod(own, manifests, tmp_path, SECRETS).kill()


def test_internal_ports_are_not_reachable_from_outside_the_pod(running: RunningPod) -> None:
    """Envoy's admin interface, the collector's receivers and the server are not reachable from outside the pod."""
    inside = {9901, 4317, 4318, *running.server_ports()}
    for container_port, port in running.ports.items():
        assert reaches("127.0.0.1", port), container_port
        assert reaches(POD_IP, port) == (container_port not in inside), container_port


def reaches(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((address, port)) == 0


def test_the_collector_takes_its_configuration(running: RunningPod) -> None:
    program, *arguments = running.command("collector")
    validated = subprocess.run([program, "validate", *arguments], env=running.environment("collector"), capture_output=True, text=True)
    assert validated.returncode == 0, validated.stderr
    # The collector refuses to start without the sanitizer, so it checks for it.
    refused = subprocess.run([program, "validate", arguments[0]], env=running.environment("collector"), capture_output=True, text=True)
    assert refused.returncode != 0 and "sanitize" in refused.stderr


def test_the_launcher_takes_the_filters_settings(running: RunningPod) -> None:
    environment = running.environment("sidecar")
    file = environment["MCP_FILTER_CONFIG"]
    checked = subprocess.run([os.environ["MCP_SIDECAR"], "check", file], env=environment, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "ok\n"), checked.stderr


@pytest.mark.parametrize("manifests", ["chart: proxy"], indirect=True)
def test_helm_test_asks_whether_the_sidecar_reaches_the_server(running: RunningPod, manifests: list[dict]) -> None:
    command, url = only("Pod", manifests)["spec"]["containers"][0]["args"]
    service = next(each for each in manifests if each["kind"] == "Service" and each["spec"].get("clusterIP") == "None")
    origin = f"http://{service['metadata']['name']}:9902"
    assert url.startswith(origin)

    def asked(port: int) -> subprocess.CompletedProcess[str]:
        here = url.replace(origin, running.url(port, ""))
        return subprocess.run([os.environ["MCP_SIDECAR"], command, here], capture_output=True, text=True)

    assert asked(9902).returncode == 0
    # Envoy's admin interface is on loopback.
    assert asked(9901).returncode == 1


def test_each_variable_of_the_sidecar_is_in_the_settings(manifests: list[dict]) -> None:
    """The launcher ignores unknown variables. A variable from a Secret may be a key that the filter's settings refer to."""
    known = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for variable in containers(pod(only("Deployment", manifests))["spec"])["sidecar"]["env"]:
        assert "valueFrom" in variable or f"`{variable['name']}`" in known, variable["name"]


def test_a_pod_ends_in_order(running: RunningPod) -> None:
    """The last test of a pod: it ends all processes."""
    if "server" in running.containers:
        drained = running.prestop("sidecar")
        assert drained.returncode == 0, drained.stderr
        assert running.is_well("collector") and running.processes["server"].running()
        running.end("server")
    assert running.end("sidecar") == 0
    assert running.end("collector") == 0
