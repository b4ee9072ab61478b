"""Counts the messages between a client and a server, from the bytes that a relay recorded.

The result is what the sidecar's counters must show after all exchanges have ended. The response to a request may be on any
stream. Not covered: durations, sizes of single messages, and what depends on earlier lists: the label `resource_uri` and calls of
tools that are not listed.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Iterable

from .exchange import Exchange
from .messages import METHODS, REVISIONS, is_answer, is_notification, is_request
from .reading import is_stream_of_mcp
from .series import Series, client_label, label, series
from .sessions import client_of
from .verdict import ERROR_TYPE_OF_STATUS, classify, opened

COUNTED = re.compile(r"mcp_(?!tool_request_bytes|unlisted)\w+_total|mcp_sessions_active|mcp_(session|server_request)_duration_microseconds_count")
# Gauges that must be 0 after all exchanges have ended.
LEVELS = ("mcp_active_connections", "mcp_sse_streams_active", "mcp_requests_in_flight")
LEFT_OUT = ("resource_uri", "server_name")
NAMED = {
    "tools/call": ("mcp_tool_calls_total", "tool_name"),
    "prompts/get": ("mcp_prompt_gets_total", "prompt_name"),
    "resources/read": ("mcp_resource_reads_total", ""),
    "tools/list": ("mcp_tools_listed_total", ""),
    "prompts/list": ("mcp_prompts_listed_total", ""),
    "resources/list": ("mcp_resources_listed_total", ""),
}
HEADERS_SINCE = "2026-07-28"
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
NAMED_BY.update({"tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"})
Id = tuple[str, str, Any]


@dataclass
class Operation:
    """One request of the client, and its response after it was found."""

    session: str
    message: dict[str, Any]
    exchange: Exchange
    answer: dict[str, Any] | None = None

    @property
    def method(self) -> str:
        return method_label(self.message)

    def outcome(self) -> tuple[str, str]:
        if self.answer is not None:
            return classify(self.message, self.answer)
        response = self.exchange.response
        if response is None or not self.exchange.complete:
            return ("ok" if self.method == "subscriptions/listen" else "cancelled"), ""
        if 300 <= response.status < 400:
            return "redirected", ""
        if response.status >= 400 and self.method == "server/discover":
            return "negotiation", ""
        if response.status == 405 and self.method == "initialize":
            return "negotiation", ""
        if response.status >= 400:
            return "error", ERROR_TYPE_OF_STATUS.get(response.status, "http_error")
        return "error", "no_response"


@dataclass
class Census:
    """After one call of `count`, `totals` has the expected values of the counters."""

    totals: Counter[Series] = field(default_factory=Counter)
    operations: list[Operation] = field(default_factory=list)
    asked: dict[Id, dict[str, Any]] = field(default_factory=dict)
    answered_by_client: dict[Id, dict[str, Any]] = field(default_factory=dict)
    elsewhere: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    replays: set[tuple[str, str]] = field(default_factory=set)
    # The name that the `initialize` of a session gave.
    clients: dict[str, object] = field(default_factory=dict)

    def total(self, family: str, **labels: str) -> int:
        """The sum over every series with these labels."""
        return sum(
            amount for (name, own), amount in self.totals.items() if name == family and labels.items() <= dict(own).items()
        )

    def add(self, family: str, amount: int = 1, **labels: str) -> None:
        self.totals[series(family, **labels)] += amount

    def count(self, exchanges: list[Exchange]) -> "Census":
        self.add("mcp_filter_streams_total", len(exchanges))
        for exchange in exchanges:
            self.add("mcp_message_bytes_total", len(exchange.request_body), direction="in")
            self.add("mcp_message_bytes_total", len(exchange.response_body), direction="out")
            self.exchange(exchange)
        self.answers_elsewhere()
        for operation in self.operations:
            if operation.method == "initialize" and operation.session and operation.outcome()[0] == "ok":
                self.clients[operation.session] = client_of(operation.message)
        for operation in self.operations:
            self.operation(operation)
        self.server_requests()
        self.ended_sessions(exchanges)
        self.tasks()
        return self

    # Counts of one exchange

    def exchange(self, exchange: Exchange) -> None:
        if is_stream_of_mcp(exchange) and (status := opened(exchange)):
            self.add("mcp_stream_opens_total", status=status)
        session, own = session_of(exchange), []
        for message in documents(exchange.request_body):
            if is_request(message):
                own.append(Operation(session, message, exchange))
            elif is_notification(message):
                self.add("mcp_notifications_total", method=method_label(message), direction="in")
            else:
                self.answered_by_client[identity(session, message)] = message
        for event, message in received(exchange):
            if session and event and (session, event) in self.replays:
                continue
            self.replays.add((session, event))
            if is_request(message):
                self.asked[identity(session, message)] = message
            elif is_notification(message):
                self.add("mcp_notifications_total", method=method_label(message), direction="out")
            elif is_answer(message):
                self.answer(session, message, own)
        self.operations += own

    def answer(self, session: str, message: dict[str, Any], own: list[Operation]) -> None:
        """A response belongs to the request with its id; an error without a known id, to the only request of its exchange."""
        still = [operation for operation in own if operation.answer is None]
        wanted = identity(session, message)
        found = [operation for operation in still if identity(session, operation.message) == wanted]
        if not found and "error" in message and len(still) == 1:
            found = still
        if found:
            found[0].answer = message
        else:
            self.elsewhere.append((session, message))

    # Counts that need all exchanges

    def answers_elsewhere(self) -> None:
        waiting = {
            identity(operation.session, operation.message): operation
            for operation in self.operations
            if operation.answer is None and operation.session
        }
        for session, message in self.elsewhere:
            operation = waiting.pop(identity(session, message), None)
            if operation is not None:
                operation.answer = message
            elif "error" in message:
                self.add("mcp_protocol_errors_total", error_code=str(message["error"]["code"]), method="none")
            else:
                self.add("mcp_unmatched_responses_total", reason="unknown_id")

    def operation(self, operation: Operation) -> None:
        for header in mismatches(operation):
            self.add("mcp_header_mismatch_total", header=header)
        status, error_type = operation.outcome()
        self.add("mcp_requests_total", method=operation.method, status=status, error_type=error_type)
        client = client_of(operation.message)
        if client is None and operation.method != "initialize":
            client = self.clients.get(operation.session)
        self.add("mcp_client_requests_total", client_name=client_label(client), status=status)
        if operation.answer is not None and "error" in operation.answer:
            code = str(operation.answer["error"]["code"])
            self.add("mcp_protocol_errors_total", error_code=code, method=operation.method)
        if operation.method in NAMED:
            self.named(operation, status, error_type)
        if operation.method == "initialize" and status == "ok":
            version = operation.answer["result"]["protocolVersion"]
            version = version if version in REVISIONS else "other"
            self.add("mcp_sessions_total", protocol_version=version, transport="streamable_http", client_name=client_label(client))

    def named(self, operation: Operation, status: str, error_type: str) -> None:
        family, name = NAMED[operation.method]
        labels = {}
        if not operation.method.endswith("list"):
            labels["status"] = status
        if operation.method == "tools/call":
            labels["error_type"] = error_type
        if name:
            labels[name] = label(operation.message["params"]["name"])
        self.add(family, **labels)

    def server_requests(self) -> None:
        for key, message in self.asked.items():
            answer = self.answered_by_client.pop(key, None)
            status = "lost" if answer is None else "error" if "error" in answer else "ok"
            self.add("mcp_server_requests_total", method=method_label(message), status=status)
            if answer is not None:
                self.add("mcp_server_request_duration_microseconds_count", method=method_label(message))
        for _ in self.answered_by_client:
            self.add("mcp_unmatched_responses_total", reason="unknown_id")

    def ended_sessions(self, exchanges: list[Exchange]) -> None:
        begun = {session_of(operation.exchange) for operation in self.operations
                 if operation.method == "initialize" and operation.outcome()[0] == "ok"}
        ended = {session_of(exchange) for exchange in exchanges if ends_session(exchange)}
        if begun & ended - {""}:
            self.add("mcp_session_duration_microseconds_count", len(begun & ended - {""}))
        if begun - ended - {""}:
            self.add("mcp_sessions_active", len(begun - ended - {""}), transport="streamable_http")

    def tasks(self) -> None:
        """A task belongs to the call that created it. Its end counts when the client first receives it."""
        tools = {}
        for operation in self.operations:
            result = (operation.answer or {}).get("result") or {}
            if operation.method == "tools/call" and result.get("resultType") == "task":
                tools[result["taskId"]] = label(operation.message["params"]["name"])
        ends = {}
        for operation in self.operations:
            result = (operation.answer or {}).get("result") or {}
            if operation.method == "tasks/get" and result.get("status") in ("completed", "failed", "cancelled"):
                failed = (result.get("result") or {}).get("isError") is True
                ends[result["taskId"]] = "tool_error" if failed else result["status"]
        for task, status in ends.items():
            self.add("mcp_tasks_total", tool_name=tools.get(task, "other"), status=status)


def differences(census: Census, samples: dict[Series, float]) -> list[str]:
    """One line for each counter that differs from the census. Zero and a missing series are equal."""
    shown: Counter[Series] = Counter()
    for (family, labels), value in samples.items():
        if COUNTED.fullmatch(family) or family in LEVELS:
            shown[family, tuple(entry for entry in labels if entry[0] not in LEFT_OUT)] += int(value)
    return [
        f"{family}{dict(labels)}: expected {census.totals[family, labels]}, got {shown[family, labels]}"
        for family, labels in sorted(census.totals.keys() | shown.keys())
        if census.totals[family, labels] != shown[family, labels]
    ]


# === reading ===


def session_of(exchange: Exchange) -> str:
    said = exchange.request.get("mcp-session-id")
    return said or (exchange.response.get("mcp-session-id") if exchange.response else "")


def ends_session(exchange: Exchange) -> bool:
    if not exchange.request.get("mcp-session-id") or exchange.response is None:
        return False
    deleted = exchange.request.verb == "DELETE" and exchange.response.status < 300
    return deleted or exchange.response.status == 404


def mismatches(operation: Operation) -> list[str]:
    """The headers that contradict the body, in the protocol version that defines them."""
    head, params = operation.exchange.request, operation.message.get("params") or {}
    if head.get("mcp-protocol-version") != HEADERS_SINCE:
        return []
    said = {
        "Mcp-Method": operation.message["method"],
        "Mcp-Name": params.get(NAMED_BY.get(operation.message["method"], "")),
        "MCP-Protocol-Version": (params.get("_meta") or {}).get("io.modelcontextprotocol/protocolVersion"),
    }
    return [header for header, value in said.items() if value and head.get(header) and head.get(header) != value]


def identity(session: str, message: dict[str, Any]) -> Id:
    """An id in a form that can be compared: `1` differs from `"1"`."""
    return session, type(message.get("id")).__name__, message.get("id")


def method_label(message: dict[str, Any]) -> str:
    return message["method"] if message["method"] in METHODS else "other"


def documents(body: bytes) -> list[dict[str, Any]]:
    try:
        value = json.loads(body)
    except ValueError:
        return []
    return [entry for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, dict)]


def received(exchange: Exchange) -> Iterable[tuple[str, dict[str, Any]]]:
    """Every message of a response, with the id of its event."""
    if exchange.response is None:
        return
    if not exchange.response.get("content-type").startswith("text/event-stream"):
        for message in documents(exchange.response_body):
            yield "", message
        return
    for event in re.split(rb"\r\n\r\n|\n\n", exchange.response_body)[:-1]:
        fields = dict(line.partition(b":")[::2] for line in event.splitlines())
        for message in documents(fields.get(b"data", b"")):
            yield fields.get(b"id", b"").strip().decode(), message
