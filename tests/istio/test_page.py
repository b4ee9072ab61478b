"""The commands in README.md that change the files, on a copy: no old name remains. Needs no cluster."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.peers import ROOT, get

from mesh.manifests import MANIFESTS, NAMESPACE, RESOURCES


def command(of: str) -> str:
    """The only `sed` command of the page that contains this text."""
    page = (MANIFESTS / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    (found,) = [line for line in re.findall(r"^sed .*$", page, re.MULTILINE) if of in line]
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("k8s/istio", "collector"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def run(copy: Path, sed: str) -> list[Path]:
    """Runs the command on a copy. Returns the changed files."""
    done = subprocess.run(["bash", "-c", sed], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return sorted((copy / "k8s/istio").rglob("*.yaml"))


def test_another_namespace(copy: Path) -> None:
    """After that only the plugin's own tags and labels begin with `mcp`: no address, no namespace, no name of a filter."""
    for file in run(copy, command("shop")):
        text = file.read_text(encoding="utf-8")
        assert not re.search(rf"(namespace: |-n ){NAMESPACE}\b|\.{NAMESPACE}\.svc|\b{NAMESPACE}\.mcp-", text), file.name
    for name in RESOURCES:
        for each in yaml.safe_load_all((copy / "k8s/istio" / name).read_text(encoding="utf-8")):
            assert each["metadata"]["namespace"] == "shop", name
    for folder in ("collector", "otlp"):
        for each in kustomized(copy / "k8s/istio" / folder):
            assert each["metadata"]["namespace"] == "shop", each["metadata"]["name"]


def test_the_filters_name_in_an_older_istio(copy: Path) -> None:
    """The name that WasmPlugin gave, in every EnvoyFilter, in the match and in the value."""
    run(copy, command("wasmplugin/"))
    names = []
    for name in RESOURCES:
        documents = list(yaml.safe_load_all((copy / "k8s/istio" / name).read_text(encoding="utf-8")))
        plugins = {f"extensions.istio.io/wasmplugin/{NAMESPACE}.{each['metadata']['name']}" for each in documents if each["kind"] == "WasmPlugin"}
        # The plugin in rate-limit.yaml has a name of its own, not one of Istio's.
        for each in (each for each in documents if each["kind"] == "EnvoyFilter" and name != "rate-limit.yaml"):
            (patch,) = each["spec"]["configPatches"]
            found = patch["match"]["listener"]["filterChain"]["filter"]["subFilter"]["name"]
            assert found == patch["patch"]["value"]["name"]
            assert found in plugins or name == "envoyfilter.yaml", found
            names.append(found)
    assert f"extensions.istio.io/wasmplugin/{NAMESPACE}.mcp-observability" in names


def kustomized(folder: Path) -> list[dict]:
    done = subprocess.run([get("kubectl"), "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_the_backend_is_added_to_the_collector() -> None:
    """The collector keeps its arguments, variables and volumes, and has what the export needs; the directory can be written."""
    plain, exporting = (
        next(each for each in kustomized(MANIFESTS / name) if each["kind"] == "Deployment")["spec"]["template"]["spec"]
        for name in ("collector", "otlp")
    )
    (before,), (after,) = plain["containers"], exporting["containers"]
    assert after["args"] == [*before["args"], "--config=/etc/collector/export-otlp.yaml"]
    variables = {each["name"]: each["value"] for each in after["env"]}
    kept = {each["name"]: each["value"] for each in before["env"]}
    assert variables == kept | {"OTEL_EXPORTER_OTLP_ENDPOINT": variables["OTEL_EXPORTER_OTLP_ENDPOINT"], "COLLECTOR_STATE": "/var/lib/collector"}
    mounts = {each["name"]: each for each in after["volumeMounts"]}
    assert mounts["collector-state"] == {"name": "collector-state", "mountPath": "/var/lib/collector"}
    assert {each["name"] for each in exporting["volumes"]} == set(mounts)
