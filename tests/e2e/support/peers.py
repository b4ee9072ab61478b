"""Real MCP servers, one process each, on a free port."""

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Callable

from .processes import Process, accepts, free_port, wait_for

ROOT = Path(__file__).resolve().parents[3]
PEERS = ROOT / "tests" / "peers"
NODE = ROOT / "tests" / "node"
EVERYTHING = NODE / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"


@cache
def get(*name: str) -> str:
    """The path of a program that `scripts/get.sh` fetches if it is missing."""
    done = subprocess.run([ROOT / "scripts/get.sh", *name], stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout.strip()


def clean_env(**extra: str) -> dict[str, str]:
    """The environment of peers. It is small because server-everything returns its environment to clients."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **extra}


def commands(port: int) -> dict[str, list[str]]:
    """The command of each server. `sse` in a name means HTTP+SSE."""
    old = [get("python", "mcp-old"), str(PEERS / "mcp_old.py"), str(port)]
    new = [get("python", "e2e"), str(PEERS / "mcp_new.py"), str(port)]
    return {
        "everything": ["node", str(EVERYTHING), "streamableHttp"],
        "everything-sse": ["node", str(EVERYTHING), "sse"],
        "python-1.30.0": [*old, "events"],
        "python-1.30.0-json": [*old, "json"],
        "python-1.30.0-sse": [*old, "sse"],
        "python-2.3.0": new,
        "python-2.3.0-sse": [*new, "sse"],
        "conformance-python": [get("python", "e2e"), str(PEERS / "conformance_python.py"), str(port)],
        "rmcp-3.11.0": [get("rmcp-server")],
    }


class Peer:
    """A running server. `port` accepts connections when the constructor returns."""

    def __init__(self, name: str, logs: Path, commands: Callable[[int], dict[str, list[str]]] = commands) -> None:
        self.name = name
        self.port = free_port()
        if name.startswith("everything"):
            get("node")
        self.process = Process(commands(self.port)[name], logs / f"{name}.log", clean_env(PORT=str(self.port)))
        wait_for(f"{name} to listen", lambda: accepts(self.port), process=self.process)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def stop(self) -> None:
        self.process.stop()
