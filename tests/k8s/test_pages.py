"""The commands of the pages work on a real API server, if they need nothing else."""

import os
import re
import shlex
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from harness.cluster import Cluster
from harness.manifests import objects
from support.peers import ROOT, get

# The other commands need controllers or kubelets, or connect to pods.
RUN = {("kubectl", verb) for verb in ("create", "label", "apply")} | {("helm", verb) for verb in ("install", "upgrade", "rollback")}
# The namespace that a page requires.
NAMESPACES = {"k8s/README.md": "monitoring", "k8s/helm/mcp-observability/README.md": "store"}


def commands(page: str) -> Iterator[list[str]]:
    """Each command of the page's shell blocks, split as a shell splits it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


@pytest.mark.parametrize("page", NAMESPACES)
def test_the_commands_of_a_page_work(cluster: Cluster, page: str, tmp_path: Path) -> None:
    cluster.create_namespace(NAMESPACES[page])
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(cluster.kubeconfig)}
    run = 0
    for program, *arguments in commands(page):
        if (program, arguments[0]) in RUN:
            run += 1
            done = subprocess.run([get(program), *arguments], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120)
            assert done.returncode == 0 and "Warning" not in done.stderr, f"{program} {arguments}\n{done.stdout}{done.stderr}"
    assert run >= 3, "the page has lost its commands"


def kustomized(patches: list[dict], directory: Path) -> list[dict]:
    """The objects of a copy of the overlay outside the repository, with these patches added and the ServiceMonitor's removed."""
    overlay = directory / "orders"
    shutil.copytree(ROOT / "k8s/overlays/orders", overlay)
    file = overlay / "kustomization.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8").replace("../../", f"{os.path.relpath(ROOT / 'k8s', overlay)}/"))
    settings["patches"] = [each for each in settings["patches"] if "target" not in each] + patches
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = subprocess.run([get("kubectl"), "kustomize", overlay], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_the_pages_patch_removes_the_service_monitor(tmp_path: Path) -> None:
    """The patch for clusters without Prometheus Operator."""
    [patch] = re.findall(r"`({target: .*})`", (ROOT / "k8s/README.md").read_text(encoding="utf-8"))
    kinds = {each["kind"] for each in kustomized([yaml.safe_load(patch)], tmp_path)}
    assert kinds == {each["kind"] for each in objects("overlays/orders")} - {"ServiceMonitor"}


def test_the_pages_patch_adds_a_client_certificate(tmp_path: Path) -> None:
    """The sidecar gets each variable of the patch. Its value is the path of a file in the mounted Secret."""
    page = (ROOT / "k8s/README.md").read_text(encoding="utf-8")
    [block] = [block for block in re.findall(r"^ *```yaml\n(.*?)^ *```$", page, re.DOTALL | re.MULTILINE) if "CERT_FILE" in block]
    own = yaml.safe_load(textwrap.dedent(block))
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mcp-server"}, "spec": {"template": {"spec": own}}}
    [deployment] = [each for each in kustomized([{"patch": yaml.safe_dump(patch)}], tmp_path) if each["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    [sidecar] = [each for each in spec["initContainers"] if each["name"] == "sidecar"]
    variables = {each["name"]: each.get("value") for each in sidecar["env"]}
    [mount] = [each for each in sidecar["volumeMounts"] if each["name"] == "upstream-client"]
    for name in ("MCP_UPSTREAM_CA_FILE", "MCP_UPSTREAM_CERT_FILE", "MCP_UPSTREAM_KEY_FILE"):
        assert variables[name].startswith(f"{mount['mountPath']}/")
    assert variables["MCP_UPSTREAM_URL"].startswith("https://") and variables["MCP_UPSTREAM_NAME"] == "orders"
    assert {"name": "upstream-client", "secret": {"secretName": "orders-client"}} in spec["volumes"]
    assert "sidecar-config" in {each["name"] for each in spec["volumes"]}
