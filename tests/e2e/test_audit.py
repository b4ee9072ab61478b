"""The audit log of a sidecar with two workers: one line for each exchange that is MCP, with what was sent and without contents."""

import json
import re
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Callable

import jsonschema
import pytest

from support import http1
from support.cases import CALL, NOTIFICATION, RESULT, TOOL, answers, error, result, rpc, streams
from support.client import JSON, Connection
from support.http1 import Headers
from support.processes import wait_for
from support.sidecar import Sidecar
from support.stub import Handler, Stub, Wire

SCHEMA = Path(__file__).parents[2] / "docs" / "audit.schema.json"
# Stands in secrets and contents that no line may have.
CANARY = "canary"
HASH = re.compile("[0-9a-f]{16}")
TRACE = "0af7651916cd43dd8448eb211c80319c"
SECRETS = [("Authorization", f"Bearer {CANARY}"), ("Cookie", f"id={CANARY}"), ("X-User", f"ann-{CANARY}")]
SESSION = [("Mcp-Session-Id", f"session-{CANARY}"), ("MCP-Protocol-Version", "2025-11-25")]
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
ARGUMENTS = {"name": TOOL, "arguments": {CANARY: CANARY}, "_meta": {"secret": CANARY}}


def reset(_: http1.Message, wire: Wire) -> None:
    wire.reset()


def silent(_: http1.Message, wire: Wire) -> None:
    """Waits until the client has left."""
    while wire.socket.recv(1):
        pass


def leave(connection: Connection) -> None:
    # The server has the request before the client leaves.
    connection.socket.shutdown(socket.SHUT_WR)
    connection.leave()


@dataclass
class Case:
    """An exchange, and the fields that its line must have. Without fields it has no line."""

    name: str
    fields: dict[str, Any]
    serve: Handler
    body: bytes = CALL
    headers: Headers = field(default_factory=lambda: JSON)
    verb: str = "POST"
    end: Callable[[Connection], Any] = Connection.receive


TOOL_CALL = {"method": "tools/call", "tool": TOOL, "request_id": "7", "http_status": 200}
FAILED = TOOL_CALL | {"status": "error"}
NO_REQUEST = {"status": None, "error_type": None, "request_id": None}
CASES = [
    Case("ok", TOOL_CALL | {"status": "ok", "response_bytes": len(RESULT), "protocol_version": "2025-11-25"},
         answers(200, RESULT), rpc("tools/call", ARGUMENTS), [*JSON, *SESSION]),
    Case("event stream", TOOL_CALL | {"status": "ok"}, streams(NOTIFICATION, RESULT)),
    Case("tool error", FAILED | {"error_type": "tool_error", "error_code": None}, answers(200, result({"isError": True, "content": [CANARY]}))),
    Case("error object", FAILED | {"error_type": "rpc_error", "error_code": -32000}, answers(200, error(-32000))),
    Case("http error", FAILED | {"error_type": "http_error", "http_status": 500}, answers(500, CANARY.encode(), "text/plain")),
    Case("unauthorized", FAILED | {"error_type": "unauthorized", "http_status": 401}, answers(401, b"", "text/plain")),
    Case("reset", FAILED | {"error_type": "reset", "http_status": 503}, reset),
    Case("revision with its trace", TOOL_CALL | {"status": "ok", "trace_id": TRACE, "protocol_version": "2026-07-28"}, answers(200, RESULT),
         rpc("tools/call", ARGUMENTS | {"_meta": MODERN}),
         [*JSON, ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", TOOL)]),
    Case("trace of the header", TOOL_CALL | {"status": "ok", "trace_id": TRACE}, answers(200, RESULT),
         headers=[*JSON, ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")]),
    Case("header that is no trace", TOOL_CALL | {"status": "ok", "trace_id": None}, answers(200, RESULT),
         headers=[*JSON, ("traceparent", CANARY)]),
    Case("hostile name", TOOL_CALL | {"tool": "a__b___c__", "status": "ok"}, answers(200, RESULT),
         rpc("tools/call", {"name": 'a"\\b\n;=c\u2028\u202e'})),
    Case("empty name of a tool", TOOL_CALL | {"tool": "", "status": "ok"}, answers(200, RESULT), rpc("tools/call", {"name": ""})),
    Case("empty name of a prompt", {"method": "prompts/get", "prompt": "", "status": "ok"}, answers(200, result({"messages": []})),
         rpc("prompts/get", {"name": ""})),
    Case("prompt", {"method": "prompts/get", "prompt": "greet", "tool": None, "status": "ok"}, answers(200, result({"messages": [CANARY]})),
         rpc("prompts/get", {"name": "greet", "arguments": {"who": CANARY}})),
    Case("resource", {"method": "resources/read", "resource": "db:", "status": "ok"}, answers(200, result({"contents": []})),
         rpc("resources/read", {"uri": f"db://{CANARY}:{CANARY}@host/{CANARY}?{CANARY}#{CANARY}"})),
    Case("id that is no name", {"method": "ping", "request_id": None, "status": "ok"}, answers(200, result({}, f"an id/{CANARY}")),
         rpc("ping", id=f"an id/{CANARY}")),
    Case("batch", {"method": "ping", "request_id": "1"}, answers(200, b"[" + result({}, 1) + b"," + result({}, 2) + b"]"),
         b"[" + rpc("ping", id=1) + b"," + rpc("tools/list", id=2) + b"]"),
    Case("notification", NO_REQUEST | {"method": "notifications/progress", "http_status": 202}, answers(202, b""), NOTIFICATION),
    Case("response of the client", NO_REQUEST | {"method": "response", "http_status": 202, "protocol_version": "2025-11-25"}, answers(202, b""),
         result({CANARY: 1}), [*JSON, *SESSION]),
    Case("stream", NO_REQUEST | {"method": "stream", "http_status": 200, "protocol_version": "2025-11-25"}, streams(NOTIFICATION), b"",
         [("Accept", "text/event-stream"), *SESSION], "GET"),
    Case("response elsewhere", TOOL_CALL | {"status": "elsewhere", "http_status": 202, "duration_ms": None}, answers(202, b""), CALL, [*JSON, *SESSION]),
    Case("cancelled", TOOL_CALL | {"status": "cancelled", "error_type": None, "http_status": None}, silent, end=leave),
    Case("not MCP", {}, answers(200, b"<html>", "text/html"), b"", [("Accept", "text/html")], "GET"),
    Case("form", {}, answers(200, b"", "text/html"), b"user=" + CANARY.encode(), [("Content-Type", "application/x-www-form-urlencoded")]),
]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.jsonl"


@pytest.fixture(scope="module")
def sidecar(stub: Stub, logs: Path, log: Path):
    settings = {"MCP_UPSTREAM_NAME": "shop", "MCP_IDENTITY_HEADER": "x-user", "MCP_HASH_KEY": f"key of sixteen bytes {CANARY}"}
    sidecar = Sidecar(stub.port, logs, "audit", MCP_AUDIT_LOG=str(log), **settings)
    yield sidecar
    sidecar.check_log()
    sidecar.stop()


def lines(log: Path) -> list[dict[str, Any]]:
    """The complete lines: Envoy may be writing one."""
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


@pytest.fixture(scope="module")
def logged(sidecar: Sidecar, stub: Stub, log: Path) -> list[tuple[Case, dict[str, Any]]]:
    """Each case with its line, on each worker. A case without a line is followed by one that has a line."""
    found = []
    for worker in range(2):
        for number, case in enumerate(CASES):
            path = stub.on(f"/{worker}/{number}", case.serve)
            before = len(lines(log))
            with sidecar.connections()[worker] as connection:
                connection.send(case.verb, f"{path}?q={CANARY}", [*case.headers, *SECRETS], case.body)
                case.end(connection)
            if case.fields:
                wait_for(f"the line of {case.name}", lambda: len(lines(log)) > before)
                found.append((case, lines(log)[before]))
    assert len(lines(log)) == len(found)
    return found


def test_line_has_what_was_sent(logged: list[tuple[Case, dict[str, Any]]]) -> None:
    wrong = [
        f"{case.name}: {name} is {line[name]!r}, not {value!r}"
        for case, line in logged
        for name, value in case.fields.items()
        if line[name] != value
    ]
    assert not wrong, "\n".join(wrong)
    for case, line in logged:
        assert line["server"] == "shop" and HASH.fullmatch(line["user"]), case.name
        assert bool(line["session"]) == ("Mcp-Session-Id" in dict(case.headers)), case.name


def test_line_follows_the_schema(logged: list[tuple[Case, dict[str, Any]]]) -> None:
    schema = json.loads(SCHEMA.read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for case, line in logged:
        assert [error.message for error in validator.iter_errors(line)] == [], case.name
        assert list(line) == schema["required"], case.name


def test_line_has_no_content(logged: list[tuple[Case, dict[str, Any]]], log: Path) -> None:
    assert len(logged) > 0
    assert CANARY not in log.read_text()


REFUSAL = http1.render("HTTP/1.1 401 Unauthorized", [("Connection", "close"), ("Content-Length", "0")])
REFUSED = {
    "notifications/initialized": {"method": "notifications/initialized", **NO_REQUEST},
    "notifications/made/up": {"method": "notification", **NO_REQUEST},
    "tools/call": {"method": "tools/call", "status": "error", "duration_ms": None},
    "": {"method": "unseen", "status": "error", "duration_ms": None},
}


@pytest.mark.parametrize("by", ("server", "envoy"))
def test_post_refused_before_its_body_has_a_line(by: str, stub: Stub, logs: Path, tmp_path: Path) -> None:
    """Envoy refuses at the headers if nothing listens on the server's port."""

    def refuse(_: http1.Head, __: BinaryIO, wire: Wire) -> None:
        wire.raw(REFUSAL)
        wire.until_gone()

    log = tmp_path / "audit.jsonl"
    stub.on_head("/refused", refuse)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = stub.port if by == "server" else reserved.getsockname()[1]
        sidecar = Sidecar(port, logs, f"audit-refused-{by}", MCP_AUDIT_LOG=str(log))
        try:
            for number, (name, fields) in enumerate(REFUSED.items()):
                named = [("Mcp-Method", name)] if name else []
                with Connection(sidecar.port) as connection:
                    connection.begin("POST", "/refused", [("Host", "mcp.example"), *JSON, *named, ("Content-Length", "9")], b"")
                    status = connection.receive().head.status
                wait_for(f"the line of {name}", lambda: log.exists() and len(lines(log)) == number + 1)
                line = lines(log)[number]
                expected = fields | {"http_status": status}
                assert {name: line[name] for name in expected} == expected
                assert line["error_type"] in (None, "unauthorized", "upstream_unavailable")
                assert status == (401 if by == "server" else 503)
        finally:
            sidecar.stop()


def test_renamed_file_is_created_again(logged: list[tuple[Case, dict[str, Any]]], sidecar: Sidecar, stub: Stub, log: Path) -> None:
    rotated = log.with_suffix(".1")
    total = len(lines(log))
    log.rename(rotated)
    sidecar.process.child.send_signal(signal.SIGUSR1)
    stub.on("/rotated", answers(200, RESULT))

    def call_until_created() -> bool:
        nonlocal total
        with Connection(sidecar.port) as connection:
            connection.send("POST", "/rotated", JSON, CALL)
            connection.receive()
        total += 1
        return log.exists()

    wait_for("the file to be created again", call_until_created)
    wait_for("all lines", lambda: len(lines(log)) + len(lines(rotated)) == total)
