"""Renders the chart with helm and the values that its page documents. This needs no cluster."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import yaml
from support.peers import ROOT, get

CHART = ROOT / "k8s/helm/mcp-observability"
# A chart with this one as a dependency, whose own Deployment has the sidecar.
PARENT = ROOT / "tests/k8s/charts/orders"
URL = "http://orders-mcp:8080/mcp"
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
        "upstream": {"url": "https://mcp.example.com/mcp", "name": "orders", "timeoutMs": 0, "idleMs": 4000, "hostHeader": "upstream"},
        "sidecar": {"filter": {"semconv": True, "limits": {"tool_names": 50}}, "environment": {"CONCURRENCY": "4"}},
    },
    "client-certificate": {
        "upstream": {"url": "https://mcp.example.com/mcp", "clientSecret": {"name": "orders-client"}},
        "sidecar": {"environment": {"HTTPS_PROXY": "http://proxy.example.com:3128", "NO_PROXY": ".svc,10.0.0.0/8"}},
    },
    "private-ca": {"upstream": {"url": "https://mcp.example.com/mcp", "caConfigMap": {"name": "company-ca", "key": "roots.pem"}}},
    "audited": {
        "sidecar": {
            "identity": {"header": "x-forwarded-user"}, "hashKeySecret": {"name": "mcp-hash"}, "auditLog": "/dev/stdout",
            "traces": {"sampler": "parentbased_traceidratio", "ratio": 0.1},
        },
    },
    "hashed": {
        "sidecar": {
            "filter": {"labels": {"resource_uri": "hash", "hash_key": "${HASH_KEY}"}},
            "environmentFromSecrets": {"HASH_KEY": {"name": "mcp-hash", "key": "key"}},
        },
    },
}


def helm(*arguments: str, values: dict | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs helm. The argument `--values=-` reads these values."""
    clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | environment
    return subprocess.run([get("helm"), *arguments], input=json.dumps(values or {}), capture_output=True, text=True, env=clean, timeout=120)


def template(values: dict, chart: Path = CHART, release: str = "orders") -> subprocess.CompletedProcess[str]:
    """Renders the chart without a cluster."""
    return helm("template", release, str(chart), "--values=-", f"--kube-version={version('KUBERNETES')}", values=values)


@cache
def version(name: str) -> str:
    """A version in versions.env."""
    lines = (ROOT / "versions.env").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith(f"{name}="))


@cache
def variant(name: str) -> str:
    """The manifests of a variant. Each variant is a release with its own name, so that all can be in one namespace."""
    values = {"upstream": {"url": URL}} | VARIANTS[name]
    return rendered(template(values, release=name))


def rendered(result: subprocess.CompletedProcess[str]) -> str:
    # Helm logs for each linked file that it follows the link. It must log nothing else.
    said = [line for line in result.stderr.splitlines() if "found symbolic link in path" not in line]
    assert result.returncode == 0 and not said, result.stderr
    return result.stdout


def objects(text: str) -> list[dict]:
    return [each for each in yaml.safe_load_all(text) if each]


def with_dependency(directory: Path, dependency: Path = CHART) -> Path:
    """The chart above with this one in it, as `helm dependency build` makes it."""
    chart = directory / PARENT.name
    shutil.copytree(PARENT, chart)
    packed(chart / "charts", dependency)
    return chart


def packed(directory: Path, chart: Path = CHART) -> Path:
    """The chart as one file, as in a registry."""
    directory.mkdir(exist_ok=True)
    result = helm("package", str(chart), f"--destination={directory}")
    assert result.returncode == 0, result.stderr
    return next(directory.glob("mcp-observability-*.tgz"))
