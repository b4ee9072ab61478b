"""The manifests of k8s/istio, and the changes that tests need on this machine. It does not use a cluster."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import yaml
from support.peers import ROOT, get

MANIFESTS = ROOT / "k8s/istio"
# The values for Istio's own chart; all other files are resources.
MESH = MANIFESTS / "mesh.yaml"
RESOURCES = sorted(path.name for path in MANIFESTS.glob("*.yaml") if path != MESH)
NAMESPACE = "mcp"


def objects(name: str) -> list[dict]:
    return list(yaml.safe_load_all((MANIFESTS / name).read_text(encoding="utf-8")))


def only(kind: str, name: str) -> dict:
    """The only object of a kind in a file."""
    (found,) = [each for each in objects(name) if each["kind"] == kind]
    return found


@cache
def chart() -> list[dict]:
    """Istio's chart `istiod`, rendered with the values of mesh.yaml."""
    command = [get("helm"), "template", "istiod", f"{get('istio')}/chart", "--namespace=istio-system", f"--values={MESH}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def mesh_config() -> dict:
    """The mesh's configuration that the chart makes from those values."""
    (configuration,) = [each for each in chart() if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "istio"]
    return yaml.safe_load(configuration["data"]["mesh"])


def injector() -> dict:
    """The configuration of the chart's injector."""
    (found,) = [each for each in chart() if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "istio-sidecar-injector"]
    return yaml.safe_load(found["data"]["config"])


def injected_annotations() -> dict[str, str]:
    """The annotations that injection adds to each pod."""
    return injector()["injectedAnnotations"]


def documented_annotation() -> dict[str, str]:
    """The annotation that README.md has for a gateway's pods."""
    page = (MANIFESTS / "README.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"`(sidecar\.istio\.io/statsInclusionRegexps: .*)`", page)
    return yaml.safe_load(written)


def plugin(url: str | Path, source: str = "wasmplugin-file.yaml", **configuration: object) -> dict:
    """A shipped WasmPlugin with another URL of the module, and with these additional fields of the configuration."""
    found = only("WasmPlugin", source)
    found["spec"]["url"] = f"file://{url}" if isinstance(url, Path) else url
    found["spec"]["pluginConfig"] |= configuration
    return found


def limited(url: str | Path, rules: list[dict], **configuration: object) -> dict:
    """rate-limit.yaml with another URL of the module, other fields of the configuration, and these rules, which are enforced."""
    found = only("EnvoyFilter", "rate-limit.yaml")
    _, extension, _ = found["spec"]["configPatches"]
    plugin = extension["patch"]["value"]["typed_config"]["config"]
    if isinstance(url, Path):
        plugin["vm_config"]["code"] = {"local": {"filename": str(url)}}
    else:
        plugin["vm_config"]["code"]["remote"]["http_uri"]["uri"] = url
    shipped = json.loads(plugin["configuration"]["value"])
    plugin["configuration"]["value"] = json.dumps(shipped | configuration | {"rate_limit": {"rules": rules}})
    return found


def text(*documents: dict) -> str:
    """The objects as text for kubectl."""
    return "\n---\n".join(json.dumps(document) for document in documents)
