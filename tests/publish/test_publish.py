"""scripts/publish.sh with a registry: all of a release gets there, a published version never changes, and nothing is pushed in part."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import artefacts
import pytest
from artefacts import HELM, ROOT, SBOM, version
from support.registry import CRANE, serve

ORAS = os.environ.get("ORAS_BIN", "oras")
NAMES = {"mcp-sidecar": "mcp-sidecar", "mcp-observability": "mcp-observability", "chart": "charts/mcp-observability"}


@pytest.fixture
def registry() -> Iterator[str]:
    with serve() as name:
        yield f"{name}/team"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return artefacts.write(tmp_path / "release")


def publish(registry: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "scripts/publish.sh", registry, directory], capture_output=True, text=True, timeout=120)


def spoil_chart(directory: Path) -> None:
    with (directory / f"mcp-observability-{version()}.tgz").open("ab") as file:
        file.write(b"x")


def published(registry: str, directory: Path) -> dict[str, tuple[str, str]]:
    """Repository and digest of each image, as the script prints them."""
    done = publish(registry, directory)
    assert done.returncode == 0, done.stderr
    return {name: (repository, digest) for name, repository, digest in (line.split() for line in done.stdout.splitlines())}


def refused(registry: str, directory: Path) -> str:
    """The message of a script that must fail without a digest for the image that it refuses."""
    done = publish(registry, directory)
    assert done.returncode == 1, done.stdout
    return done.stderr


def crane(*arguments: str) -> str:
    return subprocess.run([CRANE, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def catalog(registry: str) -> str:
    return crane("catalog", registry.partition("/")[0])


def test_the_registry_has_each_image_under_the_printed_digest(registry: str, directory: Path) -> None:
    found = published(registry, directory)
    assert {name: repository for name, (repository, _) in found.items()} == {name: f"{registry}/{path}" for name, path in NAMES.items()}
    for repository, digest in found.values():
        assert crane("digest", f"{repository}:{version()}").strip() == digest


def test_the_sidecar_is_there_for_both_architectures(registry: str, directory: Path) -> None:
    repository, digest = published(registry, directory)["mcp-sidecar"]
    assert {one["platform"]["architecture"] for one in json.loads(crane("manifest", f"{repository}@{digest}"))["manifests"]} == {"amd64", "arm64"}
    for name in ("amd64", "arm64"):
        config = json.loads(crane("config", "--platform", f"linux/{name}", f"{repository}:{version()}"))
        assert config["architecture"] == name


def test_the_sbom_goes_with_the_module(registry: str, directory: Path) -> None:
    repository, digest = published(registry, directory)["mcp-observability"]
    found = subprocess.run([ORAS, "discover", "--plain-http", "--artifact-type", SBOM, f"{repository}@{digest}"],
                           check=True, stdout=subprocess.PIPE, text=True).stdout
    assert found.count("sha256:") == 2


def test_helm_renders_the_published_chart(registry: str, directory: Path) -> None:
    repository, _ = published(registry, directory)["chart"]
    rendered = subprocess.run([HELM, "template", "orders", f"oci://{repository}", "--version", version(), "--plain-http",
                               "--kube-version", "1.30.0", "--set", "upstream.url=http://orders-mcp:8080/mcp"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "kind: Deployment" in rendered


def test_a_second_run_changes_nothing(registry: str, directory: Path) -> None:
    assert published(registry, directory) == published(registry, directory)


@pytest.mark.parametrize("change", [lambda directory: artefacts.write_sidecar(directory, "other"), spoil_chart])
def test_a_published_version_never_changes(registry: str, directory: Path, change) -> None:
    before = published(registry, directory)
    change(directory)
    artefacts.seal(directory)
    assert "a published version never changes" in refused(registry, directory)
    for repository, digest in before.values():
        assert crane("digest", f"{repository}:{version()}").strip() == digest


@pytest.mark.parametrize("name", [f"mcp-sidecar-{version()}.oci.tar", f"mcp-observability-{version()}.tgz", "SHA256SUMS"])
def test_nothing_is_pushed_if_a_file_is_missing(registry: str, directory: Path, name: str) -> None:
    (directory / name).unlink()
    assert f"{name} is missing; `make release` writes it" in refused(registry, directory)
    assert catalog(registry) == ""


def test_nothing_is_pushed_if_a_file_is_damaged(registry: str, directory: Path) -> None:
    spoil_chart(directory)
    assert "are not those of SHA256SUMS" in refused(registry, directory)
    assert catalog(registry) == ""


def test_nothing_is_pushed_if_a_file_has_no_checksum(registry: str, directory: Path) -> None:
    chart = directory / f"mcp-observability-{version()}.tgz"
    content = chart.read_bytes()
    chart.unlink()
    artefacts.seal(directory)
    chart.write_bytes(content)
    assert f"SHA256SUMS does not name {chart.name}" in refused(registry, directory)
    assert catalog(registry) == ""


def test_a_registry_that_does_not_answer_is_named(directory: Path) -> None:
    with serve() as name:
        pass
    assert f"{name}/team/mcp-sidecar:{version()} cannot be looked up" in refused(f"{name}/team", directory)
