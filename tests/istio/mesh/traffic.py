"""MCP servers and clients of the mesh."""

import subprocess
import threading
from contextlib import closing
from pathlib import Path

from support.cases import RESULT, rpc
from support.client import JSON, Connection
from support.http1 import Message
from support.peers import clean_env, get
from support.processes import Process, accepts, free_port, wait_for
from support.stub import Stub, Wire

from .manifests import NAMESPACE

PEERS = Path(__file__).parents[1] / "peers"
# The longest time that a stream is held open. No test needs as long.
DEADLINE = 120.0
# Parts of names that Istio's own tags match anywhere in the name of a stat.
TAKEN = [
    "cache.get.x", "component.a.b", "tag.x;.", "wasm_filter.x.", "rbac.allowed", "x.shadow_denied", "a.istio_dry_run_allow_b",
    "cluster.a;b",
]


class NamesServer:
    """A real server with tools of these names."""

    def __init__(self, directory: Path, *names: str) -> None:
        self.port = free_port()
        command = [get("python", "e2e"), str(PEERS / "names.py"), str(self.port), *names]
        self.process = Process(command, directory / f"names-{self.port}.log", clean_env())
        wait_for("the server to listen", lambda: accepts(self.port), process=self.process)

    def close(self) -> None:
        self.process.stop()


def call_every_tool(url: str) -> list[str]:
    """Runs a session of a real client. Returns the tools that it called."""
    command = [get("python", "e2e"), str(PEERS / "caller.py"), url]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_env(), timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def answering_stub() -> Stub:
    """A server that responds to every tool call at /mcp."""
    stub = Stub()
    stub.on("/mcp", lambda request, wire: wire.json(200, RESULT))
    return stub


def call(port: int, tool: str) -> int:
    """Makes one call. Returns the HTTP status."""
    with closing(Connection(port)) as connection:
        return connection.post(rpc("tools/call", {"name": tool}), JSON).head.status


def service(name: str, port: int, protocol: str = "HTTP", number: int = 8000) -> dict:
    """A Service of the namespace, as its clients see it. Its only endpoint is a process of this machine."""
    port_name = protocol.lower()
    return {
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "hosts": [f"{name}.{NAMESPACE}.svc.cluster.local"], "location": "MESH_INTERNAL", "resolution": "STATIC",
            "ports": [{"number": number, "name": port_name, "protocol": protocol}],
            "endpoints": [{"address": "127.0.0.1", "ports": {port_name: port}}],
        },
    }


def inbound(name: str, port: int, server: int) -> dict:
    """The listener that traffic capture makes in a cluster: the proxy listens for its server."""
    return {
        "apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "workloadSelector": {"labels": {"app": name}},
            "ingress": [{
                "port": {"number": port, "name": "http-mcp", "protocol": "HTTP"}, "bind": "127.0.0.1",
                "captureMode": "NONE", "defaultEndpoint": f"127.0.0.1:{server}",
            }],
            "egress": [{"hosts": ["./*"]}],
        },
    }


class HeldStream:
    """A call with an event stream that the test keeps open. `send` sends an event, `next` reads it as the client."""

    def __init__(self, stub: Stub, port: int, path: str = "/held") -> None:
        self.wires: list[Wire] = []
        self.ended = threading.Event()
        stub.on(path, self._begin)
        self.connection = Connection(port)
        self.connection.send("POST", path, JSON, rpc("tools/call", {"name": "held"}))
        self.connection.head()
        self.pieces = self.connection.pieces()

    def _begin(self, _request: Message, wire: Wire) -> None:
        # This comes first, because the client continues when it has the headers.
        self.wires.append(wire)
        wire.begin("text/event-stream")
        # Until then the connection is used for this response only.
        self.ended.wait(DEADLINE)

    def exchange(self, data: bytes) -> bytes:
        """An event of the server, as the client receives it."""
        (wire,) = self.wires
        wire.event(data)
        return next(self.pieces)

    def end(self) -> None:
        (wire,) = self.wires
        wire.event(RESULT)
        wire.end()
        self.ended.set()
        for _ in self.pieces:
            pass

    def close(self) -> None:
        self.ended.set()
        self.connection.close()
