"""A small MCP server in this process, outside all roots: what a launcher needs to have something to count."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

REVISION = "2025-11-25"


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """The result of a request. The tool `fails` fails."""
    if message["method"] == "initialize":
        return {"protocolVersion": REVISION, "capabilities": {"tools": {}}, "serverInfo": {"name": "small", "version": "1"}}
    return {"content": [{"type": "text", "text": "here"}], "isError": message["params"]["name"] == "fails"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            self.respond(202, b"")
        else:
            self.respond(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(message)}).encode())

    def respond(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def serve() -> Iterator[str]:
    """Returns the server's URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
        server.shutdown()
