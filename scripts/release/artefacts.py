"""Writes the artefacts of a release: artefacts.py DIRECTORY MODULE CHART PROCESSOR=PROGRAM... Called by scripts/release.sh.

The same commit gives the same bytes: see archive.py for archives, and scripts/reproducible.sh for programs. CHART is the output of
`helm package`, whose archive has the time of the run; it is packed again. ENVOY_LAYOUT in the environment is an OCI image layout of
Envoy's image, which ENVOY_IMAGE names; without it the sidecar's image is not written.
"""

import hashlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import archive
import build
import contents
import notices
import page
import sbom
import sidecar_image
from archive import File
from layout import canonical

SUMS = "SHA256SUMS"


def _folder(name: str, files: dict[str, File]) -> dict[str, File]:
    return {f"{name}/{path}": file for path, file in files.items()}


def _chart(packed: bytes, version: str) -> dict[str, File]:
    """The files of a packed chart, which must have this version."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as chart:
        files = {member.name: File(chart.extractfile(member).read()) for member in chart if member.isfile()}
    description = files["mcp-observability/Chart.yaml"].content.decode().splitlines()
    for key in ("version", "appVersion"):
        if f"{key}: {version}" not in description:
            raise ValueError(f"k8s/helm/mcp-observability/Chart.yaml: {key} is not {version}, the version in Cargo.toml")
    return files


def _layout(write: Callable[[Path], object]) -> dict[str, File]:
    """The files of an OCI image layout that `write` writes into a directory."""
    with tempfile.TemporaryDirectory() as directory:
        layout = Path(directory)
        write(layout)
        return {str(path.relative_to(layout)): File(path.read_bytes()) for path in layout.rglob("*") if path.is_file()}


def artefacts(module: Path, chart: Path, programs: dict[str, Path]) -> dict[str, bytes]:
    """All artefacts by their names."""
    version = tomllib.loads((sbom.ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    created, time = build.created(), build.commit_time()
    trees = {processor: sbom.tree(sbom.Program("mcp-sidecar", f"{processor}-unknown-linux-musl")) for processor in programs}
    module_tree = sbom.tree(sbom.MODULE)
    bills = {processor: canonical(page.add_to(sbom.document(trees[processor], programs[processor].read_bytes(), created))) for processor in programs}
    texts = contents.licences(notices.document([module_tree, *trees.values()]))

    def packed(files: dict[str, File]) -> bytes:
        return archive.compress(archive.tar(files, time))

    found = {
        "mcp_observability.wasm": module.read_bytes(),
        "mcp_observability.wasm.cdx.json": canonical(sbom.document(module_tree, module.read_bytes(), created)),
        f"mcp-observability-{version}.tgz": packed(_chart(chart.read_bytes(), version)),
        f"mcp-observability-{version}.oci.tar": archive.tar(_layout(lambda directory: build.build(build.checked(module), directory)), time),
    }
    for processor, program in programs.items():
        name = f"mcp-sidecar-{version}-linux-{processor}"
        files = contents.sidecar(program, module.read_bytes(), texts, version, processor)
        found[f"{name}.tar.gz"] = packed(_folder(name, files))
        found[f"{name}.cdx.json"] = bills[processor]
    if envoy := os.environ.get("ENVOY_LAYOUT"):
        above = {
            sidecar_image.ARCHITECTURES[processor]: sidecar_image.Program(
                sidecar_image.layer_files(program.read_bytes(), module.read_bytes(), texts), bills[processor])
            for processor, program in programs.items()
        }
        about = build.annotations(next(iter(trees.values())), "MCP sidecar", "Envoy that counts the traffic of one MCP server as it passes")
        found[f"mcp-sidecar-{version}.oci.tar"] = archive.tar(
            _layout(lambda directory: sidecar_image.write(directory, Path(envoy), os.environ["ENVOY_IMAGE"], above, about)), time)
    name = f"mcp-observability-monitoring-{version}"
    found[f"{name}.tar.gz"] = packed(_folder(name, contents.monitoring(version, os.environ["COLLECTOR"])))
    return found


def write(directory: Path, found: dict[str, bytes]) -> None:
    """Replaces an earlier release in the directory."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(found.items()))
    # Written first, so that an incomplete release is recognised and replaced.
    (directory / SUMS).write_text(sums)
    for name, content in found.items():
        (directory / name).write_bytes(content)
        print(f"{len(content) / 1000:10.0f} kB  {name}")


def main() -> int:
    directory, module, chart = map(Path, sys.argv[1:4])
    programs = {processor: Path(path) for processor, _, path in (argument.partition("=") for argument in sys.argv[4:])}
    try:
        write(directory, artefacts(module, chart, programs))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
