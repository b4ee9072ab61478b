"""A separate gateway for one test: all traffic of one port goes to a stub, and a plugin may observe it."""

import json
from pathlib import Path

from support.processes import free_port, wait_for
from support.stub import Stub

from . import labels
from .istiod import Istiod
from .manifests import NAMESPACE, only, plugin
from .proxy import Proxy
from .traffic import answering_stub, call, service


class Edge:
    """The resources of one gateway, which the constructor applies. Proxies may start and stop. `stub` serves /mcp."""

    def __init__(self, istiod: Istiod, directory: Path, name: str) -> None:
        self.istiod, self.directory, self.name = istiod, directory, name
        self.port = free_port()
        self.stub: Stub = answering_stub()
        self.proxies: list[Proxy] = []
        self.applied: list[dict] = []
        metadata = {"name": name, "namespace": NAMESPACE}
        host = f"{name}.{NAMESPACE}.svc.cluster.local"
        self.apply(
            service(name, self.stub.port),
            {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": metadata, "spec": {
                "selector": {"app": name},
                "servers": [{"port": {"number": self.port, "name": "http-mcp", "protocol": "HTTP"}, "hosts": ["*"]}],
            }},
            {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": {
                "hosts": ["*"], "gateways": [name],
                "http": [{"retries": {"attempts": 0}, "route": [{"destination": {"host": host, "port": {"number": 8000}}}]}],
            }},
        )

    def apply(self, *documents: dict) -> None:
        self.istiod.apply(*documents)
        self.applied += documents

    def plugin(self, url: str | Path, **configuration: object) -> dict:
        """Applies the shipped plugin of gateways to this gateway only."""
        found = plugin(url, "gateway.yaml", **({"server_name_from": "config"} | configuration))
        found["metadata"]["name"] = self.name
        found["spec"]["selector"] = {"matchLabels": {"app": self.name}}
        return found

    def guard(self) -> dict:
        """Applies the shipped EnvoyFilter of gateways to this gateway's plugin."""
        found = json.loads(json.dumps(only("EnvoyFilter", "gateway.yaml")).replace("mcp.mcp-observability-gateway", f"{NAMESPACE}.{self.name}"))
        found["metadata"]["name"] = self.name
        return found

    def start(self, annotations: dict[str, str] | None = None, **settings: object) -> Proxy:
        proxy = Proxy(self.istiod, self.directory, f"{self.name}-{len(self.proxies)}", annotations=annotations, app=self.name, **settings)
        self.proxies.append(proxy)
        proxy.serve(self.port)
        return proxy

    def call(self, tool: str) -> int:
        return call(self.port, tool)

    def counts(self, proxy: Proxy, tool: str, server: str = "upstream") -> None:
        """Checks that a call of this tool passes and is counted once."""
        assert self.call(tool) == 200
        wait_for(f"the call of {tool} to be counted", lambda: labels.calls(proxy).get((server, tool, "ok")) == 1)

    def stop(self) -> None:
        for proxy in self.proxies:
            proxy.stop()
        self.istiod.delete(*self.applied)
        self.stub.close()
