"""How Istio's agent finds the module in an image, implemented after pkg/wasm/imagefetcher.go of istio/istio.

The media type of the manifest shows an image in Docker's form. Any other is tried first as an OCI image with a tar file, then as an
artefact of two layers. In the first two cases early versions accept exactly one layer, and later ones use the last layer. The image
must work with both.
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
# The first bytes of a module, which the agent checks.
MAGIC = b"\0asm"

Read = Callable[[dict], bytes]


class Refused(Exception):
    """Istio would not load the image; the message is the reason."""


def _file(packed: bytes) -> bytes:
    """The first file with the name plugin.wasm, in any folder."""
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
    """Returns the recognized form of the image, and the module."""
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
