"""Fixtures of the suite: the artefacts, which are written once, and a root directory for each archive."""

import os
import signal
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import stand_in
from harness.cluster import Cluster, with_operator
from server import serve
from support.peers import ROOT

VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def target() -> Path:
    """Cargo's target directory of this checkout, which scripts/test-release.sh sets."""
    return Path(os.environ["CARGO_TARGET_DIR"])


def write_release(directory: Path, checkout: Path = ROOT, **environment: str) -> str:
    """Writes all artefacts. Returns what the command printed."""
    done = subprocess.run([checkout / "scripts/release.sh", directory], env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def envoy_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the stand-in for Envoy's image."""
    with stand_in.registry(tmp_path_factory.mktemp("registry")) as name:
        yield name


@pytest.fixture(scope="session")
def release(envoy_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the artefacts of this checkout."""
    directory = tmp_path_factory.mktemp("release") / "artefacts"
    write_release(directory, ENVOY_IMAGE=envoy_image)
    return directory


@pytest.fixture(scope="session")
def unpacked(release: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each archive with a folder a root directory, in which nothing but that folder is."""
    roots = {}
    for file in sorted(release.glob("*.tar.gz")):
        name = file.name.removesuffix(".tar.gz")
        roots[name] = tmp_path_factory.mktemp(name.replace(".", "-"))
        with tarfile.open(file) as archive:
            archive.extractall(roots[name], filter="data")
    return roots


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of an MCP server."""
    with serve() as url:
        yield url


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with Prometheus Operator's resource definitions."""
    with with_operator(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster
