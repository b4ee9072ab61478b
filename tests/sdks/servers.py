"""The commands that start this suite's servers. `sse` in a name means HTTP+SSE."""

from pathlib import Path

from support import peers
from support.peers import EVERYTHING, PEERS, get

FASTMCP = str(PEERS / "fastmcp_server.py")


def go(program: str) -> list[str]:
    return [str(Path(get("go-peers")) / program)]


def supergateway(port: int, *options: str) -> list[str]:
    """server-everything on standard input and output behind the gateway."""
    behind = f"node {EVERYTHING} stdio"
    program = Path(get("node-peers")) / "supergateway/dist/index.js"
    return ["node", str(program), "--stdio", behind, "--port", str(port), "--logLevel", "none", *options]


def commands(port: int) -> dict[str, list[str]]:
    fastmcp_2 = [get("python", "fastmcp-2"), FASTMCP, str(port)]
    fastmcp_4 = [get("python", "fastmcp-4"), FASTMCP, str(port)]
    return peers.commands(port) | {
        "go-sdk-1.8.0": go("go-sdk-server"),
        "mcp-go-1.2.1": go("mcp-go-server"),
        "fastmcp-2.14.7": fastmcp_2,
        "fastmcp-2.14.7-sse": [*fastmcp_2, "sse"],
        "fastmcp-4.2.3": fastmcp_4,
        "fastmcp-4.2.3-slash": [*fastmcp_4, "slash"],
        "fastmcp-4.2.3-sse": [*fastmcp_4, "sse"],
        "supergateway-4.0.0": supergateway(port, "--outputTransport", "streamableHttp", "--stateful"),
        "supergateway-4.0.0-sse": supergateway(port, "--outputTransport", "sse"),
    }
