"""The files of a release: all are there, their checksums hold, and nothing in them depends on the machine."""

import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from conftest import VERSION
from support.peers import ROOT

PROCESSORS = ("x86_64", "aarch64")
LAUNCHERS = [f"mcp-sidecar-{VERSION}-linux-{processor}" for processor in PROCESSORS]
NAMES = {
    "SHA256SUMS", "mcp_observability.wasm", "mcp_observability.wasm.cdx.json", f"mcp-observability-{VERSION}.tgz",
    f"mcp-observability-{VERSION}.oci.tar", f"mcp-sidecar-{VERSION}.oci.tar", f"mcp-observability-monitoring-{VERSION}.tar.gz",
    *(f"{name}.tar.gz" for name in LAUNCHERS), *(f"{name}.cdx.json" for name in LAUNCHERS),
}
IN_LAUNCHERS = {"mcp-sidecar", "mcp_observability.wasm", "snippet.yaml", "README.md", "LICENSE", "THIRD-PARTY-LICENSES.txt",
                "RUST-STANDARD-LIBRARY.html"}
IN_MONITORING = {
    "LICENSE", "README.md", "collector/collector.yaml", "collector/sanitize.yaml", "collector/sanitize-off.yaml",
    "collector/export-otlp.yaml", "collector/export-otlp-metrics.yaml", "collector/prometheus.yml", "collector/rules/alerts.yml",
    "collector/rules/recording.yml", "grafana/dashboards/mcp-observability.json", "grafana/dashboards/mcp-runbook.json",
    "grafana/provisioning/dashboards/mcp.yaml", "grafana/provisioning/datasources/prometheus.yaml",
}


def sums(directory: Path) -> int:
    """The status of the command that users run."""
    return subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=directory, capture_output=True).returncode


def archives(release: Path) -> list[Path]:
    return [file for file in release.iterdir() if file.name.endswith((".tar.gz", ".tgz", ".tar"))]


def test_every_artefact_is_there(release: Path) -> None:
    assert {file.name for file in release.iterdir()} == NAMES


def test_checksums_hold_for_every_file(release: Path) -> None:
    listed = [line.split("  ")[1] for line in (release / "SHA256SUMS").read_text().splitlines()]
    assert sorted(listed) == sorted(NAMES - {"SHA256SUMS"})
    assert sums(release) == 0


def test_flipped_byte_is_detected(release: Path, tmp_path: Path) -> None:
    for file in release.iterdir():
        (tmp_path / file.name).symlink_to(file)
    changed = bytearray((release / "mcp_observability.wasm").read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "mcp_observability.wasm").unlink()
    (tmp_path / "mcp_observability.wasm").write_bytes(changed)
    assert sums(tmp_path) == 1


def test_archives_have_one_owner_and_time_and_are_sorted(release: Path) -> None:
    commit = int(subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    for file in archives(release):
        with tarfile.open(file) as archive:
            members = archive.getmembers()
        assert members and [one.name for one in members] == sorted(one.name for one in members)
        assert {(one.mtime, one.uid, one.gid, one.uname, one.gname, one.type) for one in members} == {(commit, 0, 0, "", "", tarfile.REGTYPE)}
        assert {one.mode for one in members} <= {0o644, 0o755}


def test_compressed_archives_have_no_name_or_time(release: Path) -> None:
    for file in archives(release):
        if not file.name.endswith(".tar"):
            header = file.read_bytes()[:10]
            assert header[:2] == b"\x1f\x8b" and header[3:8] == bytes(5) and header[9] == 255, file.name


def test_changelog_begins_with_this_version() -> None:
    """scripts/release-notes.sh compares the tag as well."""
    headings = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == VERSION


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launcher_comes_with_what_it_needs(unpacked: dict[str, Path], name: str) -> None:
    folder = unpacked[name] / name
    assert {file.name for file in folder.iterdir()} == IN_LAUNCHERS
    assert [path.name for path in folder.iterdir() if path.stat().st_mode & 0o111] == ["mcp-sidecar"]
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 12 and lines[0] == f"# mcp-sidecar {VERSION} for Linux on {name.rpartition('-')[2]}"


def test_all_have_the_same_module(release: Path, unpacked: dict[str, Path]) -> None:
    module = (release / "mcp_observability.wasm").read_bytes()
    for name in LAUNCHERS:
        assert (unpacked[name] / name / "mcp_observability.wasm").read_bytes() == module
    with tarfile.open(release / f"mcp-observability-{VERSION}.oci.tar") as layout:
        def blob(digest: str) -> bytes:
            return layout.extractfile(f"blobs/{digest.replace(':', '/')}").read()

        index = json.loads(layout.extractfile("index.json").read())
        [image] = [one for one in index["manifests"] if one.get("annotations", {}).get("org.opencontainers.image.ref.name") == VERSION]
        [layer] = json.loads(blob(image["digest"]))["layers"]
        with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as packed:
            assert packed.extractfile("plugin.wasm").read() == module


def test_monitoring_archive_has_the_repositorys_files(unpacked: dict[str, Path]) -> None:
    name = f"mcp-observability-monitoring-{VERSION}"
    folder = unpacked[name] / name
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert files.keys() == IN_MONITORING
    for place, path in files.items():
        if place != "README.md":
            assert path.read_bytes() == (ROOT / place).read_bytes()


def test_pages_have_all_their_values(unpacked: dict[str, Path]) -> None:
    for name, root in unpacked.items():
        assert "@" not in (root / name / "README.md").read_text(encoding="utf-8")


def test_programs_name_no_place(unpacked: dict[str, Path]) -> None:
    """No program contains a path of this machine or the address of the registry."""
    for name in LAUNCHERS:
        content = (unpacked[name] / name / "mcp-sidecar").read_bytes()
        for place in (f"{ROOT}/", f"{Path.home()}/", "registry/src", "crates.io", ".rustup", "toolchains"):
            assert place.encode() not in content, f"{name}: {place}"


def test_directory_with_other_content_is_refused(tmp_path: Path) -> None:
    """The command that would replace it is not reached, so nothing has to be built."""
    (tmp_path / "letters").write_text("mine")
    done = subprocess.run([ROOT / "scripts/release.sh", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1 and "has no SHA256SUMS and is not empty" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["letters"]


def test_licences_of_every_linked_crate_are_there(release: Path, unpacked: dict[str, Path]) -> None:
    for name in LAUNCHERS:
        text = (unpacked[name] / name / "THIRD-PARTY-LICENSES.txt").read_text(encoding="utf-8")
        headings = {one for line in text.split("=" * 80)[1::2] for one in line.strip().split(", ")}
        bill = [json.loads((release / f"{file}.cdx.json").read_text()) for file in (name, "mcp_observability.wasm")]
        linked = {f"{one['name']} {one['version']}" for each in bill for one in each["components"] if one["scope"] == "required" and "purl" in one}
        assert linked | {"musl"} <= headings
        assert any(one.startswith("uplot ") for one in linked)


def test_sums_are_of_the_bytes_in_the_boms(release: Path, unpacked: dict[str, Path]) -> None:
    programs = {f"{name}.cdx.json": unpacked[name] / name / "mcp-sidecar" for name in LAUNCHERS}
    for bill, program in {**programs, "mcp_observability.wasm.cdx.json": release / "mcp_observability.wasm"}.items():
        [stated] = json.loads((release / bill).read_text())["metadata"]["component"]["hashes"]
        assert stated["content"] == hashlib.sha256(program.read_bytes()).hexdigest()
