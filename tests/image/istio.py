"""How Istio's agent finds the module in an image it was told to fetch, restated from pkg/wasm/imagefetcher.go of istio/istio.

By the manifest's media type it is Docker's, else it is tried first as an OCI image with a tar file, then as an artefact of two layers.
Early versions take exactly one layer in the first two cases, later ones the last of any number; here it must please both.
"""

import gzip
import io
import posixpath
import tarfile
from collections.abc import Callable

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
WASM_LAYER = "application/vnd.module.wasm.content.layer.v1+wasm"
PLUGIN_FILE = "plugin.wasm"
# What the agent asks of a module before it hands it to Envoy.
MAGIC = b"\0asm"

Read = Callable[[dict], bytes]


class Refused(Exception):
    """Istio would not load it; says why."""


def _file(packed: bytes) -> bytes:
    """The first file named plugin.wasm, in whatever folder."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
        for member in archive:
            if posixpath.basename(member.name) == PLUGIN_FILE:
                content = archive.extractfile(member)
                if content is None:
                    raise Refused(f"{member.name} is no file")
                return content.read()
    raise Refused(f"{PLUGIN_FILE} not found in the archive")


def _from_archive(manifest: dict, read: Read, media_type: str) -> bytes:
    if len(manifest["layers"]) != 1:
        raise Refused(f"{len(manifest['layers'])} layers; old versions take one")
    layer = manifest["layers"][0]
    if layer["mediaType"] != media_type:
        raise Refused(f"invalid media type {layer['mediaType']} (expect {media_type})")
    return _file(read(layer))


def _from_artefact(manifest: dict, read: Read) -> bytes:
    if len(manifest["layers"]) != 2:
        raise Refused(f"number of layers must be 2 but got {len(manifest['layers'])}")
    for layer in manifest["layers"]:
        if layer["mediaType"] == WASM_LAYER:
            return read(layer)
    raise Refused(f"no layer of type {WASM_LAYER}")


def fetch(manifest: dict, read: Read) -> tuple[str, bytes]:
    """The variant that the image was taken for, and the module."""
    if manifest.get("mediaType") == DOCKER_MANIFEST:
        variant, module = "docker", _from_archive(manifest, read, DOCKER_LAYER)
    else:
        try:
            variant, module = "compat", _from_archive(manifest, read, OCI_LAYER)
        except Refused:
            variant, module = "oci", _from_artefact(manifest, read)
    if not module.startswith(MAGIC):
        raise Refused(f"the module begins with {module[:4]!r}")
    return variant, module
