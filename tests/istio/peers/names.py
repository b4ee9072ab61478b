"""An MCP server on the Python SDK 2.3.0 whose tools have the names given to it.

    names.py PORT NAME...
"""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("names", log_level="WARNING")


def answer() -> str:
    """Answers with a word."""
    return "yes"


if __name__ == "__main__":
    for name in sys.argv[2:]:
        server.add_tool(answer, name=name)
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
