"""The drivers of this suite's clients, in addition to those of the end-to-end suite."""

from pathlib import Path

from support import clients
from support.clients import DRIVERS
from support.peers import get


def command(client: str) -> list[str]:
    own = {
        "go-sdk-1.8.0": lambda: [str(Path(get("go-peers")) / "go-sdk-client")],
        "mcp-go-1.2.1": lambda: [str(Path(get("go-peers")) / "mcp-go-client")],
        "fastmcp-2.14.7": lambda: [get("python", "fastmcp-2"), str(DRIVERS / "client_fastmcp.py")],
        "fastmcp-4.2.3": lambda: [get("python", "fastmcp-4"), str(DRIVERS / "client_fastmcp.py")],
    }
    return own[client]() if client in own else clients.command(client)
