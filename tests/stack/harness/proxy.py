"""A sidecar that keeps its ports when it restarts."""

import json
from pathlib import Path

from support.cases import rpc
from support.client import JSON, Connection
from support.http1 import Message
from support.processes import Process, free_port, wait_for
from support.sidecar import launch, probe


class Proxy:
    """It is ready when the constructor returns. `config` is for the filter, `settings` are for the launcher."""

    def __init__(self, upstream_port: int, logs: Path, name: str = "weather", config: dict | None = None,
                 **settings: str) -> None:
        self.name, self.logs = name, logs
        self.port, self.admin_port = free_port(), free_port()
        self.probe_port = int(settings.get("PROBE_PORT") or free_port())
        self.instance = f"127.0.0.1:{self.probe_port}"
        file = logs / f"filter-{self.port}.json"
        file.write_text(json.dumps(config or {}), encoding="utf-8")
        self.settings = {
            "MCP_UPSTREAM_URL": f"http://127.0.0.1:{upstream_port}",
            "MCP_UPSTREAM_NAME": name,
            "MCP_FILTER_CONFIG": str(file),
            "PORT": str(self.port),
            "PROBE_PORT": str(self.probe_port),
            "ADMIN_PORT": str(self.admin_port),
            **settings,
        }
        self.process: Process | None = None
        self.start()

    def start(self) -> None:
        self.process = launch(self.logs / f"{self.name}-{self.port}.log", **self.settings)
        wait_for("the sidecar to be ready", lambda: probe(self.probe_port, "/ready") == 200, process=self.process)

    def stop(self) -> None:
        self.process.stop()

    def restart(self) -> None:
        """Restarts the sidecar. Its counters begin at zero again."""
        self.stop()
        self.start()

    def post(self, body: bytes, headers=JSON) -> Message:
        with Connection(self.port) as connection:
            return connection.post(body, headers)

    def call(self, tool: str, times: int = 1) -> None:
        """Calls a tool on one connection."""
        with Connection(self.port) as connection:
            for _ in range(times):
                connection.post(rpc("tools/call", {"name": tool, "arguments": {}}))
