"""The image in a registry, with other tools: pushed by the printed command, validated, unpacked, refused if it is damaged."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import run, succeed
from layout import image, manifest
from support.registry import CRANE, serve

ORAS = os.environ.get("ORAS_BIN", "oras")
PUSH = "  oras copy "


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    with serve() as name:
        yield name


def push(printed: str, registry: str) -> subprocess.CompletedProcess[str]:
    """Runs the printed command with this registry."""
    (command,) = [line for line in printed.splitlines() if line.startswith(PUSH)]
    arguments = command.removeprefix(PUSH).replace("REGISTRY", registry).split()
    return run(ORAS, "copy", "--to-plain-http", *arguments)


@pytest.fixture(scope="module")
def pushed(written: tuple[Path, str], registry: str) -> str:
    """The name of the image in the registry, after the printed command pushed it."""
    done = push(written[1], registry)
    assert done.returncode == 0, done.stderr
    return f"{registry}/mcp-observability:{image(written[0])['annotations']['org.opencontainers.image.ref.name']}"


def test_the_registry_has_the_digest_that_was_printed(pushed: str, layout: Path) -> None:
    assert succeed(CRANE, "digest", pushed).strip() == image(layout)["digest"]
    assert succeed(CRANE, "validate", "--remote", pushed).startswith("PASS")


def test_it_unpacks_to_the_module(pushed: str, module: Path) -> None:
    exported = subprocess.run([CRANE, "export", pushed, "-"], check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        assert archive.getnames() == ["plugin.wasm"]
        content = archive.extractfile("plugin.wasm")
        assert content is not None and content.read() == module.read_bytes()


def test_the_sbom_is_found_by_the_image(pushed: str, layout: Path) -> None:
    found = succeed(ORAS, "discover", "--plain-http", "--artifact-type", "application/vnd.cyclonedx+json", pushed)
    assert found.count("sha256:") == 2


def test_a_damaged_layout_is_not_pushed(written: tuple[Path, str], tmp_path: Path) -> None:
    layout, printed = written
    shutil.copytree(layout, tmp_path / "damaged")
    layer = manifest(layout, image(layout))["layers"][0]
    file = tmp_path / "damaged" / "blobs" / layer["digest"].replace(":", "/")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    # The other registry has the layer already, so it is not sent again.
    with serve() as empty:
        done = push(printed.replace(str(layout), str(tmp_path / "damaged")), empty)
        assert done.returncode != 0
        assert "digest does not match" in done.stderr
        assert succeed(CRANE, "catalog", empty) == ""
