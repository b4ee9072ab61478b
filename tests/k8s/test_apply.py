"""A real API server accepts all manifests unchanged: no unknown field, no pod below `restricted`, no warning."""

import json

import pytest
from harness.cluster import Cluster, must
from harness.manifests import KUSTOMIZATIONS, SERVERS, objects, only, pod, rendered


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> str:
    return cluster.create_namespace("restricted")


@pytest.fixture
def workload() -> dict:
    """The base's Deployment, which tests change so that it is invalid."""
    return only("Deployment", objects("base"))


def destination(name: str, namespace: str) -> list[str]:
    """The namespace of a kustomization without one."""
    return [] if any(each["kind"] == "Namespace" for each in objects(name)) else [f"--namespace={namespace}"]


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_everything_is_taken_without_a_warning(cluster: Cluster, namespace: str, name: str) -> None:
    where = destination(name, namespace)
    must(cluster.apply(*where, "-f-", text=rendered(name)))
    stored = json.loads(must(cluster.kubectl("get", *where, "-f-", "--output=json", text=rendered(name))))
    assert len(stored["items"]) == len(objects(name))
    # A second application changes nothing, so the server stored the objects as they are.
    difference = cluster.kubectl("diff", "--server-side", *where, "-f-", text=rendered(name))
    assert (difference.returncode, difference.stdout) == (0, ""), difference.stdout + difference.stderr


@pytest.mark.parametrize("name", SERVERS)
def test_its_pods_are_admitted(cluster: Cluster, namespace: str, name: str) -> None:
    own = pod(only("Deployment", objects(name)))
    if where := own["metadata"].get("namespace"):
        must(cluster.apply("-f-", text=rendered(name)))
        cluster.create_service_account(where)
    must(cluster.apply(f"--namespace={where or namespace}", "-f-", text=json.dumps(own)))


def test_a_misspelt_field_is_refused(cluster: Cluster, namespace: str, workload: dict) -> None:
    workload["spec"]["template"]["spec"]["containers"][0]["redinessProbe"] = {"httpGet": {"path": "/", "port": 1}}
    result = cluster.apply(f"--namespace={namespace}", "-f-", text=json.dumps(workload))
    assert result.returncode != 0 and "redinessProbe" in result.stderr, result


def test_a_misspelt_field_of_the_operator_is_refused(cluster: Cluster, namespace: str) -> None:
    monitor = only("ServiceMonitor", objects("base"))
    monitor["spec"]["endpoints"][0]["honourLabels"] = True
    result = cluster.apply(f"--namespace={namespace}", "-f-", text=json.dumps(monitor))
    assert result.returncode != 0 and "honourLabels" in result.stderr, result


@pytest.mark.parametrize(("field", "value"), [
    ("privileged", True),
    ("allowPrivilegeEscalation", True),
    ("runAsUser", 0),
    ("capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}),
    ("seccompProfile", {"type": "Unconfined"}),
])
def test_a_pod_with_more_rights_is_refused(
    cluster: Cluster, namespace: str, workload: dict, field: str, value: object
) -> None:
    workload["spec"]["template"]["spec"]["containers"][0]["securityContext"][field] = value
    if field == "privileged":
        # Otherwise the API server refuses the contradiction before the admission.
        del workload["spec"]["template"]["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"]
    spoilt = pod(workload)
    spoilt["metadata"]["name"] = f"spoilt-{field.lower()}"
    result = cluster.apply(f"--namespace={namespace}", "-f-", text=json.dumps(spoilt))
    assert result.returncode != 0 and 'violates PodSecurity "restricted' in result.stderr, result
    # An object that makes such pods is accepted with a warning, which the tests above do not allow.
    workload["metadata"]["name"] = f"spoilt-{field.lower()}"
    result = cluster.apply(f"--namespace={namespace}", "-f-", text=json.dumps(workload))
    assert result.returncode == 0 and "Warning: would violate PodSecurity" in result.stderr, result


def test_variable_that_is_set_twice_is_refused_or_warned_about(cluster: Cluster, namespace: str, workload: dict) -> None:
    variables = workload["spec"]["template"]["spec"]["initContainers"][1]["env"]
    variables.append({"name": variables[0]["name"], "value": "http://127.0.0.1:1/mcp"})
    result = cluster.apply(f"--namespace={namespace}", "-f-", text=json.dumps(workload))
    assert result.returncode != 0 or result.stderr, result
