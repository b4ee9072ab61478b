"""The sidecar's image as an OCI layout for several platforms: Envoy's own image, and a layer with the launcher and the filter.

Envoy's image is given as a layout that crane pulled. Its layers stay as they are, so a registry that has them stores only the new
layer. Their digests are in the manifests: the image is the same for the same commit and the same image of Envoy.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import archive
import dockerfile
from archive import File
from layout import CONFIG, INDEX, LAYER, MANIFEST, Layout, canonical, digest

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PREFIX = "org.opencontainers.image."
# Docker's names for what OCI calls otherwise; the content is the same.
MEDIA_TYPES = {"application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER}
LICENCES = "usr/share/licenses/mcp-sidecar"
SBOM_TYPE = "application/vnd.cyclonedx+json"


class Base(NamedTuple):
    """Envoy's image for one platform: the digest of its manifest, the manifest, and its configuration."""

    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]


class Program(NamedTuple):
    """What the new layer has for one platform, and the SBOM of the launcher."""

    files: dict[str, File]
    bill: bytes


def _blob(layout: Path, descriptor: dict) -> bytes:
    content = (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
    if digest(content) != descriptor["digest"]:
        raise ValueError(f"{descriptor['digest']}: is damaged in the image of Envoy; pull it again")
    return content


def _bases(layout: Path, descriptors: list[dict]) -> dict[str, Base]:
    """The images by architecture. An index also has attestations, which are for no architecture."""
    found: dict[str, Base] = {}
    for descriptor in descriptors:
        document = json.loads(_blob(layout, descriptor))
        if "manifests" in document:
            found |= _bases(layout, document["manifests"])
        else:
            config = json.loads(_blob(layout, document["config"]))
            if config.get("os") == "linux":
                found[config["architecture"]] = Base(descriptor["digest"], document, config)
    return found


def read_bases(layout: Path) -> dict[str, Base]:
    """Envoy's image by architecture."""
    bases = _bases(layout, json.loads((layout / "index.json").read_bytes())["manifests"])
    if missing := set(ARCHITECTURES.values()) - bases.keys():
        raise ValueError(f"the image of Envoy: has no linux/{', linux/'.join(sorted(missing))}; it has {', '.join(sorted(bases))}")
    return bases


def layer_files(launcher: bytes, module: bytes, licences: dict[str, File]) -> dict[str, File]:
    """What is above Envoy, as envoy/Dockerfile has it, and the licences."""
    return {
        "usr/local/bin/mcp-sidecar": File(launcher, runs=True),
        "usr/local/bin/mcp_observability.wasm": File(module),
        **{f"{LICENCES}/{name}": file for name, file in licences.items()},
    }


def _config(base: Base, packed: bytes, created: str, labels: dict[str, str]) -> dict[str, Any]:
    """The configuration: that of Envoy's image with the settings of the Dockerfile."""
    beneath, settings = base.config.get("config") or {}, dockerfile.settings()
    return base.config | {
        "created": created,
        "config": beneath | settings | {
            "Env": [*(beneath.get("Env") or []), *settings["Env"]],
            "ExposedPorts": (beneath.get("ExposedPorts") or {}) | settings["ExposedPorts"],
            "Labels": (beneath.get("Labels") or {}) | labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [*base.config["rootfs"]["diff_ids"], digest(packed)]},
        "history": [*base.config.get("history", []), {"created": created, "created_by": "scripts/release.sh"}],
    }


def write(directory: Path, envoy: Path, name: str, programs: dict[str, Program], annotations: dict[str, str]) -> None:
    """Writes the layout. `name` is that of Envoy's image, `programs` are by architecture."""
    layout, bases = Layout(directory), read_bases(envoy)
    version, created = annotations[f"{PREFIX}version"], annotations[f"{PREFIX}created"]
    images = []
    for architecture, program in programs.items():
        base = bases[architecture]
        own = annotations | {f"{PREFIX}base.name": name, f"{PREFIX}base.digest": base.digest}
        packed = archive.tar(program.files)
        layers = [layout.add(MEDIA_TYPES.get(one["mediaType"], one["mediaType"]), _blob(envoy, one)) for one in base.manifest["layers"]]
        manifest = layout.add(MANIFEST, canonical({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": layout.add(CONFIG, canonical(_config(base, packed, created, own))),
            "layers": [*layers, layout.add(LAYER, archive.compress(packed))],
            "annotations": own,
        }))
        images.append(manifest | {"platform": {"os": "linux", "architecture": architecture}})
        layout.add_referrer(manifest, SBOM_TYPE, program.bill, {f"{PREFIX}created": created})
    layout.add_tagged(version, layout.add(INDEX, canonical({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": images, "annotations": annotations,
    })))
    layout.finish()
