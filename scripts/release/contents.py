"""What is in each archive of a release."""

import subprocess
from pathlib import Path

from archive import File
from sbom import ROOT

HERE = Path(__file__).parent
# Folders of this repository, and what of them users need to run.
MONITORING = {
    "collector": ("*.yaml", "prometheus.yml", "rules/*.yml"),
    "grafana": ("dashboards/*.json", "provisioning/*/*.yaml"),
}
# It makes a ConfigMap for k8s/base.
LEFT_OUT = "kustomization.yaml"


def _read(path: Path) -> File:
    return File(path.read_bytes())


def _page(name: str, **values: str) -> File:
    """A README, with its values."""
    text = (HERE / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return File(text.encode())


def standard_library_notices() -> File:
    """The notices that come with Rust."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    return _read(Path(sysroot, "share/doc/rust/COPYRIGHT-library.html"))


def licences(notices: str) -> dict[str, File]:
    """The licence of this project, and those of what is in its programs."""
    return {
        "LICENSE": _read(ROOT / "LICENSE"),
        "THIRD-PARTY-LICENSES.txt": File(notices.encode()),
        "RUST-STANDARD-LIBRARY.html": standard_library_notices(),
    }


def sidecar(program: Path, module: bytes, notices: dict[str, File], version: str, processor: str) -> dict[str, File]:
    """The launcher, with all that it needs but Envoy."""
    return notices | {
        "mcp-sidecar": File(program.read_bytes(), runs=True),
        "mcp_observability.wasm": File(module),
        "snippet.yaml": _read(ROOT / "envoy/snippet.yaml"),
        "README.md": _page("sidecar.md", version=version, processor=processor),
    }


def monitoring(version: str, collector: str) -> dict[str, File]:
    """Configuration of the collector and Prometheus, rules and dashboards, in the folders of this repository."""
    found = sorted(path for folder, patterns in MONITORING.items() for pattern in patterns for path in (ROOT / folder).glob(pattern))
    files = {str(path.relative_to(ROOT)): _read(path) for path in found if path.name != LEFT_OUT}
    return files | {"LICENSE": _read(ROOT / "LICENSE"), "README.md": _page("monitoring.md", version=version, collector=collector)}
