"""The chart: a real API server accepts its objects, which follow the values; invalid values are refused by name."""

import json
import re
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from harness import charts
from harness.charts import CHART, URL, VARIANTS
from harness.cluster import Cluster, must
from harness.manifests import containers, only, pod, selects
from harness import manifests
from support.peers import ROOT
from support.processes import wait_for


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> str:
    return cluster.create_namespace("charts")


@pytest.fixture(params=[*VARIANTS, "library"])
def text(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("library") if request.param == "library" else charts.variant(request.param)


def test_every_rendering_is_taken_without_a_warning(cluster: Cluster, namespace: str, text: str) -> None:
    must(cluster.apply(f"--namespace={namespace}", "-f-", text=text))
    own = pod(only("Deployment", charts.objects(text)))
    must(cluster.apply(f"--namespace={namespace}", "-f-", text=json.dumps(own)))


def test_helm_installs_upgrades_and_uninstalls(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    def helm(*arguments: str, **values: object) -> str:
        return must(charts.helm(
            *arguments, f"--namespace={namespace}", values={"upstream": {"url": URL}} | values,
            KUBECONFIG=str(cluster.kubeconfig), HOME=str(tmp_path),
        ))

    def stored(field: str) -> str:
        return must(cluster.kubectl("get", "deployment", "installed", f"--namespace={namespace}", f"--output=jsonpath={{{field}}}"))

    def replicas() -> str:
        return must(cluster.kubectl("get", "deployment", "installed", f"--namespace={namespace}", "--output=jsonpath={.spec.replicas}"))

    chart = str(charts.packed(tmp_path / "packed"))
    notes = helm("install", "installed", chart, "--values=-")
    assert f"helm test installed --namespace {namespace}" in notes
    assert f"http://installed.{namespace}:80" in notes
    # The command in the notes. Its pod is admitted and succeeds, and no object remains.
    [command] = re.findall(r"^  helm (test .*)$", notes, re.MULTILINE)
    with ThreadPoolExecutor() as executor:
        tested = executor.submit(helm, *shlex.split(command))
        test_pod = ("pod", "installed-test", f"--namespace={namespace}")
        wait_for("the test's pod", lambda: cluster.kubectl("get", *test_pod).returncode == 0, deadline=60)
        must(cluster.kubectl("patch", *test_pod, "--subresource=status", "--type=merge", '--patch={"status": {"phase": "Succeeded"}}'))
        assert re.search(r"^Phase: +Succeeded$", tested.result(), re.MULTILINE)
    assert cluster.kubectl("get", *test_pod).returncode != 0
    helm("upgrade", "installed", chart, "--values=-", proxy={"replicas": 5})
    assert replicas() == "5"
    helm("rollback", "installed")
    assert replicas() == "2"
    first = stored(".spec.template")
    for variant in VARIANTS:
        helm("upgrade", "installed", chart, "--values=-", **VARIANTS[variant])
    helm("upgrade", "installed", chart, "--values=-")
    # The objects that a variant added were deleted.
    assert stored(".spec.template") == first
    helm("uninstall", "installed")
    left = must(cluster.kubectl("get", "all,configmap,servicemonitor,networkpolicy,prometheusrule,poddisruptionbudget", f"--namespace={namespace}",
                                "--selector=app.kubernetes.io/instance=installed", "--output=name"))
    assert left == ""


def test_selectors_and_ports_agree(text: str) -> None:
    everything = charts.objects(text)
    own = pod(only("Deployment", everything))
    ports = manifests.port_names(own["spec"])
    services = [each for each in everything if each["kind"] == "Service"]
    for service in services:
        assert selects(service["spec"]["selector"], own["metadata"]["labels"])
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for monitor in (each for each in everything if each["kind"] == "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        selected = [each for each in services if selects(wanted, each["metadata"]["labels"])]
        assert len(selected) == 1
        named = {port["name"] for port in selected[0]["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= named
    for policy in (each for each in everything if each["kind"] == "NetworkPolicy"):
        assert selects(policy["spec"]["podSelector"]["matchLabels"], own["metadata"]["labels"])
        assert {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]} <= manifests.port_numbers(own["spec"])
    # The ConfigMaps of the release, and the one that the values name.
    maps = {each["metadata"]["name"] for each in everything if each["kind"] == "ConfigMap"} | {"company-ca"}
    assert {each["configMap"]["name"] for each in own["spec"]["volumes"] if "configMap" in each} <= maps


def test_the_containers_are_those_of_the_manifests(library: str) -> None:
    base = containers(pod(only("Deployment", manifests.objects("base")))["spec"])
    chart = containers(pod(only("Deployment", charts.objects(library)))["spec"])
    for name in ("collector", "sidecar"):
        for field in ("image", "args", "ports", "startupProbe", "readinessProbe", "livenessProbe", "resources", "lifecycle", "restartPolicy"):
            assert chart[name].get(field) == base[name].get(field), f"{name}.{field}"
        ours = {each["name"]: each for each in chart[name]["env"]}
        for each in base[name]["env"]:
            if each["name"] != "MCP_UPSTREAM_NAME":
                assert ours[each["name"]] == each


def test_a_setting_reaches_the_containers() -> None:
    every = containers(pod(only("Deployment", charts.objects(charts.variant("settings"))))["spec"])
    variables = {each["name"]: each["value"] for each in every["sidecar"]["env"]}
    assert variables == {
        "MCP_UPSTREAM_URL": "https://mcp.example.com/mcp", "MCP_UPSTREAM_NAME": "orders", "MCP_UPSTREAM_TIMEOUT_MS": "0",
        "MCP_UPSTREAM_IDLE_MS": "4000",
        "MCP_UPSTREAM_HOST_HEADER": "upstream", "MCP_FILTER_CONFIG": "/etc/mcp-sidecar/filter.json", "CONCURRENCY": "4",
    }


def test_audit_log_identity_and_sampler_reach_the_sidecar() -> None:
    every = containers(pod(only("Deployment", charts.objects(charts.variant("audited"))))["spec"])
    variables = {each["name"]: each.get("value", each.get("valueFrom")) for each in every["sidecar"]["env"]}
    expected = {
        "MCP_IDENTITY_HEADER": "x-forwarded-user", "MCP_IDENTITY_FORM": "hash", "MCP_AUDIT_LOG": "/dev/stdout",
        "MCP_HASH_KEY": {"secretKeyRef": {"name": "mcp-hash", "key": "key"}},
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1",
    }
    assert {name: variables.get(name) for name in expected} == expected


def test_private_ca_is_mounted_at_the_sidecars_path() -> None:
    spec = pod(only("Deployment", charts.objects(charts.variant("private-ca"))))["spec"]
    sidecar = containers(spec)["sidecar"]
    [file] = [each["value"] for each in sidecar["env"] if each["name"] == "MCP_UPSTREAM_CA_FILE"]
    [mount] = [each for each in sidecar["volumeMounts"] if file.startswith(f"{each['mountPath']}/")]
    assert mount["readOnly"]
    [volume] = [each["configMap"] for each in spec["volumes"] if each["name"] == mount["name"]]
    assert volume["name"] == "company-ca"
    [item] = volume["items"]
    assert (item["key"], f"{mount['mountPath']}/{item['path']}") == ("roots.pem", file)


def test_a_client_certificate_and_a_proxy_reach_the_sidecar() -> None:
    spec = pod(only("Deployment", charts.objects(charts.variant("client-certificate"))))["spec"]
    sidecar = containers(spec)["sidecar"]
    variables = {each["name"]: each.get("value") for each in sidecar["env"]}
    assert (variables["HTTPS_PROXY"], variables["NO_PROXY"]) == ("http://proxy.example.com:3128", ".svc,10.0.0.0/8")
    files = [variables["MCP_UPSTREAM_CERT_FILE"], variables["MCP_UPSTREAM_KEY_FILE"]]
    [mount] = [each for each in sidecar["volumeMounts"] if files[0].startswith(f"{each['mountPath']}/")]
    assert mount["readOnly"]
    [secret] = [each["secret"] for each in spec["volumes"] if each["name"] == mount["name"]]
    assert secret["secretName"] == "orders-client"
    assert [item["key"] for item in secret["items"]] == ["tls.crt", "tls.key"]
    assert [f"{mount['mountPath']}/{item['path']}" for item in secret["items"]] == files


def test_a_changed_setting_makes_new_pods() -> None:
    def annotations(values: dict) -> dict:
        text = charts.rendered(charts.template({"upstream": {"url": URL}} | values))
        return pod(only("Deployment", charts.objects(text)))["metadata"]["annotations"]

    assert annotations({}) == annotations({}) != annotations({"sidecar": {"filter": {"semconv": False}}})
    # Values that do not concern the pods do not change them.
    assert annotations({}) == annotations({"proxy": {"replicas": 5}, "monitoring": {"rules": {"enabled": True}}})


def test_a_changed_file_of_the_chart_makes_new_pods(tmp_path: Path) -> None:
    """Also in the pods of another chart, if the file belongs to this chart as its dependency."""
    changed = tmp_path / "changed"
    shutil.copytree(CHART, changed)
    with (changed / "files/collector.yaml").open("a", encoding="utf-8") as file:
        file.write("# Changed.\n")
    digests = []
    for directory, chart in (("before", CHART), ("after", changed)):
        (tmp_path / directory).mkdir()
        parent = charts.with_dependency(tmp_path / directory, chart)
        for result in (charts.template({}, parent), charts.template({"upstream": {"url": URL}}, chart)):
            made = pod(only("Deployment", charts.objects(charts.rendered(result))))
            digests.append(made["metadata"]["annotations"]["mcp-observability/settings"])
    # Both forms have the same files.
    assert digests[0] == digests[1] != digests[2] == digests[3]


@pytest.mark.parametrize("release", ["with.dots", "a" * 53])
def test_every_name_of_a_release_is_taken(cluster: Cluster, namespace: str, release: str) -> None:
    text = charts.rendered(charts.template({"upstream": {"url": URL}}, release=release))
    must(cluster.apply(f"--namespace={namespace}", "-f-", text=text))


def test_two_long_release_names_give_different_objects() -> None:
    def names(release: str) -> set[tuple[str, str]]:
        text = charts.rendered(charts.template({"upstream": {"url": URL}}, release=release))
        return {(each["kind"], each["metadata"]["name"]) for each in charts.objects(text)}

    assert not names("a" * 52 + "b") & names("a" * 52 + "c")


def test_proxy_beside_own_pods_is_refused(tmp_path: Path) -> None:
    """The Service of the proxy would select those pods."""
    result = charts.template({"mcp-observability": {"proxy": {"enabled": True}}}, charts.with_dependency(tmp_path))
    assert result.returncode != 0 and "proxy.enabled" in result.stderr, result.stderr


def test_a_chart_above_may_have_a_condition_but_no_alias(tmp_path: Path) -> None:
    parent = charts.with_dependency(tmp_path)
    description = parent / "Chart.yaml"
    plain = description.read_text(encoding="utf-8")
    description.write_text(plain.replace("version: 0.1.0,", "version: 0.1.0, condition: mcp-observability.enabled,"), encoding="utf-8")
    charts.rendered(charts.template({"mcp-observability": {"enabled": True}}, parent))
    description.write_text(plain.replace("version: 0.1.0,", "version: 0.1.0, alias: sidecar,"), encoding="utf-8")
    (parent / "values.yaml").write_text("sidecar: {proxy: {enabled: false}}\n", encoding="utf-8")
    result = charts.template({}, parent)
    assert result.returncode != 0 and "alias" in result.stderr, result.stderr


def test_pull_secrets_reach_every_pod() -> None:
    everything = charts.objects(charts.variant("load-balancer"))
    for each in (pod(only("Deployment", everything)), only("Pod", everything)):
        assert each["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_grafana_and_prometheus_find_their_files() -> None:
    everything = charts.objects(charts.variant("monitoring"))
    files = {path.name for path in (ROOT / "grafana/dashboards").glob("*.json")}
    dashboards = [each for each in everything if each["kind"] == "ConfigMap" and each["data"].keys() & files]
    assert len(dashboards) == len(files)
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in dashboards)
    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert only(kind, everything)["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_configmaps_hold_the_repositorys_files() -> None:
    found = {file: text for each in charts.objects(charts.variant("monitoring")) if each["kind"] == "ConfigMap" for file, text in each["data"].items()}
    for path in [*(ROOT / "grafana/dashboards").glob("*.json"), *(ROOT / "collector" / f"{name}.yaml" for name in ("collector", "sanitize", "export-otlp"))]:
        assert found[path.name].rstrip("\n") == path.read_text(encoding="utf-8").rstrip("\n"), path.name
    rule = only("PrometheusRule", charts.objects(charts.variant("monitoring")))
    assert rule["spec"] == only("PrometheusRule", manifests.objects("monitoring"))["spec"]


def test_without_a_collector_its_objects_are_missing() -> None:
    text = charts.variant("no-collector")
    assert list(containers(pod(only("Deployment", charts.objects(text)))["spec"])) == ["sidecar"]
    assert "8889" not in text and "collector.yaml" not in text


def limited(*rules: dict) -> dict:
    """Values with these rate limits."""
    return {"upstream": {"url": URL}, "sidecar": {"filter": {"rate_limit": {"rules": list(rules)}}}}


def test_rate_limits_reach_the_filter_unchanged() -> None:
    rules = [
        {"name": "expensive", "method": "tools/call", "tool": "analyse", "per": "session", "requests": 10, "interval_ms": 60000, "burst": 20},
        {"method": "tools/list", "per": "client", "requests": 1000000, "interval_ms": 86400000},
    ]
    result = charts.template(limited(*rules))
    assert result.returncode == 0, result.stderr
    maps = [each for each in charts.objects(result.stdout) if each["kind"] == "ConfigMap" and "filter.json" in each["data"]]
    assert json.loads(maps[0]["data"]["filter.json"])["rate_limit"] == {"rules": rules}


@pytest.mark.parametrize(("values", "named"), [
    ({}, "upstream.url"),
    ({"upstream": {"url": "orders:8080"}}, "/upstream/url"),
    ({"upstream": {"url": "http://user:secret@orders/mcp"}}, "/upstream/url"),
    ({"upstream": {"url": URL, "name": "my orders"}}, "/upstream/name"),
    ({"upstream": {"url": URL, "timeoutMs": "30s"}}, "/upstream/timeoutMs"),
    ({"upstream": {"url": URL, "hostHeader": "keep"}}, "/upstream/hostHeader"),
    ({"upstream": {"url": URL, "caConfigMap": {"name": "company-ca"}}}, "upstream.caConfigMap.name"),
    ({"upstream": {"url": 'http://a"b/'}}, "/upstream/url"),
    ({"upstream": {"url": URL, "idleMs": 0}}, "/upstream/idleMs"),
    ({"upstream": {"url": URL, "clientSecret": {"name": "orders-client"}}}, "upstream.clientSecret.name"),
    ({"upstream": {"url": "https://mcp.example.com", "clientSecret": {"name": "Orders Client"}}}, "/upstream/clientSecret/name"),
    ({"upstream": {"url": URL}, "sidecar": {"environment": {"HTTPS_PROXY": "http://me:password@proxy:3128"}}}, "/sidecar/environment/HTTPS_PROXY"),
    ({"upstream": {"url": URL}, "sidecar": {"environment": {"HTTPS_PROXY": "socks5://proxy:1080"}}}, "/sidecar/environment/HTTPS_PROXY"),
    ({"upstream": {"url": "https://mcp.example.com", "caConfigMap": {"name": "Company"}}}, "/upstream/caConfigMap/name"),
    ({"upstream": {"url": "https://mcp.example.com", "caConfigMap": {"name": "company-ca", "key": "../x"}}}, "/upstream/caConfigMap/key"),
    ({"upstream": {"url": URL}, "upstreamUrl": "http://a"}, "upstreamUrl"),
    ({"upstream": {"url": URL}, "proxy": {"replicas": 0}}, "/proxy/replicas"),
    ({"upstream": {"url": URL}, "collector": {"memoryMiB": 64}}, "/collector/memoryMiB"),
    ({"upstream": {"url": URL}, "sidecar": {"environment": {"PORT": "1"}}}, "PORT"),
    ({"upstream": {"url": URL}, "sidecar": {"filter": {"semconv": "yes"}}}, "/sidecar/filter/semconv"),
    ({"upstream": {"url": URL}, "sidecar": {"filter": {"limits": {"tools": 5}}}}, "tools"),
    (limited(), "/sidecar/filter/rate_limit"),
    (limited({"method": "tools/call", "requests": 1}), "interval_ms"),
    (limited({"method": "tools/call", "requests": 1, "interval_ms": 99}), "/rules/0/interval_ms"),
    (limited({"method": "initialize", "requests": 1, "interval_ms": 1000}), "/rules/0/method"),
    (limited({"method": "tools/list", "tool": "search", "requests": 1, "interval_ms": 1000}), "/rules/0/method"),
    (limited({"method": "tools/call", "requests": 1, "interval_ms": 1000, "per": "user"}), "/rules/0/per"),
    # A key must not be in a ConfigMap.
    ({"upstream": {"url": URL}, "sidecar": {"filter": {"labels": {"hash_key": "sixteen-bytes-at-least"}}}}, "/sidecar/filter/labels/hash_key"),
    ({"upstream": {"url": URL}, "sidecar": {"image": {"tag": 1.2}}}, "/sidecar/image/tag"),
    ({"upstream": {"url": URL}, "networkPolicy": {"enabled": "yes"}}, "/networkPolicy/enabled"),
    ({"upstream": {"url": "http://orders/mc p"}}, "/upstream/url"),
    ({"upstream": {"url": URL + "\n  privileged: true"}}, "/upstream/url"),
    ({"upstream": {"url": None}}, "'url'"),
    ({"upstream": {"url": URL}, "sidecar": {"filter": None}}, "'filter'"),
    ({"upstream": {"url": URL}, "collector": None}, "'collector'"),
    ({"upstream": {"url": URL}, "proxy": {"service": {"port": None}}}, "'port'"),
    ({"upstream": {"url": URL}, "sidecar": {"environment": {"CONCURRENCY": "many"}}}, "/sidecar/environment/CONCURRENCY"),
    ({"upstream": {"url": URL}, "sidecar": {"environmentFromSecrets": {"PORT": {"name": "a", "key": "b"}}}}, "PORT"),
    ({"upstream": {"url": URL}, "sidecar": {"identity": {"header": "x-user"}}}, "sidecar.identity.form"),
    ({"upstream": {"url": URL}, "sidecar": {"identity": {"header": "X User", "form": "plain"}}}, "/sidecar/identity/header"),
    ({"upstream": {"url": URL}, "sidecar": {"auditLog": "audit.jsonl"}}, "/sidecar/auditLog"),
    ({"upstream": {"url": URL}, "sidecar": {"traces": {"sampler": "always"}}}, "/sidecar/traces/sampler"),
    ({"upstream": {"url": URL}, "sidecar": {"traces": {"ratio": 2}}}, "/sidecar/traces/ratio"),
    ({"upstream": {"url": URL}, "sidecar": {"hashKeySecret": {"name": "a"}, "environmentFromSecrets": {"MCP_HASH_KEY": {"name": "a", "key": "b"}}}}, "MCP_HASH_KEY"),
    # An API server accepts both and warns.
    ({"upstream": {"url": URL}, "sidecar": {"environmentFromSecrets": {"MCP_UPSTREAM_URL": {"name": "a", "key": "b"}}}}, "MCP_UPSTREAM_URL"),
    ({"upstream": {"url": URL}, "sidecar": {"image": {"tag": "1\n          command: [sh]"}}}, "/sidecar/image/tag"),
    ({"upstream": {"url": URL}, "sidecar": {"image": {"tag": "0.1.0@sha256:12"}}}, "/sidecar/image/tag"),
    ({"upstream": {"url": URL}, "sidecar": {"resources": {"limit": {"memory": "1Gi"}}}}, "'limit'"),
    ({"upstream": {"url": URL}, "collector": {"memoryMiB": 320}}, "collector.memoryMiB"),
    ({"upstream": {"url": URL}, "collector": {"enabled": False, "otlpEndpoint": "http://backend:4318"}}, "collector.otlpEndpoint"),
    ({"upstream": {"url": URL}, "monitoring": {"rules": {"labels": {"app.kubernetes.io/instance": "other"}}}}, "/monitoring/rules/labels"),
    ({"upstream": {"url": URL}, "imagePullSecrets": ["registry"]}, "/imagePullSecrets/0"),
    ({"upstream": {"url": URL}, "networkPolicy": {"monitoringNamespace": "a}}, {ipBlock: {cidr: 0.0.0.0/0"}}, "/networkPolicy/monitoringNamespace"),
    ({"upstream": {"url": URL}, "collector": {"otlpEndpoint": "https://user:secret@backend:4318"}}, "/collector/otlpEndpoint"),
    ({"upstream": {"url": URL}, "enabled": False}, "/enabled"),
    # Each call would go to the proxy again.
    ({"upstream": {"url": "http://proxy:80/mcp"}}, "upstream.url"),
    ({"upstream": {"url": "http://proxy.default.svc.cluster.local/mcp"}}, "upstream.url"),
])
def test_a_bad_value_is_refused_by_its_name(values: dict, named: str) -> None:
    result = charts.template(values, release="proxy")
    assert result.returncode != 0 and named in result.stderr, result.stderr


def test_the_schema_has_every_value() -> None:
    def paths(schema: dict, values: dict, definitions: dict, at: str = "") -> None:
        schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        for key, value in values.items():
            if schema.get("additionalProperties") is False:
                assert key in schema["properties"], f"{at}/{key}"
            if isinstance(value, dict) and key in schema.get("properties", {}):
                paths(schema["properties"][key], value, definitions, f"{at}/{key}")

    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    paths(schema, yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")), schema["$defs"])


def test_helm_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps({"upstream": {"url": URL}}))
    result = charts.helm("lint", "--strict", str(CHART), f"--values={values}")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_versions_are_the_repositorys() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    assert values["sidecar"]["image"]["tag"] == chart["appVersion"]
    assert values["collector"]["image"]["tag"] == charts.version("COLLECTOR")
