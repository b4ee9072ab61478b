"""The SBOM has exactly the crates that cargo builds, and another checkout gives the same module."""

import json
import os
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT, succeed
from layout import blob, image, referrers
from support.cargo import crates

SBOM_TYPE = "application/vnd.cyclonedx+json"
TARGET = "wasm32-wasip1"


@pytest.fixture(scope="module")
def built() -> tuple[Path, list[dict]]:
    """The module of this checkout, and cargo's message on each crate that was compiled for it (now or before)."""
    *messages, path = succeed(ROOT / "scripts/build-filter.sh", "--message-format", "json").splitlines()
    return Path(path), [one for one in map(json.loads, messages) if one["reason"] == "compiler-artifact"]


@pytest.fixture(scope="module")
def sbom(layout: Path) -> dict:
    found = referrers(layout, image(layout))
    assert [one["artifactType"] for one in found] == [SBOM_TYPE]
    (layer,) = found[0]["layers"]
    assert layer["mediaType"] == SBOM_TYPE
    return json.loads(blob(layout, layer))


def all_components(sbom: dict) -> list[dict]:
    return [sbom["metadata"]["component"], *sbom["components"]]


def test_sbom_names_every_crate_and_nothing_else(sbom: dict, built: tuple[Path, list[dict]]) -> None:
    named = [(one["name"], one["version"]) for one in all_components(sbom)]
    assert len(named) == len(set(named))
    assert set(named) == crates(built[1])


def test_sbom_distinguishes_linked_and_build_time_crates(sbom: dict, built: tuple[Path, list[dict]]) -> None:
    linked = crates([one for one in built[1] if any(f"/{TARGET}/" in file for file in one["filenames"])])
    assert {(one["name"], one["version"]) for one in all_components(sbom) if one["scope"] == "required"} == linked


def test_sbom_names_archives_by_the_checksums_of_the_lock_file(sbom: dict) -> None:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    expected = {(one["name"], one["version"]): one["checksum"] for one in lock if "checksum" in one}
    ours = {"mcp-allocator", "mcp-observe"}
    for component in sbom["components"]:
        assert component["licenses"][0]["expression"]
        if component["name"] not in ours:
            checksum = expected[component["name"], component["version"]]
            assert component["hashes"] == [{"alg": "SHA-256", "content": checksum}]
            assert component["purl"].startswith(f"pkg:cargo/{component['name']}@")


def test_sbom_has_the_dependencies(sbom: dict) -> None:
    """All crates are dependencies of the module, directly or not, and all references exist."""
    needs = {one["ref"]: one["dependsOn"] for one in sbom["dependencies"]}
    reached, ahead = set(), [sbom["metadata"]["component"]["bom-ref"]]
    while ahead:
        one = ahead.pop()
        if one not in reached:
            reached.add(one)
            ahead += needs[one]
    assert reached == set(needs) == {one["bom-ref"] for one in all_components(sbom)}


def test_module_names_no_place(built: tuple[Path, list[dict]]) -> None:
    """The module contains neither paths of this machine nor the address of the registry."""
    content = built[0].read_bytes()
    for place in (f"{ROOT}/", f"{Path.home()}/", "registry/src", "crates.io", ".rustup", "toolchains"):
        assert place.encode() not in content, place


def cargo_home(directory: Path) -> Path:
    """A home directory of cargo at another path, with the same content."""
    directory.mkdir()
    for entry in Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")).iterdir():
        if entry.name == "registry" or entry.name.startswith("config"):
            (directory / entry.name).symlink_to(entry)
    return directory


def test_another_checkout_gives_the_same_module(built: tuple[Path, list[dict]], tmp_path: Path) -> None:
    """Builds a second time at another path, with another home and another target directory of cargo."""
    checkout = tmp_path / "a longer way" / "checkout"
    checkout.mkdir(parents=True)
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(tmp_path / "files.tar", "w") as archive:
        for name in listed.decode().split("\0"):
            if name and (ROOT / name).exists():
                archive.add(ROOT / name, name)
    with tarfile.open(tmp_path / "files.tar") as archive:
        archive.extractall(checkout, filter="data")
    printed = succeed("scripts/build-filter.sh", cwd=checkout, CARGO_TARGET_DIR=str(tmp_path / "elsewhere"),
                      CARGO_HOME=str(cargo_home(tmp_path / "home")))
    other = Path(printed.strip())
    assert other.is_relative_to(tmp_path)
    assert other.read_bytes() == built[0].read_bytes()
