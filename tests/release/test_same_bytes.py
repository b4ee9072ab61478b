"""The same commit gives the same bytes: in another checkout, and where Envoy's image is missing.

The programs are built once for this. tests/image builds the module a second time; a launcher takes minutes and is built a second time
only on request (`-m twice`).
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import target, write_release
from support.peers import ROOT

PROCESSORS = ("x86_64", "aarch64")


def program(processor: str, directory: Path) -> Path:
    return directory / f"{processor}-unknown-linux-musl/release/mcp-sidecar"


def built() -> dict[str, str]:
    """The programs that are built already, for scripts/release.sh."""
    return {"MCP_LAUNCHERS": " ".join(f"{processor}={program(processor, target())}" for processor in PROCESSORS)}


def contents(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkout of the same commit, at another path, with the changes that are not committed."""
    directory = tmp_path_factory.mktemp("elsewhere") / "a longer way" / "checkout"
    subprocess.run(["git", "clone", "--quiet", ROOT, directory], check=True)
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    names = {name for name in listed.stdout.decode().split("\0") if name}
    for name in names:
        if (ROOT / name).exists():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).unlink(missing_ok=True)
            shutil.copy(ROOT / name, directory / name, follow_symlinks=False)
        else:
            (directory / name).unlink(missing_ok=True)
    return directory


def test_another_checkout_gives_the_same_release(release: Path, checkout: Path, envoy_image: str, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_release(tmp_path / "artefacts", checkout, ENVOY_IMAGE=envoy_image, CARGO_TARGET_DIR=str(tmp_path / "target"), TZ="Asia/Tokyo",
                      LC_ALL="tr_TR.UTF-8", PYTHONHASHSEED="7", SOURCE_DATE_EPOCH="1", **built())
    finally:
        os.umask(before)
    assert contents(tmp_path / "artefacts") == contents(release)


def test_without_envoys_image_all_else_is_written(release: Path, tmp_path: Path) -> None:
    """Nothing listens on port 1."""
    printed = write_release(tmp_path / "artefacts", ENVOY_IMAGE="127.0.0.1:1/envoyproxy/envoy:none", **built())
    assert "NOT WRITTEN: the sidecar's image" in printed and "127.0.0.1:1/envoyproxy/envoy:none cannot be pulled" in printed
    written, expected = contents(tmp_path / "artefacts"), contents(release)
    missing = [name for name in expected if name not in written]
    assert len(missing) == 1 and missing[0].startswith("mcp-sidecar-") and missing[0].endswith(".oci.tar")
    sums, all_sums = (one.pop("SHA256SUMS").decode().splitlines() for one in (written, expected))
    assert [line for line in all_sums if line not in sums] == [line for line in all_sums if line.endswith(missing[0])]
    del expected[missing[0]]
    assert written == expected


@pytest.mark.twice
def test_another_checkout_gives_the_same_launcher(checkout: Path, tmp_path: Path) -> None:
    def build(directory: Path, **environment: str) -> bytes:
        command = [directory / "scripts/build-static.sh", "x86_64"]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | environment).stdout
        return Path(printed.strip()).read_bytes()

    assert build(checkout, CARGO_TARGET_DIR=str(tmp_path / "target")) == build(ROOT)
