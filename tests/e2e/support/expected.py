"""The series that a scenario must leave behind, computed from what its clients sent and saw.

This restates the metrics documentation in the plainest way, on whole bodies, so that it and the filter
can only agree where both read the documentation alike. It knows one exchange at a time.
"""

import json
import re
import zlib
from collections import Counter
from typing import Any

from . import messages
from .exchange import Exchange
from .messages import Part
from .resources import Listed

INVALID_REQUEST_CODES = (-32700, -32600, -32601, -32602, -32002)
LISTS = {
    "tools/list": ("tools", "mcp_tools_listed_total"),
    "resources/list": ("resources", "mcp_resources_listed_total"),
    "prompts/list": ("prompts", "mcp_prompts_listed_total"),
    "resources/templates/list": ("resourceTemplates", None),
}
Series = tuple[str, tuple[tuple[str, str], ...]]


def series(family: str, **labels: str) -> Series:
    return family, tuple(sorted(labels.items()))


class Expected:
    """Counters and histogram counts add up over exchanges; gauges hold the latest value."""

    def __init__(self, server_name: str) -> None:
        self.server_name = server_name
        self.totals: Counter[Series] = Counter()
        self.gauges: dict[Series, float] = {}
        self.operations: Counter[tuple[str, str, str]] = Counter()
        self.resources = Listed()

    def copy(self) -> "Expected":
        other = Expected(self.server_name)
        other.totals, other.gauges = self.totals.copy(), dict(self.gauges)
        other.operations = self.operations.copy()
        other.resources = self.resources.copy()
        return other

    def add(self, family: str, amount: int = 1, **labels: str) -> None:
        self.totals[series(family, server_name=self.server_name, **labels)] += amount

    def stream(self, amount: int = 1) -> None:
        self.add("mcp_filter_streams_total", amount)

    # One exchange

    def exchange(self, exchange: Exchange) -> None:
        self.stream()
        verb = exchange.request.verb
        if verb == "POST" and is_json(exchange.request):
            self.post(exchange)
        elif verb in ("GET", "DELETE") and any(exchange.request.get(name) for name in messages.STREAM_HEADERS):
            self.count_bytes(exchange)
            for part in response_parts(exchange):
                self.unrelated(part)

    def post(self, exchange: Exchange) -> None:
        parts = messages.split(exchange.request_body)
        known = [part.value for part in parts if part.value is not None]
        if known and not is_mcp(exchange, known):
            self.add("mcp_parse_skipped_total", len(known), direction="in", reason="not_mcp")
            return
        for part in parts:
            if part.skipped:
                self.add("mcp_parse_skipped_total", direction="in", reason=part.skipped)
        if not known:
            return
        self.count_bytes(exchange)
        for message in known:
            if messages.is_notification(message):
                self.add("mcp_notifications_total", method=messages.method_label(message), direction="in")
            elif messages.is_request(message):
                self.header_mismatches(exchange, message)
        self.answers(exchange, [message for message in known if messages.is_request(message)])

    def answers(self, exchange: Exchange, requests: list[dict]) -> None:
        open_requests = list(requests)
        for request in requests if has_events(exchange) else []:
            if request["method"] != "subscriptions/listen":
                self.add("mcp_first_event_duration_microseconds_count", method=messages.method_label(request))
        for part in response_parts(exchange):
            message = part.value
            if message is None:
                self.add("mcp_parse_skipped_total", direction="out", reason=part.skipped)
            elif messages.is_notification(message):
                self.add("mcp_notifications_total", method=messages.method_label(message), direction="out")
            elif messages.is_answer(message):
                answered = self.answered(message, open_requests)
                self.count_error(message, answered)
                for request in answered:
                    open_requests.remove(request)
                    self.operation(exchange, request, part, *classify(request, message))
        for request in open_requests:
            self.operation(exchange, request, None, *(exchange.cause or without_answer(exchange, request)))

    @staticmethod
    def answered(message: dict, open_requests: list[dict]) -> list[dict]:
        """The requests that this answer ends."""
        identity = message.get("id")
        matching = [request for request in open_requests if same_id(request["id"], identity)]
        if matching or "error" not in message:
            return matching[:1]
        return open_requests[:] if identity is None or len(open_requests) == 1 else []

    def unrelated(self, part: Part) -> None:
        """A message on a GET or DELETE."""
        if part.value is None:
            self.add("mcp_parse_skipped_total", direction="out", reason=part.skipped)
        elif messages.is_notification(part.value):
            self.add("mcp_notifications_total", method=messages.method_label(part.value), direction="out")
        else:
            self.count_error(part.value, [])

    def count_error(self, message: dict, answered: list[dict]) -> None:
        if not isinstance(message.get("error"), dict):
            return
        code = str(message["error"].get("code"))
        method = messages.method_label(answered[0]) if answered else "none"
        self.add("mcp_protocol_errors_total", error_code=code, method=method)

    def count_bytes(self, exchange: Exchange) -> None:
        self.add("mcp_message_bytes_total", len(exchange.request_body), direction="in")
        self.add("mcp_message_bytes_total", len(exchange.response_body), direction="out")

    def header_mismatches(self, exchange: Exchange, message: dict) -> None:
        params = message.get("params") if isinstance(message.get("params"), dict) else {}
        head = exchange.request
        version = head.get("mcp-protocol-version")
        if version != "2026-07-28":
            return
        pairs = {
            "Mcp-Method": (head.get("mcp-method"), message["method"]),
            "Mcp-Name": (head.get("mcp-name"), params.get("name", params.get("uri"))),
            "MCP-Protocol-Version": (version, params.get("_meta", {}).get("io.modelcontextprotocol/protocolVersion")),
        }
        for header, (claimed, actual) in pairs.items():
            if claimed and actual and claimed != actual:
                self.add("mcp_header_mismatch_total", header=header)

    # One operation

    def operation(
        self, exchange: Exchange, request: dict, answer: Part | None, status: str, error_type: str
    ) -> None:
        method = messages.method_label(request)
        params = request.get("params") if isinstance(request.get("params"), dict) else {}
        self.operations[method, params.get("name") or params.get("uri") or "", error_type or status] += 1
        self.add("mcp_requests_total", method=method, status=status, error_type=error_type)
        timed = method != "subscriptions/listen" and not answered_elsewhere(exchange, answer)
        if timed:
            self.add("mcp_request_duration_microseconds_count", method=method, status=status)
        if method in LISTS:
            self.listed(method, params, answer)
        elif method == "tools/call":
            name = label(params.get("name", "other"))
            self.add("mcp_tool_calls_total", tool_name=name, status=status, error_type=error_type)
            if timed:
                self.add("mcp_tool_duration_microseconds_count", tool_name=name)
            if answer is not None:
                self.add("mcp_tool_result_bytes_count", tool_name=name)
        elif method == "resources/read":
            self.add("mcp_resource_reads_total", resource_uri=label(self.resources.label(str(params.get("uri", "other")))), status=status)
        elif method == "prompts/get":
            self.add("mcp_prompt_gets_total", prompt_name=label(params.get("name", "other")), status=status)
        elif method == "initialize" and status == "ok":
            version = answer.value["result"].get("protocolVersion")
            version = version if version in messages.REVISIONS else "other"
            self.add("mcp_sessions_total", protocol_version=version, transport="streamable_http")

    def listed(self, method: str, params: dict, answer: Part | None) -> None:
        member, family = LISTS[method]
        if family:
            self.add(family)
        items = answer.value.get("result", {}).get(member) if answer else None
        if isinstance(items, list) and method.startswith("resources/"):
            self.resources.add(items)
        if not isinstance(items, list) or params.get("cursor") is not None:
            return
        labels = {"method": method, "server_name": self.server_name}
        self.gauges[series("mcp_listed_items", **labels)] = len(items)
        self.gauges[series("mcp_listed_bytes", **labels)] = answer.size


# === what an exchange is ===


def is_json(head: Any) -> bool:
    kind = messages.content_type(head)
    return kind == "application/json" or kind.endswith("+json")


def is_mcp(exchange: Exchange, known: list[dict]) -> bool:
    head = exchange.request
    accept = head.get("accept").lower()
    return bool(
        any(head.get(name) for name in messages.MCP_HEADERS)
        or any(
            message.get("method") in messages.METHODS and not message["method"].startswith("tasks/")
            for message in known
        )
        or ("application/json" in accept and "text/event-stream" in accept)
        or messages.LEGACY_QUERY.search(head.target)
    )


def is_sse(exchange: Exchange) -> bool:
    return exchange.response is not None and messages.content_type(exchange.response) == "text/event-stream"


def response_parts(exchange: Exchange) -> list[Part]:
    if exchange.response is None or not exchange.response_body.strip():
        return []
    if not (is_sse(exchange) or is_json(exchange.response)):
        return []
    body, unread = content(exchange)
    if is_sse(exchange):
        # Some servers prime a stream with an empty object, which says nothing.
        data = [data for data in messages.events(body) if data != b"{}"]
        parts = [part for one in data for part in messages.split(one)]
    else:
        parts = messages.split(body) if body.strip() and not unread else []
    for part in parts:
        part.skipped = part.skipped and (exchange.skipped or part.skipped)
    return parts + ([Part(None, 0, unread)] if unread else [])


def content(exchange: Exchange) -> tuple[bytes, str]:
    """What can be read of the answer's body, and why the rest cannot."""
    coding, body = exchange.response.get("content-encoding").strip().lower(), exchange.response_body
    if coding in ("", "identity"):
        return body, ""
    if coding not in ("gzip", "x-gzip", "deflate"):
        return b"", "content_encoding"
    if exchange.skipped:
        return b"", exchange.skipped
    if coding != "deflate":
        return gunzip(body)
    return inflate(body, zlib.MAX_WBITS if body[:1] == b"\x78" else -zlib.MAX_WBITS)[:2]


def gunzip(body: bytes) -> tuple[bytes, str]:
    """All members one after the other."""
    decoded, unread = b"", ""
    while body and not unread:
        member, unread, body = inflate(body, 16 + zlib.MAX_WBITS)
        decoded += member
    return decoded, unread


def inflate(body: bytes, wbits: int) -> tuple[bytes, str, bytes]:
    """As `content`, and what follows."""
    decoder = zlib.decompressobj(wbits)
    try:
        decoded = decoder.decompress(body)
    except zlib.error:
        return b"", "content_encoding", b""
    return decoded, "" if decoder.eof else "truncated", decoder.unused_data


def without_answer(exchange: Exchange, request: dict) -> tuple[str, str]:
    """The outcome of an operation whose exchange ended properly without its answer."""
    status = exchange.response.status
    if answered_elsewhere(exchange, None):
        return "unknown", ""
    if status < 400:
        return "error", "no_response"
    if request["method"] == "server/discover":
        return "negotiation", ""
    return "error", "unauthorized" if status in (401, 403) else "http_error"


def answered_elsewhere(exchange: Exchange, answer: Part | None) -> bool:
    """The answer comes on another exchange, which one exchange cannot tell: outcome and time are unknown."""
    return answer is None and exchange.response is not None and exchange.response.status == 202


def has_events(exchange: Exchange) -> bool:
    return is_sse(exchange) and any(messages.events(content(exchange)[0]))


def same_id(one: Any, other: Any) -> bool:
    return isinstance(one, str) == isinstance(other, str) and one == other


def classify(request: dict, answer: dict) -> tuple[str, str]:
    if "error" in answer:
        code = answer["error"].get("code") if isinstance(answer["error"], dict) else None
        if request["method"] == "server/discover" or code == -32022:
            return "negotiation", ""
        if code == -32042:
            return "input_required", ""
        return "error", "invalid_request" if code in INVALID_REQUEST_CODES else "rpc_error"
    result = answer["result"] if isinstance(answer["result"], dict) else {}
    if result.get("resultType") == "input_required":
        return "input_required", ""
    if request["method"] == "tools/call":
        if result.get("resultType") == "task" or isinstance(result.get("task"), dict):
            return "accepted", ""
        if result.get("isError") is True:
            return "error", "tool_error"
    return "ok", ""


# === labels ===


def label(value: object, limit: int = 128) -> str:
    """A value as Envoy shows it: what would break a name replaced, then cut at a character boundary."""
    kept = "".join("_" if forbidden(character) else character for character in str(value))
    cut = kept.encode()[:limit].decode(errors="ignore")
    # Envoy takes dots off the end of a value: two names would become one series, told twice.
    bare = cut.rstrip(".")
    return bare + "_" * (len(cut) - len(bare))


def forbidden(character: str) -> bool:
    point = ord(character)
    control = point < 0x20 or 0x7F <= point < 0xA0
    return control or 0xD800 <= point < 0xE000 or character in '"\\;='



def pretty(entry: Series) -> str:
    family, labels = entry
    return family + "{" + ", ".join(f'{key}="{value}"' for key, value in labels) + "}"


def dump(totals: dict[Series, float]) -> str:
    return json.dumps({pretty(entry): value for entry, value in sorted(totals.items())}, indent=1)
