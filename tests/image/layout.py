"""Reads an OCI image layout by its specification and reports violations, without knowledge of how it was written."""

import hashlib
import json
from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REFERENCE_NAME = "org.opencontainers.image.ref.name"


def index(layout: Path) -> dict:
    """The index of the layout."""
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    found = json.loads((layout / "index.json").read_bytes())
    assert (found["schemaVersion"], found["mediaType"]) == (2, INDEX)
    return found


def blob(layout: Path, descriptor: dict) -> bytes:
    """The content of a descriptor, as it is stored."""
    algorithm, _, value = descriptor["digest"].partition(":")
    return (layout / "blobs" / algorithm / value).read_bytes()


def manifest(layout: Path, descriptor: dict) -> dict:
    return json.loads(blob(layout, descriptor))


def image(layout: Path) -> dict:
    """The descriptor of the only image with a name."""
    named = [one for one in index(layout)["manifests"] if REFERENCE_NAME in one.get("annotations", {})]
    assert len(named) == 1
    return named[0]


def referrers(layout: Path, subject: dict) -> list[dict]:
    """The manifests that refer to `subject`."""
    manifests = [manifest(layout, one) for one in index(layout)["manifests"]]
    return [one for one in manifests if one.get("subject", {}).get("digest") == subject["digest"]]


def _descriptors(layout: Path) -> list[dict]:
    """Every descriptor that can be reached from the index."""
    found = []
    for entry in index(layout)["manifests"]:
        found.append(entry)
        if entry["mediaType"] == MANIFEST:
            inner = manifest(layout, entry)
            found += [inner["config"], *inner["layers"], *([inner["subject"]] if "subject" in inner else [])]
    return found


def problems(layout: Path) -> list[str]:
    """One line for each content that is missing or differs from its descriptor, and for each blob without a descriptor."""
    try:
        contents = {one["digest"]: (one["size"], blob(layout, one)) for one in _descriptors(layout)}
    except (ValueError, OSError, KeyError, TypeError) as error:
        return [f"cannot be followed from its index: {error!r}"]
    found = []
    for name, (size, content) in contents.items():
        if len(content) != size:
            found.append(f"{name}: has {len(content)} bytes, said are {size}")
        if "sha256:" + hashlib.sha256(content).hexdigest() != name:
            found.append(f"{name}: has another digest")
    return found + [f"{file.name}: nothing names it" for file in (layout / "blobs" / "sha256").iterdir()
                    if f"sha256:{file.name}" not in contents]
