"""Packs a built module as an OCI image layout, with its SBOM: build.py MODULE DIRECTORY. Called by scripts/image.sh.

The image is what a Dockerfile of `FROM scratch` and `COPY plugin.wasm /` makes (docs/image.md says why).
"""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import sbom
from layout import Layout, canonical

MAGIC = b"\0asm"
# Envoy selects the interface's version by this export.
INTERFACE = b"proxy_abi_version_0_2_1"
PLUGIN_FILE = "plugin.wasm"
SBOM_TYPE = "application/vnd.cyclonedx+json"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=sbom.ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def revision() -> str:
    """The commit, with a mark if the files differ from it."""
    return _git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")


def commit_time() -> int:
    """The commit's time, which is the same wherever the image is built."""
    return int(_git("log", "-1", "--format=%ct"))


def created() -> str:
    """The same as text."""
    return datetime.fromtimestamp(commit_time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def annotations(crates: sbom.Tree, title: str, description: str) -> dict[str, str]:
    """The annotations of an image of this program."""
    return {
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.description": description,
        "org.opencontainers.image.version": crates.root.version,
        "org.opencontainers.image.revision": revision(),
        "org.opencontainers.image.licenses": crates.licences[crates.root],
        "org.opencontainers.image.created": created(),
    }


def build(module: bytes, directory: Path) -> str:
    """Writes the layout and returns the text to print."""
    crates = sbom.tree(sbom.MODULE)
    version, time = crates.root.version, created()
    about = annotations(crates, "MCP Observability", "Envoy filter that counts MCP as it passes: a Wasm module, " + PLUGIN_FILE)
    layout = Layout(directory)
    image = layout.add_image(version, PLUGIN_FILE, module, time, about)
    bill = canonical(sbom.document(crates, module, time))
    referrer = layout.add_referrer(image, SBOM_TYPE, bill, {"org.opencontainers.image.created": time})
    layout.finish()
    size = sum(blob.stat().st_size for blob in directory.glob("blobs/sha256/*"))
    return "\n".join([
        f"layout   {directory}, {size / 1000:.0f} kB",
        f"image    {image['digest']}",
        f"module   sha256:{hashlib.sha256(module).hexdigest()}, {len(module) / 1000:.0f} kB",
        f"sbom     {referrer['digest']}, {len(crates.licences)} crates",
        "to a registry of yours:",
        f"  oras copy --recursive --from-oci-layout {directory}:{version} REGISTRY/mcp-observability:{version}",
    ])


def checked(path: Path) -> bytes:
    """The module, if Envoy can load it. Istio checks only the first bytes, and a proxy with an invalid module counts nothing."""
    module = path.read_bytes()
    if not module.startswith(MAGIC):
        raise ValueError(f"{path}: begins with {module[:4]!r}; a Wasm module begins with {MAGIC!r}")
    read = subprocess.run([os.environ["WASM_OPT"], "--all-features", path, "-o", os.devnull], capture_output=True, text=True)
    if read.returncode:
        raise ValueError(f"{path}: is damaged or was cut off; wasm-opt says: {read.stderr.strip()}")
    if INTERFACE not in module:
        raise ValueError(f"{path}: is no filter for Envoy, which exports {INTERFACE.decode()}")
    return module


def main() -> int:
    module_path, directory = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        print(build(checked(module_path), directory))
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
