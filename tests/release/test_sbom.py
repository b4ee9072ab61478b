"""The SBOM of each launcher has the crates that cargo builds for it, and the npm packages of the page."""

import json
import subprocess
from pathlib import Path

import pytest

from conftest import VERSION
from support.cargo import crates
from support.peers import ROOT


def compiled(processor: str) -> list[dict]:
    """Cargo's message on each crate that was compiled for the launcher. All were compiled before."""
    command = [ROOT / "scripts/build-static.sh", processor, "--message-format", "json"]
    *messages, _ = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [one for one in map(json.loads, messages) if one["reason"] == "compiler-artifact"]


def page_packages() -> list[tuple[str, str]]:
    """What page/package.json depends on, but not for the build."""
    return sorted(json.loads((ROOT / "page/package.json").read_text())["dependencies"].items())


def launcher_bom(release: Path, processor: str) -> dict:
    return json.loads((release / f"mcp-sidecar-{VERSION}-linux-{processor}.cdx.json").read_text())


def test_every_component_is_reached_from_the_launcher(release: Path) -> None:
    for processor in ("x86_64", "aarch64"):
        document = launcher_bom(release, processor)
        needs = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}
        reached, ahead = set(), [document["metadata"]["component"]["bom-ref"]]
        while ahead:
            one = ahead.pop()
            if one not in reached:
                reached.add(one)
                ahead += needs[one]
        assert reached == set(needs) == {one["bom-ref"] for one in [document["metadata"]["component"], *document["components"]]}


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_sbom_names_every_crate(release: Path, processor: str) -> None:
    document = launcher_bom(release, processor)
    packages = [one for one in document["components"] if one.get("purl", "").startswith("pkg:npm/")]
    assert [(one["name"], one["version"]) for one in packages] == page_packages()
    assert all(len(one["hashes"][0]["content"]) == 128 and one["scope"] == "required" for one in packages)
    components = [document["metadata"]["component"], *(one for one in document["components"] if one not in packages)]
    artifacts = compiled(processor)
    named = [(one["name"], one["version"]) for one in components]
    assert len(named) == len(set(named))
    scopes = {(one["name"], one["version"]): one["scope"] for one in components}
    # A crate may declare what its build script needs and have no such script. cargo tree names that, and nothing compiles it.
    assert crates(artifacts) <= set(named)
    assert {scopes[one] for one in set(named) - crates(artifacts)} <= {"excluded"}
    linked = crates([one for one in artifacts if any(f"/{processor}-unknown-linux-musl/" in file for file in one["filenames"])])
    assert {(one["name"], one["version"]) for one in components if one["scope"] == "required"} == linked
