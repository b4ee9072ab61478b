"""A typical server and its clients. Their messages produce exactly the series of `arithmetic.typical`.

The `_meta` of a request has its outcome: `ok`, `tool_error` or an error code.
"""

import json
from typing import Any

from support.cases import error, result
from support.client import JSON, Connection
from support.http1 import Headers, Message
from support.stub import Wire

from .arithmetic import CLIENT, NAMED, Typical

OUTCOME = "outcome"
LISTED = {
    "tools/list": ("tools", "tools", "name"), "prompts/list": ("prompts", "prompts", "name"),
    "resources/list": ("resources", "resources", "uri"), "resources/templates/list": ("resourceTemplates", "", ""),
}
FIELD = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
SOURCE = {"tools/call": "tools", "prompts/get": "prompts", "resources/read": "resources"}


class Server:
    """A handler of the stub, which responds with event streams."""

    def __init__(self, server: Typical) -> None:
        self.server = server

    def __call__(self, request: Message, wire: Wire) -> None:
        if request.head.verb == "DELETE":
            wire.answer(204, b"")
            return
        message = json.loads(request.body)
        if "id" not in message:
            wire.answer(202, b"")
            return
        event = b"data: " + self.answer(message["method"], message.get("params", {})) + b"\n\n"
        wire.answer(200, event, [("Content-Type", "text/event-stream"), ("Mcp-Session-Id", "session")])

    def answer(self, method: str, params: dict[str, Any]) -> bytes:
        outcome = params.get("_meta", {}).get(OUTCOME, "ok")
        if isinstance(outcome, int):
            return error(outcome)
        if outcome == "tool_error":
            return result({"isError": True, "content": []})
        if method == "initialize":
            return result({"protocolVersion": params["protocolVersion"], "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}})
        if method in LISTED:
            member, kind, name = LISTED[method]
            return result({member: [{name: text} for text in self.server.names(kind)] if kind else []})
        return result({"content": [], "contents": [], "messages": []})


class Client:
    """A connection through the sidecar that counts what it sends."""

    def __init__(self, port: int) -> None:
        self.connection = Connection(port)
        self.sent = 0

    def send(self, method: str, params: dict[str, Any], headers: Headers = (), **more: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        self.connection.post(body, [*JSON, *headers])
        self.sent += 1

    def end(self, headers: Headers) -> None:
        self.connection.send("DELETE", "/mcp", headers)
        self.connection.receive()
        self.sent += 1
        self.connection.close()


def drive(port: int, server: Typical) -> int:
    """Runs one session for each protocol version, and returns the number of exchanges."""
    sent = 0
    for version in server.protocol_versions:
        client = Client(port)
        hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": CLIENT, "version": "1"}}
        client.send("initialize", hello, id=7)
        headers = [("Mcp-Session-Id", "session"), ("MCP-Protocol-Version", version)]
        client.send("notifications/initialized", {}, headers)
        for method in server.methods:
            if method != "initialize" and method not in NAMED:
                client.send(method, {}, headers, id=7)
        for method in NAMED:
            ends = ["ok", *(["tool_error"] if method == "tools/call" else []), *server.codes]
            for name in server.names(SOURCE[method]):
                for end in ends:
                    client.send(method, {FIELD[method]: name, "_meta": {OUTCOME: end}}, headers, id=7)
        client.end(headers)
        sent += client.sent
    return sent
