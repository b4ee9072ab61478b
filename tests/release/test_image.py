"""The sidecar's image for both platforms: complete, on Envoy's own layers, with the Dockerfile's settings; it runs with them.

The image of Envoy beneath it is a stand-in (stand_in.py).
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import elf
import roots
import stand_in
from conftest import VERSION
from roots import EMULATOR
from support.peers import ROOT
from support.processes import Process, free_port, wait_for
from support.registry import CRANE, serve
from support.scrape import fetch, parse
from support.sidecar import probe

ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
ORAS = os.environ.get("ORAS_BIN", "oras")
PREFIX = "org.opencontainers.image."
DEADLINE = 120.0
NAME = f"mcp-sidecar-{VERSION}"


class Layout:
    """An unpacked image layout."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def blob(self, descriptor: dict) -> bytes:
        content = (self.directory / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
        assert "sha256:" + hashlib.sha256(content).hexdigest() == descriptor["digest"] and len(content) == descriptor["size"]
        return content

    def read(self, descriptor: dict) -> dict:
        return json.loads(self.blob(descriptor))

    @property
    def manifests(self) -> list[dict]:
        return json.loads((self.directory / "index.json").read_bytes())["manifests"]

    @property
    def tagged(self) -> dict:
        """The index of the image."""
        [one] = [one for one in self.manifests if one.get("annotations", {}).get(f"{PREFIX}ref.name") == VERSION]
        return self.read(one)

    def image(self, architecture: str) -> dict:
        [one] = [one for one in self.tagged["manifests"] if one["platform"] == {"os": "linux", "architecture": architecture}]
        return one


@pytest.fixture(scope="module")
def layout(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    directory = tmp_path_factory.mktemp("image")
    with tarfile.open(release / f"{NAME}.oci.tar") as archive:
        archive.extractall(directory, filter="data")
    return Layout(directory)


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return request.param


def layers(layout: Layout, architecture: str) -> list[bytes]:
    """The layers, unpacked."""
    return [gzip.decompress(layout.blob(one)) for one in layout.read(layout.image(architecture))["layers"]]


def names(layer: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return set(archive.getnames())


def test_layers_are_those_of_the_configuration(layout: Layout, architecture: str) -> None:
    manifest = layout.read(layout.image(architecture))
    config = layout.read(manifest["config"])
    assert (config["os"], config["architecture"]) == ("linux", architecture)
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(one).hexdigest() for one in layers(layout, architecture)]
    assert len([one for one in config["history"] if not one.get("empty_layer")]) == len(config["rootfs"]["diff_ids"])


def test_every_blob_is_used(layout: Layout) -> None:
    used = set()
    ahead = list(layout.manifests)
    while ahead:
        one = ahead.pop()
        used.add(one["digest"])
        if one["mediaType"].endswith((".manifest.v1+json", ".index.v1+json")):
            document = layout.read(one)
            ahead += [*document.get("manifests", []), *document.get("layers", []), *([document["config"]] if "config" in document else [])]
    assert used == {f"sha256:{file.name}" for file in (layout.directory / "blobs/sha256").iterdir()}


def test_new_layer_is_above_envoys(layout: Layout, architecture: str) -> None:
    beneath, above = layers(layout, architecture)
    assert stand_in.ENVOY in names(beneath)
    licences = {f"usr/share/licenses/mcp-sidecar/{name}" for name in ("LICENSE", "THIRD-PARTY-LICENSES.txt", "RUST-STANDARD-LIBRARY.html")}
    assert names(above) == {"usr/local/bin/mcp-sidecar", "usr/local/bin/mcp_observability.wasm", *licences}


def test_programs_are_those_of_the_archives(layout: Layout, unpacked: dict[str, Path], architecture: str) -> None:
    folder = unpacked[f"{NAME}-linux-{ARCHITECTURES[architecture]}"] / f"{NAME}-linux-{ARCHITECTURES[architecture]}"
    with tarfile.open(fileobj=io.BytesIO(layers(layout, architecture)[-1])) as archive:
        for name in ("mcp-sidecar", "mcp_observability.wasm"):
            assert archive.extractfile(f"usr/local/bin/{name}").read() == (folder / name).read_bytes()
        program = archive.extractfile("usr/local/bin/mcp-sidecar").read()
    assert elf.read(program).processor == ARCHITECTURES[architecture]


def test_settings_are_those_of_the_dockerfile(layout: Layout, architecture: str) -> None:
    """Written out here: the stage `sidecar` of envoy/Dockerfile must still say this."""
    config = layout.read(layout.read(layout.image(architecture))["config"])["config"]
    labels = config.pop("Labels")
    assert config == {
        "Env": ["PATH=/usr/local/bin:/usr/bin", "ENVOY_BIN=/usr/local/bin/envoy"],
        "User": "65532:65532",
        "ExposedPorts": {"4000/tcp": {}, "9902/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "/usr/local/bin/mcp-sidecar", "probe"], "Interval": 5 * 10**9, "Timeout": 4 * 10**9,
                        "StartPeriod": 60 * 10**9, "Retries": 3},
        "Entrypoint": ["/usr/local/bin/mcp-sidecar"],
        "Cmd": ["run"],
    }
    assert labels[f"{PREFIX}title"] == "MCP sidecar" and labels[f"{PREFIX}version"] == VERSION


def test_labels_name_the_commit_and_the_image_beneath(layout: Layout, architecture: str) -> None:
    manifest = layout.read(layout.image(architecture))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    about = manifest["annotations"]
    assert about[f"{PREFIX}revision"].removesuffix("-dirty") == commit
    assert about[f"{PREFIX}base.name"].endswith(f"/envoyproxy/envoy:distroless-v{stand_in.version()}")
    assert about[f"{PREFIX}base.digest"].startswith("sha256:")
    assert about.items() <= layout.read(manifest["config"])["config"]["Labels"].items()


def test_sbom_refers_to_the_image_of_its_platform(layout: Layout, release: Path, architecture: str) -> None:
    image = layout.image(architecture)
    referrers = [layout.read(one) for one in layout.manifests if "artifactType" in one]
    [bill] = [one["layers"][0] for one in referrers if one["subject"]["digest"] == image["digest"]]
    assert layout.blob(bill) == (release / f"{NAME}-linux-{ARCHITECTURES[architecture]}.cdx.json").read_bytes()


def test_release_is_published_with_its_sboms(release: Path, layout: Layout) -> None:
    """scripts/publish.sh takes what scripts/release.sh wrote."""
    with serve() as host:
        subprocess.run([ROOT / "scripts/publish.sh", f"{host}/team", release], check=True, capture_output=True)
        name = f"{host}/team/mcp-sidecar"
        assert subprocess.run([CRANE, "validate", "--remote", f"{name}:{VERSION}"], check=True, capture_output=True, text=True).stdout.startswith("PASS")
        for architecture in ARCHITECTURES:
            image = f"{name}@{layout.image(architecture)['digest']}"
            found = subprocess.run([ORAS, "discover", "--plain-http", "--format=json", image], check=True, capture_output=True, text=True)
            assert len(json.loads(found.stdout)["referrers"]) == 1


@pytest.fixture
def root(layout: Layout, architecture: str, tmp_path: Path) -> Path:
    """The file system of the image."""
    if roots.why_not():
        pytest.skip(roots.why_not())
    for layer in layers(layout, architecture):
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            # The other filters take from a directory that all may write to.
            archive.extractall(tmp_path / "root", filter="fully_trusted")
    return tmp_path / "root"


@pytest.fixture
def emulator(architecture: str, root: Path) -> list[str]:
    if architecture != "arm64":
        return []
    if not Path(EMULATOR).exists():
        pytest.skip("qemu-aarch64-static is missing (Debian package qemu-user-static); only the header of the program was read")
    roots.add(root, Path(EMULATOR), EMULATOR)
    return [EMULATOR]


@pytest.fixture
def ports() -> dict[str, str]:
    return {name: str(free_port()) for name in ("PORT", "PROBE_PORT", "ADMIN_PORT")}


@pytest.fixture
def started(layout: Layout, architecture: str, root: Path, emulator: list[str], ports: dict[str, str], server: str, tmp_path: Path) -> Iterator[Process]:
    """The image's command, with its environment and user."""
    config = layout.read(layout.read(layout.image(architecture))["config"])["config"]
    environment = dict(one.split("=", 1) for one in config["Env"]) | ports | {"MCP_UPSTREAM_URL": server, "CONCURRENCY": "1"}
    command = roots.inside(root, "", *emulator, *config["Entrypoint"], *config["Cmd"], user=int(config["User"].split(":")[0]))
    # unshare itself is found on this machine's path.
    process = Process([shutil.which(command[0]), *command[1:]], tmp_path / "log", environment)
    yield process
    process.stop()


def test_it_runs_as_its_user_and_is_healthy(started: Process, root: Path, emulator: list[str], ports: dict[str, str]) -> None:
    probe_port = int(ports["PROBE_PORT"])
    wait_for("the sidecar to be ready", lambda: probe(probe_port, "/ready") == 200, DEADLINE, started)
    status = Path(f"/proc/{started.pid}/status").read_text()
    assert "Uid:\t65532\t65532\t65532\t65532" in status
    healthy = roots.run(root, "", *emulator, "/usr/local/bin/mcp-sidecar", "probe", **ports)
    assert (healthy.returncode, healthy.stderr) == (0, "")
    found = [dict(labels)["filter_version"] for name, labels in parse(fetch(f"http://127.0.0.1:{probe_port}/metrics")) if name == "mcp_filter_info"]
    assert found == [VERSION]
    started.terminate()
    assert started.wait(DEADLINE) == 0
    unhealthy = roots.run(root, "", *emulator, "/usr/local/bin/mcp-sidecar", "probe", **ports)
    assert unhealthy.returncode == 1
