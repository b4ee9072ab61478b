"""The chart as helm renders it, with the values that its page documents. Reads no cluster."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import yaml
from support.peers import ROOT, get

CHART = ROOT / "k8s/helm/mcp-observability"
# A chart above it, whose own Deployment has the sidecar.
PARENT = ROOT / "tests/k8s/charts/orders"
URL = "http://orders:8080/mcp"
# Every documented variant by name.
VARIANTS: dict[str, dict] = {
    "default": {},
    "no-collector": {"collector": {"enabled": False}},
    "otlp": {"collector": {"otlpEndpoint": "http://backend:4318", "environment": "production"}},
    "monitoring": {"monitoring": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
        "rules": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
        "dashboards": {"enabled": True},
    }},
    "bare": {"networkPolicy": {"enabled": False}, "monitoring": {"serviceMonitor": {"enabled": False}}},
    "load-balancer": {"proxy": {"service": {"type": "LoadBalancer", "port": 8443}}, "imagePullSecrets": [{"name": "registry"}]},
    "settings": {
        "upstream": {"url": "https://mcp.example.com/mcp", "name": "orders", "timeoutMs": 0, "hostHeader": "upstream"},
        "sidecar": {"filter": {"semconv": True, "limits": {"tool_names": 50}}, "environment": {"CONCURRENCY": "4"}},
    },
}


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([get("helm"), *arguments], capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})


def template(values: dict, chart: Path = CHART, release: str = "orders") -> subprocess.CompletedProcess[str]:
    """Renders without asking any cluster."""
    return subprocess.run(
        [get("helm"), "template", release, str(chart), "--values=-", "--kube-version=1.36.3"],
        input=json.dumps(values), capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )


@cache
def variant(name: str) -> str:
    """A variant's manifests; each variant is a release of its own name, so that all stand in one namespace."""
    values = {"upstream": {"url": URL}} | VARIANTS[name]
    return rendered(template(values, release=name))


def rendered(result: subprocess.CompletedProcess[str]) -> str:
    # Helm says for each linked file that it follows the link; nothing else may be said.
    said = [line for line in result.stderr.splitlines() if "found symbolic link in path" not in line]
    assert result.returncode == 0 and not said, result.stderr
    return result.stdout


def objects(text: str) -> list[dict]:
    return [each for each in yaml.safe_load_all(text) if each]


def with_dependency(directory: Path) -> Path:
    """The chart above, with this one packed into it as `helm dependency build` would."""
    chart = directory / PARENT.name
    shutil.copytree(PARENT, chart)
    packed = helm("package", str(CHART), f"--destination={chart / 'charts'}")
    assert packed.returncode == 0, packed.stderr
    return chart
