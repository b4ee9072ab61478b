"""The collector of k8s/istio/collector as a process, with the arguments and variables of the rendered manifests.

The ports are other ones, the proxies have addresses instead of the headless Service's name, and the spans go to a file.
"""

import json
import os
import subprocess
from pathlib import Path

import yaml
from harness.running import DEFAULT_PORTS
from support import scrape
from support.peers import get
from support.processes import Process, free_port, wait_for
from support.series import Series

from .istiod import answers
from .manifests import MANIFESTS

TO_A_FILE = """
exporters:
  file: {{path: {path}, append: true, flush_interval: 100ms}}
service:
  pipelines:
    traces: {{exporters: [file]}}
"""


def rendered() -> list[dict]:
    """The manifests of the collector, rendered by kustomize."""
    done = subprocess.run([get("kubectl"), "kustomize", MANIFESTS / "collector"], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


class Collector:
    """It is ready when the constructor returns. `targets` are the metrics ports of proxies."""

    def __init__(self, directory: Path, targets: list[int]) -> None:
        manifests = rendered()
        (files,) = [each["data"] for each in manifests if each["kind"] == "ConfigMap"]
        (deployment,) = [each for each in manifests if each["kind"] == "Deployment"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        for name, content in files.items():
            (directory / name).write_text(content)
        self.spans_file = directory / "spans.json"
        (directory / "file.yaml").write_text(TO_A_FILE.format(path=self.spans_file))
        self.ports = {name: free_port() for name in DEFAULT_PORTS["collector"]}
        environment = {each["name"]: each["value"] for each in container["env"]}
        environment |= {name: str(port) for name, port in self.ports.items()}
        environment |= {
            "PATH": os.environ["PATH"], "MCP_SIDECAR_DNS_SD": "[]", "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "MCP_SIDECAR_TARGETS": json.dumps([f"127.0.0.1:{port}" for port in targets]),
        }
        arguments = [argument.replace("/etc/collector", str(directory)) for argument in container["args"]]
        command = [get("collector"), *arguments, f"--config={directory / 'file.yaml'}"]
        self.process = Process(command, directory / "collector.log", environment)
        health = f"http://127.0.0.1:{self.ports['COLLECTOR_HEALTH_PORT']}"
        wait_for("the collector to be ready", lambda: answers(health), 60, self.process)

    def samples(self) -> dict[Series, float]:
        return scrape.parse(scrape.fetch(f"http://127.0.0.1:{self.ports['COLLECTOR_METRICS_PORT']}/metrics"))

    def spans(self) -> list[dict[str, str]]:
        """The attributes of each span so far."""
        return [attributes(span) for span in self.whole_spans()]

    def whole_spans(self) -> list[dict]:
        """Each span so far. A line that is incomplete is read later."""
        if not self.spans_file.exists():
            return []
        found = []
        for line in self.spans_file.read_text().split("\n")[:-1]:
            for resource in json.loads(line)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    found += scope["spans"]
        return found

    def stop(self) -> None:
        self.process.stop()


def attributes(span: dict) -> dict[str, str]:
    return {each["key"]: str(next(iter(each["value"].values()), "")) for each in span.get("attributes", [])}
