"""The drivers: programs that run a plan with one client each, and print its results."""

from .peers import NODE, ROOT, get

DRIVERS = ROOT / "tests" / "e2e" / "drivers"
PACKAGES = {
    "typescript-1.10.1": "sdk-1-10-1",
    "typescript-1.12.3": "sdk-1-12-3",
    "typescript-1.24.0": "sdk-1-24-0",
    "typescript-1.32.2": "@modelcontextprotocol/sdk",
    "typescript-2.4.0": "@modelcontextprotocol/client",
}


def command(client: str) -> list[str]:
    if client in PACKAGES:
        return ["node", str(NODE / "client.mjs")]
    return {
        "python-1.8.1": lambda: [get("python", "mcp-1-8"), str(DRIVERS / "client_old.py")],
        "python-1.30.0": lambda: [get("python", "mcp-old"), str(DRIVERS / "client_old.py")],
        "python-2.3.0": lambda: [get("python", "e2e"), str(DRIVERS / "client_new.py")],
        "rmcp-3.11.0": lambda: [get("rmcp-client")],
    }[client]()
