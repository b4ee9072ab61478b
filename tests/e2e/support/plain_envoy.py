"""Runs Envoy without the launcher, with a changed bootstrap, as users who run their own Envoy do."""

import json
import os
from pathlib import Path

import yaml

from . import scrape
from .expected import Expected
from .peers import ROOT, get
from .processes import Process, free_port, wait_for
from .sidecar import WORKERS, Sidecar


def bootstrap_of(sidecar: Sidecar) -> dict:
    """The bootstrap that the launcher gave to Envoy, with free ports."""
    bootstrap = json.loads(sidecar.admin("/config_dump"))["configs"][0]["bootstrap"]
    for port in (sidecar.port, sidecar.probe_port, sidecar.admin_port):
        replace_port(bootstrap, port, free_port())
    return bootstrap


def snippet(upstream_port: int) -> dict:
    """envoy/snippet.yaml, the configuration for users' own Envoys. Only the ports and the module's file name are changed."""
    bootstrap = yaml.safe_load((ROOT / "envoy" / "snippet.yaml").read_text())
    for address in every(bootstrap, "port_value"):
        address["port_value"] = upstream_port if address["port_value"] == 8080 else free_port()
    for listener in bootstrap["static_resources"]["listeners"]:
        listener["address"]["socket_address"]["address"] = "127.0.0.1"
    (module,) = every(bootstrap, "filename")
    module["filename"] = os.environ["MCP_FILTER_WASM"]
    return bootstrap


def log_accesses(bootstrap: dict, path: Path, text: str) -> None:
    """Adds an access log of one line per exchange to the MCP listener."""
    (manager, *_) = every(bootstrap["static_resources"]["listeners"][0], "stat_prefix")
    log = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"text_format_source": {"inline_string": text + "\n"}},
        },
    }
    manager.setdefault("access_log", []).append(log)


def every(node: object, key: str) -> list[dict]:
    """All objects with this member, at any depth."""
    if isinstance(node, list):
        return [found for member in node for found in every(member, key)]
    if not isinstance(node, dict):
        return []
    found = [entry for member in node.values() for entry in every(member, key)]
    return [node, *found] if key in node else found


def replace_port(bootstrap: dict, old: int, new: int) -> None:
    for address in every(bootstrap, "port_value"):
        if address["port_value"] == old:
            address["port_value"] = new


def set_plugin_configuration(bootstrap: dict, text: str) -> None:
    (plugin,) = every(bootstrap, "vm_config")
    plugin["configuration"] = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}


def command(bootstrap: dict, config: Path) -> list[str]:
    config.write_text(json.dumps(bootstrap))
    options = ["--concurrency", str(WORKERS), "--disable-hot-restart", "--log-level", "warning"]
    options += ["--file-flush-interval-msec", "200"]
    # The filter's own log lines.
    options += ["--component-log-level", "wasm:debug"]
    return [get("envoy"), "--config-path", str(config), *options]


class PlainEnvoy(Sidecar):
    """An Envoy whose first listener is the MCP port. The scrape is its admin page."""

    def __init__(self, bootstrap: dict, server_name: str, logs: Path, name: str) -> None:
        self.server_name, self.expected = server_name, Expected(server_name)
        self.admin_port = bootstrap["admin"]["address"]["socket_address"]["port_value"]
        self.port = bootstrap["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"]
        self.process = Process(command(bootstrap, logs / f"{name}.json"), logs / f"{name}.log")
        wait_for(f"{name} to be ready", self.ready, process=self.process)

    def ready(self) -> bool:
        try:
            return "LIVE" in self.admin("/ready")
        except OSError:
            return False

    def metrics(self) -> str:
        return scrape.fetch(f"http://127.0.0.1:{self.admin_port}/stats/prometheus")
