"""The requests to the stub, and test cases: what the server does, and the outcome that must be counted."""

import json
import threading
from dataclasses import dataclass
from typing import Any, Callable

from . import http1
from .client import JSON, Connection
from .stub import Handler, Wire

TOOL = "probe"
Outcome = tuple[str, str]


def rpc(method: str, params: dict[str, Any] | None = None, id: Any = 7) -> bytes:
    message = {"jsonrpc": "2.0", "id": id, "method": method}
    return json.dumps(message | ({"params": params} if params is not None else {})).encode()


def result(value: Any, id: Any = 7) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": value}).encode()


def error(code: int, **id: Any) -> bytes:
    """An error with the id 7. `error(-1, id=None)` has a null id."""
    identity = id if id else {"id": 7}
    return json.dumps({"jsonrpc": "2.0", **identity, "error": {"code": code, "message": "refused"}}).encode()


def error_without_id(code: int) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "error": {"code": code, "message": "refused"}}).encode()


CALL = rpc("tools/call", {"name": TOOL, "arguments": {}})
DISCOVER = rpc("server/discover", {})
RESULT = result({"content": [{"type": "text", "text": "fine"}]})
NOTIFICATION = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}'


def post(connection: Connection, case: "Case") -> None:
    """The usual client: sends the request and reads the whole response."""
    connection.send("POST", "/case", JSON, case.request)
    connection.exchange.skipped = case.skipped
    try:
        connection.receive(case.cause)
    except http1.Truncated:
        pass


@dataclass
class Case:
    """`outcome` is the status and error_type that the operation must get. `cause` is the same if the expected series cannot be
    derived from the response and the HTTP status."""

    name: str
    outcome: Outcome
    serve: Handler
    request: bytes = CALL
    cause: Outcome | None = None
    skipped: str = ""
    act: Callable[[Connection, "Case"], None] = post


def answers(status: int, body: bytes, kind: str = "application/json", *more: tuple[str, str]) -> Handler:
    def serve(_: http1.Message, wire: Wire) -> None:
        wire.answer(status, body, [("Content-Type", kind), *more])

    return serve


def streams(*events: bytes) -> Handler:
    """A complete event stream."""

    def serve(_: http1.Message, wire: Wire) -> None:
        wire.begin("text/event-stream")
        for data in events:
            wire.event(data)
        wire.end()

    return serve


def held_stream(released: threading.Event) -> Handler:
    """A stream with a notification; the result follows after `released` is set."""

    def serve(_: http1.Message, wire: Wire) -> None:
        wire.begin("text/event-stream")
        wire.event(NOTIFICATION)
        assert released.wait(30)
        wire.event(RESULT)
        wire.end()

    return serve
