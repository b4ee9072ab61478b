"""Secrets in MCP traffic, and the outputs that contain each of them without the sanitizer. Most are in none, because the filter does
not export them.
"""

import json
from dataclasses import dataclass
from typing import Any

from support.cases import rpc
from support.client import JSON
from support.http1 import Headers, Message
from support.stub import Wire

from .canaries import OTLP, PROMETHEUS, Canary

# Settings of the filter: as shipped, and with everything exported that can be.
SHIPPED: dict[str, Any] = {}
TELLING = {"labels": {"resource_uri": "full", "client_name": "tools"}}
NOWHERE, SPANS, EVERYWHERE = frozenset[str](), frozenset({OTLP}), frozenset({OTLP, PROMETHEUS})

# The place of the secret, its text, the outputs that contain it with the shipped settings, and those with TELLING.
TABLE = (
    ("argument of a tool", "{}", NOWHERE, NOWHERE),
    ("_meta of a call", "{}", NOWHERE, NOWHERE),
    ("argument of a prompt", "{}", NOWHERE, NOWHERE),
    ("text of a result", "{}", NOWHERE, NOWHERE),
    ("structured result", "{}", NOWHERE, NOWHERE),
    ("text of a tool's error", "{}", NOWHERE, NOWHERE),
    ("message of an error", "{}", NOWHERE, NOWHERE),
    ("data of an error", "{}", NOWHERE, NOWHERE),
    ("description of a tool", "{}", NOWHERE, NOWHERE),
    ("method that nobody knows", "{}", NOWHERE, NOWHERE),
    ("notification", "{}", NOWHERE, NOWHERE),
    ("name of the server", "{}", NOWHERE, NOWHERE),
    ("name of the client", "{}@example.com", EVERYWHERE, EVERYWHERE),
    ("name of a tool", "{}@example.com", EVERYWHERE, EVERYWHERE),
    ("id of a request", "eyJhbGciOiJub25lIn0.{}.c2ln", SPANS, SPANS),
    ("userinfo of a resource", "{}", NOWHERE, EVERYWHERE),
    ("query of a resource", "{}", NOWHERE, EVERYWHERE),
    ("query of the URL", "{}", NOWHERE, NOWHERE),
    ("Authorization", "Bearer {}", NOWHERE, NOWHERE),
    ("Proxy-Authorization", "Basic {}", NOWHERE, NOWHERE),
    ("Cookie", "session={}", NOWHERE, NOWHERE),
    ("X-Api-Key", "{}", NOWHERE, NOWHERE),
    ("baggage", "user.id={}", NOWHERE, NOWHERE),
    ("Mcp-Session-Id", "{}", NOWHERE, NOWHERE),
    ("Last-Event-ID", "{}", NOWHERE, NOWHERE),
    ("Referer", "https://example.com/?token={}", NOWHERE, NOWHERE),
    # Envoy's own tags of a span.
    ("User-Agent", "agent/1 ({}@example.com)", SPANS, SPANS),
    ("x-request-id", "{}@example.com", SPANS, SPANS),
    ("tracestate", "vendor={}@example.com", SPANS, SPANS),
    # The collector deletes these two.
    ("x-client-trace-id", "{}", NOWHERE, NOWHERE),
    ("grpc-message", "{}", NOWHERE, NOWHERE),
    ("Set-Cookie", "session={}", NOWHERE, NOWHERE),
    ("WWW-Authenticate", "Bearer error_description={}", NOWHERE, NOWHERE),
)
REQUEST_HEADERS = ("Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "baggage", "Mcp-Session-Id", "Last-Event-ID",
                   "Referer", "User-Agent", "x-request-id", "tracestate", "x-client-trace-id")
RESPONSE_HEADERS = ("Set-Cookie", "WWW-Authenticate", "grpc-message")
# Envoy reads grpc-message only with a status.
GRPC_STATUS = ("grpc-status", "2")
TRACEPARENT = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
KEEPER = "keeper"


@dataclass(frozen=True)
class Conversation:
    """The messages of a session, of the client and of the server."""

    text: dict[str, str]
    canaries: list[Canary]

    def requests(self) -> list[bytes]:
        """The requests in order. The last one calls the keeper."""
        text = self.text
        uri = f"https://ann:{text['userinfo of a resource']}@files/a?key={text['query of a resource']}"
        call = {"name": "tool", "arguments": {"password": text["argument of a tool"]}, "_meta": {"note": text["_meta of a call"]}}
        initialize = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": text["name of the client"], "version": "1"}}
        notification = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": text["notification"]}}
        return [
            rpc("initialize", initialize),
            rpc("tools/list"),
            rpc("tools/call", call),
            rpc("tools/call", call, id=text["id of a request"]),
            rpc("tools/call", {"name": text["name of a tool"]}),
            rpc("tools/call", {"name": "failing"}),
            rpc("tools/call", {"name": "refused"}),
            rpc("prompts/get", {"name": "greeting", "arguments": {"name": text["argument of a prompt"]}}),
            rpc("resources/read", {"uri": uri}),
            rpc(text["method that nobody knows"], {}),
            json.dumps(notification).encode(),
            rpc("tools/call", {"name": KEEPER}),
        ]

    def target(self) -> str:
        return f"/mcp?sessionId={self.text['query of the URL']}"

    def headers(self) -> Headers:
        return [*JSON, TRACEPARENT, *((name, self.text[name]) for name in REQUEST_HEADERS)]

    def serve(self, request: Message, wire: Wire) -> None:
        """Handles a request as the server."""
        message = json.loads(request.body)
        more = [GRPC_STATUS, *((name, self.text[name]) for name in RESPONSE_HEADERS)]
        if "id" not in message:
            wire.answer(202, b"", more)
            return
        answer = {"jsonrpc": "2.0", "id": message["id"]} | self.answer(message)
        wire.json(200, json.dumps(answer).encode(), more)

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        text = self.text
        name = message.get("params", {}).get("name")
        if message["method"] == "initialize":
            return {"result": {"protocolVersion": "2025-06-18", "capabilities": {},
                               "serverInfo": {"name": text["name of the server"], "version": "1"}}}
        if message["method"] == "tools/list":
            return {"result": {"tools": [{"name": "tool", "description": text["description of a tool"], "inputSchema": {}}]}}
        if name == "refused":
            return {"error": {"code": -32603, "message": text["message of an error"], "data": text["data of an error"]}}
        if name == "failing":
            return {"result": {"isError": True, "content": [{"type": "text", "text": text["text of a tool's error"]}]}}
        return {"result": {"content": [{"type": "text", "text": text["text of a result"]}],
                           "structuredContent": {"name": text["structured result"]}}}


def conversation(telling: bool) -> Conversation:
    """One session with every canary of the table."""
    text, canaries = {}, []
    for number, (where, spelling, shipped, told) in enumerate(TABLE):
        mark = f"canary{number:06}x"
        text[where] = spelling.format(mark)
        canaries.append(Canary(mark, spelling, where, told if telling else shipped))
    return Conversation(text, canaries)
