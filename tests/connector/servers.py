"""The commands of MCP servers on standard input and output."""

import sys
from pathlib import Path

from support.peers import EVERYTHING, NODE, PEERS, get

PROGRAMS = Path(__file__).with_name("programs")
PACKAGES = NODE / "node_modules/@modelcontextprotocol"


def command(server: str) -> list[str]:
    return {
        "everything": lambda: ["node", str(EVERYTHING), "stdio"],
        "memory": lambda: ["node", str(PACKAGES / "server-memory/dist/index.js")],
        "python-1.30.0": lambda: [get("python", "mcp-old"), str(PEERS / "mcp_old.py"), "0", "stdio"],
        "python-2.3.0": lambda: [get("python", "e2e"), str(PEERS / "mcp_new.py"), "stdio"],
        "rmcp-3.11.0": lambda: [get("rmcp-server"), "mcp"],
        "conformance-python": lambda: [get("python", "e2e"), str(PEERS / "conformance_python.py"), "stdio"],
        "conformance-rust": lambda: [get("rmcp-server"), "conformance"],
    }[server]()


def filesystem(folder: Path) -> list[str]:
    return ["node", str(PACKAGES / "server-filesystem/dist/index.js"), str(folder)]


def misbehaving(*options: str) -> list[str]:
    return [sys.executable, str(PROGRAMS / "misbehaving.py"), *options]
