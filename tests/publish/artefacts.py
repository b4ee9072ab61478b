"""A small stand-in for what `make release` writes: images with other content but the same form, and the real chart."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELM = os.environ.get("HELM_BIN", "helm")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
SBOM = "application/vnd.cyclonedx+json"


def version() -> str:
    """The version in Cargo.toml."""
    return next(line for line in (ROOT / "Cargo.toml").read_text().splitlines() if line.startswith("version")).split('"')[1]


class Layout:
    """An image layout in a tar archive."""

    def __init__(self) -> None:
        self.files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        self.manifests: list[dict] = []

    def blob(self, media_type: str, content: bytes) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def document(self, value: dict) -> dict:
        return self.blob(value["mediaType"], json.dumps(value).encode())

    def image(self, architecture: str, content: str) -> dict:
        """An image with one layer, which is no archive: registries do not look into it."""
        config = self.blob("application/vnd.oci.image.config.v1+json", json.dumps({"architecture": architecture, "os": "linux"}).encode())
        layer = self.blob("application/vnd.oci.image.layer.v1.tar+gzip", content.encode())
        return self.document({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]})

    def index(self, images: list[dict], architectures: list[str]) -> dict:
        return self.document({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            image | {"platform": {"os": "linux", "architecture": name}} for image, name in zip(images, architectures, strict=True)]})

    def refer(self, subject: dict, content: bytes) -> dict:
        """An SBOM of an image."""
        return self.document({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": SBOM, "subject": subject,
                              "config": self.blob(EMPTY, b"{}"), "layers": [self.blob(SBOM, content)]})

    def write(self, file: Path, tagged: dict, *others: dict) -> None:
        entries = [tagged | {"annotations": {"org.opencontainers.image.ref.name": version()}}, *others]
        files = self.files | {"index.json": json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()}
        with tarfile.open(file, "w") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def write_sidecar(directory: Path, content: str) -> None:
    """The sidecar's image for two architectures."""
    layout, names = Layout(), ["amd64", "arm64"]
    index = layout.index([layout.image(name, content + name) for name in names], names)
    layout.write(directory / f"mcp-sidecar-{version()}.oci.tar", index)


def write_module(directory: Path) -> None:
    """The module's image with an SBOM."""
    layout = Layout()
    image = layout.image("amd64", "module")
    layout.write(directory / f"mcp-observability-{version()}.oci.tar", image, layout.refer(image, b"{}") | {"artifactType": SBOM})


def write_chart(directory: Path) -> None:
    """The chart, as `helm package` makes it."""
    subprocess.run([HELM, "package", ROOT / "k8s/helm/mcp-observability", "--destination", directory], check=True, stdout=subprocess.DEVNULL)


def seal(directory: Path) -> None:
    """SHA256SUMS of all files."""
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
             for file in sorted(directory.iterdir()) if file.name != "SHA256SUMS"]
    (directory / "SHA256SUMS").write_text("".join(lines))


def write(directory: Path) -> Path:
    """All of it."""
    directory.mkdir()
    write_sidecar(directory, "sidecar")
    write_module(directory)
    write_chart(directory)
    seal(directory)
    return directory
