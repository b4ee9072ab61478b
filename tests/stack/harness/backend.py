"""An OTLP backend: a second collector that writes what it receives to a file. It can be stopped and started."""

import json
from pathlib import Path
from typing import Any, Iterator

import parts
from support.peers import get
from support.processes import Process, free_port, wait_for

from .http import answers

CONFIG = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{port}
exporters:
  file:
    path: {output}
    append: true
    flush_interval: 100ms
extensions:
  health_check:
    endpoint: 127.0.0.1:{health}
service:
  extensions: [health_check]
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics: {{receivers: [otlp], exporters: [file]}}
    traces: {{receivers: [otlp], exporters: [file]}}
    logs: {{receivers: [otlp], exporters: [file]}}
"""


class Backend:
    """The constructor does not start it. `start` and `stop` keep the same port."""

    def __init__(self, directory: Path) -> None:
        self.port, self.health = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = directory
        directory.mkdir()
        self.output = directory / "received.json"
        self.config = directory / "backend.yaml"
        self.config.write_text(CONFIG.format(port=self.port, output=self.output, health=self.health), encoding="utf-8")
        self.process: Process | None = None

    def start(self) -> None:
        command = [get("collector"), f"--config={self.config}"]
        self.process = Process(command, self.directory / "backend.log", parts.base_environment())
        wait_for("the backend to serve", lambda: answers(f"http://127.0.0.1:{self.health}"), process=self.process)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    # Received data

    def requests(self) -> list[dict[str, Any]]:
        """Every request so far, of any signal. A line that is incomplete is read later."""
        if not self.output.exists():
            return []
        lines = self.output.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines if line]

    def resources(self, signal: str) -> list[dict[str, Any]]:
        """`resourceMetrics`, `resourceSpans` or `resourceLogs`."""
        return [resource for request in self.requests() for resource in request.get(signal, [])]

    def metrics(self, name: str) -> Iterator[tuple[dict[str, str], dict[str, str], dict[str, Any]]]:
        """Resource attributes, attributes and data point of every point of a metric."""
        for resource in self.resources("resourceMetrics"):
            for metric in (metric for scope in resource["scopeMetrics"] for metric in scope["metrics"]):
                if metric["name"] == name:
                    kind = next(metric[kind] for kind in ("sum", "gauge", "histogram") if kind in metric)
                    for point in kind["dataPoints"]:
                        yield attributes(resource["resource"]), attributes(point), point | {"unit": metric.get("unit", "")}

    def logs(self) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """Resource attributes and record of every log record."""
        return [(attributes(resource["resource"]), record) for resource in self.resources("resourceLogs")
                for scope in resource["scopeLogs"] for record in scope["logRecords"]]

    def spans(self) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """Resource attributes and span of every span."""
        return [(attributes(resource["resource"]), span) for resource in self.resources("resourceSpans")
                for scope in resource["scopeSpans"] for span in scope["spans"]]


def attributes(of: dict[str, Any]) -> dict[str, str]:
    """OTLP's list of attributes, each value as text."""
    return {entry["key"]: str(next(iter(entry["value"].values()), "")) for entry in of.get("attributes", [])}
