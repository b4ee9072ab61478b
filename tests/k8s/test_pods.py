"""Properties of all pods, in the manifests and in each rendering of the chart, beyond what the API server requires."""

import json
import re

import pytest
from harness import charts
from harness.manifests import SERVERS, containers, objects, only, pod
from harness.running import LAUNCHER
from support.peers import ROOT

# The longest drain, without the notice period before it in a proxy's pod. For `mcp-sidecar drain` it includes that period.
LONGEST_DRAIN_SECONDS = 30
PROBES = {
    "sidecar": {"startupProbe": "/ready", "readinessProbe": "/health", "livenessProbe": "/ready"},
    "collector": {"startupProbe": "/", "livenessProbe": "/"},
}
PROBE_PORTS = {"sidecar": "probe", "collector": "health"}
# The port of the Service, the job in the rules, and whether the labels of the page take precedence.
WITH_COLLECTOR = [("http-metrics", "collector", True), ("http-own-metrics", "collector-own", False)]
WITHOUT_COLLECTOR = [("http-probe", "mcp-sidecar", False)]


@pytest.fixture(params=[*SERVERS, *(f"chart: {name}" for name in charts.VARIANTS), "chart: library"])
def manifests(request: pytest.FixtureRequest) -> list[dict]:
    chart, _, name = request.param.rpartition("chart: ")
    if name in SERVERS:
        return objects(name)
    return charts.objects(request.getfixturevalue("library") if name == "library" else charts.variant(name))


@pytest.fixture
def spec(manifests: list[dict]) -> dict:
    return pod(only("Deployment", manifests))["spec"]


@pytest.fixture
def ours(spec: dict) -> dict[str, dict]:
    return {name: container for name, container in containers(spec).items() if name in PROBES}


def test_pods_are_stricter_than_the_level_restricted(manifests: list[dict], spec: dict) -> None:
    for each in [spec, *(each["spec"] for each in manifests if each["kind"] == "Pod")]:
        assert each["automountServiceAccountToken"] is False
        for name, container in containers(each).items():
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
    assert spec["enableServiceLinks"] is False


def test_written_directories_are_mounted(spec: dict, ours: dict[str, dict]) -> None:
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    writable = {
        name: {mount["mountPath"] for mount in container["volumeMounts"] if "emptyDir" in volumes[mount["name"]]}
        for name, container in ours.items()
    }
    assert writable["sidecar"] == {"/tmp"}
    if "collector" in ours:
        state = {each["value"] for each in ours["collector"]["env"] if each["name"] == "COLLECTOR_STATE"}
        assert writable["collector"] == state
        assert bool(state) == any("export-otlp" in argument for argument in ours["collector"]["args"])


def test_the_probes_ask_the_right_page(ours: dict[str, dict]) -> None:
    for name, container in ours.items():
        found = {probe: container[probe]["httpGet"] for probe in container if probe.endswith("Probe")}
        assert found == {probe: {"path": path, "port": PROBE_PORTS[name]} for probe, path in PROBES[name].items()}, name


def test_native_sidecars_start_first_and_end_last(spec: dict, ours: dict[str, dict]) -> None:
    assert list(ours) == [name for name in ("collector", "sidecar") if name in ours]
    for container in spec.get("initContainers", []):
        assert container["name"] in ours and container["restartPolicy"] == "Always", container["name"]


def test_the_drain_is_shorter_than_the_pods_end(spec: dict) -> None:
    every = containers(spec)
    before = every["sidecar"]["lifecycle"]["preStop"]
    if "server" in every:
        assert before["exec"]["command"] == [LAUNCHER, "drain"]
        held = every["server"]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert LONGEST_DRAIN_SECONDS < held < spec["terminationGracePeriodSeconds"]
    else:
        notice = before["sleep"]["seconds"]
        assert 0 < notice < spec["terminationGracePeriodSeconds"] - LONGEST_DRAIN_SECONDS


def test_the_sidecar_runs_as_its_image_says(ours: dict[str, dict]) -> None:
    image = (ROOT / "envoy/Dockerfile").read_text(encoding="utf-8").partition(" AS sidecar\n")[2]
    user, entry = re.findall(r"^(?:USER|ENTRYPOINT) (.*)$", image, re.MULTILINE)
    assert json.loads(entry) == [LAUNCHER]
    assert "command" not in ours["sidecar"] and ours["sidecar"]["args"] == ["run"]
    context = ours["sidecar"]["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user


def test_no_variable_of_the_collector_is_misspelt(ours: dict[str, dict]) -> None:
    """The collector's configuration uses the default for a variable that is not set."""
    configuration = "".join((ROOT / "collector" / f"{name}.yaml").read_text(encoding="utf-8") for name in ("collector", "sanitize", "export-otlp"))
    known = {"POD_IP", "GOMEMLIMIT", *re.findall(r"\$\{env:(\w+)", configuration)}
    if "collector" in ours:
        assert {each["name"] for each in ours["collector"]["env"]} <= known


def test_the_requests_of_memory_are_what_was_measured(ours: dict[str, dict]) -> None:
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    [sidecar] = re.findall(r"^Resident memory: .*\bours (\d+)", text, re.MULTILINE)
    [collector] = re.findall(r"^\| 20 x 500 \|(?:[^|]*\|){3} (\d+) MiB \|", text, re.MULTILINE)
    for name, measured in (("sidecar", sidecar), ("collector", collector)):
        if name in ours:
            resources = ours[name]["resources"]
            assert int(measured) <= mebibytes(resources["requests"]["memory"]) < mebibytes(resources["limits"]["memory"]), name


def mebibytes(quantity: str) -> int:
    return int(quantity.removesuffix("Mi"))


def test_prometheus_scrapes_each_thing_once_under_the_job_of_the_rules(manifests: list[dict], ours: dict[str, dict]) -> None:
    for monitor in (each for each in manifests if each["kind"] == "ServiceMonitor"):
        found = [
            (each["port"], next(rule["replacement"] for rule in each["relabelings"] if rule["targetLabel"] == "job"), each.get("honorLabels", False))
            for each in monitor["spec"]["endpoints"]
        ]
        assert found == (WITH_COLLECTOR if "collector" in ours else WITHOUT_COLLECTOR)
        # In a chart with several dependencies other charts may have a Service for metrics too.
        assert "app.kubernetes.io/name" in monitor["spec"]["selector"]["matchLabels"]
    [service] = [each for each in manifests if each["kind"] == "Service" and each["spec"].get("clusterIP") == "None"]
    assert service["spec"]["publishNotReadyAddresses"] is True


def test_a_client_stays_with_one_pod(manifests: list[dict], ours: dict[str, dict]) -> None:
    for service in (each for each in manifests if each["kind"] == "Service" and each["spec"].get("clusterIP") != "None"):
        assert service["spec"]["sessionAffinity"] == "ClientIP"
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["mcp"]
    assert {"name": "mcp", "containerPort": 4000} in ours["sidecar"]["ports"]


def test_only_clients_prometheus_and_helms_test_can_connect(manifests: list[dict], ours: dict[str, dict]) -> None:
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    tests = [{"podSelector": {"matchLabels": {"mcp-observability/test": each["metadata"]["labels"]["mcp-observability/test"]}}}
             for each in manifests if each["kind"] == "Pod"]
    scraped = [8889, 8888] if "collector" in ours else [9902]
    for policy in (each["spec"] for each in manifests if each["kind"] == "NetworkPolicy"):
        found = [([port["port"] for port in rule["ports"]], rule.get("from")) for rule in policy["ingress"]]
        assert found == [([4000], None), (scraped, [prometheus]), *(([9902], [test]) for test in tests)]
        assert "Ingress" in policy["policyTypes"]
