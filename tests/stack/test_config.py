"""The configuration files: complete, not reachable from outside, without unused parts."""

import os
import re
import subprocess
from pathlib import Path

import parts
import pytest
import yaml

from harness.pipeline import Collector
from support.peers import get

FILES = ("collector.yaml", "export-otlp.yaml", "export-otlp-metrics.yaml")
KINDS = ("receivers", "processors", "exporters", "connectors", "extensions")
LOOPBACK = "0100007F"
LISTENING = "0A"


def text_of(file: str) -> str:
    return (parts.COLLECTOR / file).read_text(encoding="utf-8")


def validate(*files: str, **environment: str) -> subprocess.CompletedProcess:
    command = [get("collector"), "validate", *(f"--config={parts.COLLECTOR / file}" for file in files)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=parts.base_environment() | environment)


@pytest.mark.parametrize("file", FILES[:2])
def test_the_head_lists_exactly_the_variables_that_are_read(file: str) -> None:
    text = text_of(file)
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    listed = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", head))
    read = set(re.findall(r"\$\{env:([A-Z0-9_]+)", text))
    # Variables that the text only mentions: Go's own, and those of the other file.
    allowed = {"GOMEMLIMIT"} | (set(re.findall(r"\$\{env:([A-Z0-9_]+)", text_of(FILES[1]))) if file == FILES[0] else set())
    other = set(re.findall(r"\$\{env:([A-Z0-9_]+)", text_of(FILES[0]))) if file == FILES[1] else set()
    assert read - other <= listed
    assert listed <= read | allowed


def test_it_refuses_to_start_without_the_sanitizer() -> None:
    done = validate("collector.yaml")
    assert done.returncode != 0
    assert 'references processor "transform/sanitize" which is not configured' in done.stderr
    assert validate("collector.yaml", "sanitize.yaml").returncode == 0
    assert validate("collector.yaml", "sanitize-off.yaml").returncode == 0


def test_an_export_without_an_endpoint_is_refused() -> None:
    done = validate("collector.yaml", "sanitize.yaml", "export-otlp.yaml")
    assert done.returncode != 0
    assert "endpoint must be specified" in done.stderr
    for files in (FILES[:2], FILES):
        done = validate(*files, "sanitize.yaml", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
        assert done.returncode == 0, done.stderr


def test_the_manifest_has_the_components_that_are_used() -> None:
    documents = [yaml.safe_load(text_of(file)) for file in (*FILES, "sanitize.yaml", "sanitize-off.yaml")]
    done = subprocess.run([get("collector"), "components"], check=True, capture_output=True, text=True)
    built = yaml.safe_load(done.stdout)
    for kind in KINDS:
        used = {name.partition("/")[0] for document in documents for name in document.get(kind) or {}}
        # The component with which the backend of these tests writes.
        used |= {"file"} if kind == "exporters" else set()
        assert {component["name"] for component in built[kind]} == used, kind


def test_everything_listens_on_loopback(tmp_path: Path) -> None:
    running = Collector(tmp_path / "collector", [], backend="http://127.0.0.1:1")
    try:
        rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        mine = set(sockets(running.process.pid))
        listening = {tuple(row[1].split(":")) for row in rows if row[3] == LISTENING and row[9] in mine}
        assert {int(port, 16) for _, port in listening} == set(running.ports.values())
        assert {address for address, _ in listening} == {LOOPBACK}
    finally:
        running.stop()


def sockets(pid: int) -> list[str]:
    """Inodes of a process' sockets."""
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return [link[len("socket:["):-1] for link in links if link.startswith("socket:[")]


def test_prometheus_takes_its_configuration() -> None:
    done = subprocess.run([get("promtool"), "check", "config", parts.COLLECTOR / "prometheus.yml"],
                          check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
