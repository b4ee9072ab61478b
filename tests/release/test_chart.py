"""The packed chart is the one in k8s/helm, and a real API server takes what it installs."""

import io
import re
import tarfile
from pathlib import Path

import pytest
import yaml

from conftest import VERSION
from harness import charts
from harness.cluster import Cluster, must


@pytest.fixture
def chart(release: Path) -> Path:
    return release / f"mcp-observability-{VERSION}.tgz"


def files(packed: Path) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed.read_bytes())) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_packed_chart_has_the_files_that_helm_packs(chart: Path, tmp_path: Path) -> None:
    assert files(chart) == files(charts.packed(tmp_path / "packed"))


@pytest.mark.parametrize("variant", charts.VARIANTS)
def test_packed_chart_renders_as_its_folder_does(chart: Path, variant: str) -> None:
    values = {"upstream": {"url": charts.URL}} | charts.VARIANTS[variant]
    assert charts.rendered(charts.template(values, chart, release=variant)) == charts.variant(variant)


def test_packed_chart_installs(cluster: Cluster, chart: Path, tmp_path: Path) -> None:
    namespace = cluster.create_namespace("released")
    installed = charts.helm("install", "orders", str(chart), f"--namespace={namespace}", "--values=-", values={"upstream": {"url": charts.URL}},
                            KUBECONFIG=str(cluster.kubeconfig), HOME=str(tmp_path))
    assert installed.returncode == 0, installed.stderr
    images = must(cluster.kubectl("get", "deployments", f"--namespace={namespace}", "--output=jsonpath={..image}"))
    assert re.search(rf"(^| )mcp-observability/sidecar:{re.escape(VERSION)}( |$)", images), images


def test_versions_are_the_repositorys(chart: Path) -> None:
    description = yaml.safe_load(files(chart)["mcp-observability/Chart.yaml"])
    values = yaml.safe_load(files(chart)["mcp-observability/values.yaml"])
    assert (description["version"], description["appVersion"], values["sidecar"]["image"]["tag"]) == (VERSION, VERSION, VERSION)
