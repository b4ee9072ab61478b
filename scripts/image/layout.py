"""An OCI image layout in a directory: images, and documents that refer to them.

Equal inputs give equal bytes: no times, owners or paths get in, JSON has one form, and the compressor is pinned.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import archive

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def canonical(value: Any) -> bytes:
    """The canonical form of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(content: bytes) -> str:
    """The path of a blob in the layout."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Layout:
    """A layout that is written blob by blob; `finish` completes it."""

    def __init__(self, directory: Path) -> None:
        """Replaces an existing layout; refuses a directory with other content."""
        if directory.exists() and any(directory.iterdir()) and not (directory / "oci-layout").exists():
            raise FileExistsError(f"{directory}: is no image layout and not empty; name a new or an empty directory")
        shutil.rmtree(directory, ignore_errors=True)
        self._directory = directory
        self._blobs = directory / "blobs" / "sha256"
        self._blobs.mkdir(parents=True)
        # Written first, so that an incomplete layout is recognised and replaced.
        (directory / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
        self._manifests: list[dict] = []

    def add(self, media_type: str, content: bytes) -> dict:
        """Adds a blob; returns its descriptor."""
        name = digest(content)
        (self._blobs / name.removeprefix("sha256:")).write_bytes(content)
        return {"mediaType": media_type, "digest": name, "size": len(content)}

    def add_image(self, tag: str, file: str, content: bytes, created: str, annotations: dict[str, str]) -> dict:
        """Adds an image with `file` in its root and this tag; returns its descriptor."""
        packed = archive.tar({file: archive.File(content)})
        config = {
            # The image has no program for a processor, but container tools expect a known platform.
            "architecture": "amd64",
            "os": "linux",
            "created": created,
            "config": {"Labels": annotations},
            "rootfs": {"type": "layers", "diff_ids": [digest(packed)]},
        }
        manifest = self.add(MANIFEST, canonical({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add(CONFIG, canonical(config)),
            "layers": [self.add(LAYER, archive.compress(packed))],
            "annotations": annotations,
        }))
        self.add_tagged(tag, manifest)
        return manifest

    def add_tagged(self, tag: str, manifest: dict) -> None:
        """Gives a manifest this tag."""
        self._manifests.append(manifest | {"annotations": {"org.opencontainers.image.ref.name": tag}})

    def add_referrer(self, subject: dict, media_type: str, content: bytes, annotations: dict[str, str]) -> dict:
        """Adds a document that refers to `subject` (a referrer); returns its descriptor."""
        manifest = self.add(MANIFEST, canonical({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": media_type,
            "config": self.add(EMPTY, b"{}"),
            "layers": [self.add(media_type, content)],
            "subject": subject,
            "annotations": annotations,
        }))
        self._manifests.append(manifest | {"artifactType": media_type})
        return manifest

    def finish(self) -> None:
        """Writes the index."""
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self._manifests}
        (self._directory / "index.json").write_bytes(canonical(index))
