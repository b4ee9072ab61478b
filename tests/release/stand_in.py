"""A stand-in for Envoy's image, in a registry of its own, since a test machine cannot pull the real one.

It has the form of the real one: an index of linux/amd64 and linux/arm64. In both is the Envoy of this machine, with its libraries:
for arm64 only the launcher in the layer above is that of the platform. A real image for arm64 has not been under these tests.
"""

import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roots import libraries
from support.peers import get
from support.registry import CRANE, serve

ENVOY = "usr/local/bin/envoy"


def _write_layer(file: Path) -> None:
    with tarfile.open(file, "w") as archive:
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(temporary)
        archive.add(Path(get("envoy")).resolve(), ENVOY)
        for library in libraries(Path(get("envoy"))):
            archive.add(Path(library).resolve(), library.lstrip("/"))


def _crane(*arguments: str) -> str:
    return subprocess.run([CRANE, *arguments], check=True, capture_output=True, text=True).stdout


@contextmanager
def registry(directory: Path) -> Iterator[str]:
    """A registry with the stand-in. Returns the name of the image."""
    layer = directory / "layer.tar"
    _write_layer(layer)
    with serve() as host:
        name = f"{host}/envoyproxy/envoy:distroless-v{version()}"
        for architecture in ("amd64", "arm64"):
            one = f"{host}/envoyproxy/envoy:{architecture}"
            _crane("append", "--oci-empty-base", f"--new_layer={layer}", f"--new_tag={one}")
            _crane("mutate", one, f"--set-platform=linux/{architecture}", "--env=PATH=/usr/local/bin:/usr/bin", "--user=0",
                   "--entrypoint=/docker-entrypoint.sh", f"--label=org.opencontainers.image.title=envoy-{architecture}", f"--tag={one}")
        _crane("index", "append", f"--manifest={host}/envoyproxy/envoy:amd64", f"--manifest={host}/envoyproxy/envoy:arm64", f"--tag={name}")
        yield name


def version() -> str:
    printed = subprocess.run([get("envoy"), "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"/(\d+\.\d+\.\d+)/", printed)
    assert found is not None
    return found[1]
