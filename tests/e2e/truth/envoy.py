"""Envoy with the configuration of the launcher. Only its MCP listener is read from a file, which can be replaced."""

import json
import os
from pathlib import Path

from support.plain_envoy import PlainEnvoy, bootstrap_of, command, every
from support.processes import Process, wait_for
from support.sidecar import Sidecar

from .account import Account

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


class FileListenerEnvoy(PlainEnvoy):
    """The expected counts are those of the scripts. `update` replaces the plugin, or plugin and VM, while streams are open."""

    def __init__(self, model: Sidecar, upstream_port: int, account: Account, logs: Path, name: str, *options: str) -> None:
        bootstrap = bootstrap_of(model)
        self.listener = bootstrap["static_resources"]["listeners"].pop(0)
        self.file = logs / f"{name}-listener.json"
        self.write()
        source = {"path_config_source": {"path": str(self.file)}, "resource_api_version": "V3"}
        bootstrap["dynamic_resources"] = {"lds_config": source}
        (upstream,) = (one for one in bootstrap["static_resources"]["clusters"] if one["name"] == "upstream")
        for address in every(upstream, "port_value"):
            address["port_value"] = upstream_port
        self.server_name, self.expected = account.server_name, account
        self.port = self.listener["address"]["socket_address"]["port_value"]
        self.admin_port = bootstrap["admin"]["address"]["socket_address"]["port_value"]
        self.process = Process([*command(bootstrap, logs / f"{name}.json"), *options], logs / f"{name}.log")
        wait_for(f"{name} to be ready", self.ready, process=self.process)

    def write(self) -> None:
        """Envoy reads the file again when another file is moved to its path."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps({"resources": [{"@type": LISTENER, **self.listener}]}))
        os.replace(fresh, self.file)

    def update(self, configuration: dict, vm_configuration: str) -> None:
        """Changes the plugin configuration, which replaces the plugin. A changed VM configuration replaces the VM too."""
        before = self.updates()
        (plugin,) = every(self.listener, "vm_config")
        value = json.loads(plugin["configuration"]["value"])
        plugin["configuration"]["value"] = json.dumps(value | configuration)
        string = "type.googleapis.com/google.protobuf.StringValue"
        plugin["vm_config"]["configuration"] = {"@type": string, "value": vm_configuration}
        self.write()
        wait_for("the listener to be replaced", lambda: self.updates() > before, process=self.process)

    def updates(self) -> int:
        """How many times Envoy has replaced the filter chains of the listener."""
        return int(self.admin(r"/stats?filter=^listener_manager\.listener_in_place_updated$").rpartition(":")[2])

    def draining(self) -> int:
        """How many replaced filter chains are still draining."""
        return int(self.admin(r"/stats?filter=^listener_manager\.total_filter_chains_draining$").rpartition(":")[2])
