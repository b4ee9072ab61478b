"""Manifests that kubectl's kustomize rendered, and functions to find parts of them. It uses no cluster."""

import subprocess
from functools import cache

import yaml
from support.peers import ROOT, get

KUBERNETES = ROOT / "k8s"
# The kustomizations that users apply.
KUSTOMIZATIONS = ["base", "monitoring", *sorted(f"overlays/{path.name}" for path in (KUBERNETES / "overlays").iterdir())]
# The kustomizations that run a server.
SERVERS = [name for name in KUSTOMIZATIONS if name != "monitoring"]


@cache
def rendered(name: str) -> str:
    done = subprocess.run([get("kubectl"), "kustomize", KUBERNETES / name], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def objects(name: str) -> list[dict]:
    return list(yaml.safe_load_all(rendered(name)))


def only(kind: str, among: list[dict]) -> dict:
    """The only object of a kind."""
    found = [each for each in among if each["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of kind {kind}"
    return found[0]


def pod(workload: dict) -> dict:
    """The pod that a Deployment makes."""
    template = workload["spec"]["template"]
    metadata = template["metadata"] | {"name": f"{workload['metadata']['name']}-0"}
    if "namespace" in workload["metadata"]:
        metadata["namespace"] = workload["metadata"]["namespace"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def containers(spec: dict) -> dict[str, dict]:
    """All containers of a pod's spec by name, in the order of their start."""
    return {each["name"]: each for each in [*spec.get("initContainers", []), *spec["containers"]]}


def port_names(spec: dict) -> set[str]:
    return {port["name"] for container in containers(spec).values() for port in container.get("ports", [])}


def port_numbers(spec: dict) -> set[int]:
    return {port["containerPort"] for container in containers(spec).values() for port in container.get("ports", [])}


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a selector with these labels selects those labels."""
    return bool(selector) and selector.items() <= labels.items()
