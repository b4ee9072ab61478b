"""The expected series of a scenario, computed from what its clients sent and received.

This is a second, simple implementation of docs/metrics.md, which reads complete bodies. It agrees with the filter only if both
follow the page. sessions.py has the relations between exchanges.
"""

import json
import re
from collections import Counter
from typing import Any

from . import messages
from .exchange import Exchange, Ledger
from .messages import Part
from .reading import has_events, is_json, is_mcp, is_refusal, is_sse, is_stream_of_mcp
from .published import Published
from .sessions import Sessions
from .tool_lists import ToolLists, lack

INVALID_REQUEST_CODES = (-32700, -32600, -32601, -32602, -32002)
# These methods are never `negotiation`: a client that calls them knows the protocol version.
PAST_PROBING = ("tools/call", "resources/read", "prompts/get")
LISTS = {
    "tools/list": ("tools", "mcp_tools_listed_total"),
    "resources/list": ("resources", "mcp_resources_listed_total"),
    "prompts/list": ("prompts", "mcp_prompts_listed_total"),
    "resources/templates/list": ("resourceTemplates", None),
}
# The error types of HTTP statuses of 400 or more without JSON-RPC that are not `http_error`.
ERROR_TYPE_OF_STATUS = {401: "unauthorized", 403: "unauthorized"}
UNLISTED = "mcp_unlisted_tool_calls_total"
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
        self.published = Published()
        self.tool_lists = ToolLists()
        self.called_tools: list[str] = []
        # By how much fewer calls may count as unlisted.
        self.unlisted_doubt = 0
        self.request_bytes: dict[int, int] = {}
        self.sessions = Sessions([])

    def copy(self) -> "Expected":
        other = Expected(self.server_name)
        other.totals, other.gauges = self.totals.copy(), dict(self.gauges)
        other.operations = self.operations.copy()
        return other

    def add(self, family: str, amount: int = 1, **labels: str) -> None:
        self.totals[series(family, server_name=self.server_name, **labels)] += amount

    def stream(self, amount: int = 1) -> None:
        self.add("mcp_filter_streams_total", amount)

    def ledger(self, ledger: Ledger) -> None:
        """Adds all exchanges of a scenario, and the counts that need all of them."""
        self.sessions = Sessions(ledger.exchanges)
        unlisted = series(UNLISTED, server_name=self.server_name)
        before, listed_before, self.called_tools = self.totals[unlisted], list(self.tool_lists.complete), []
        self.tool_lists.seen = set().union(*listed_before)
        for exchange in ledger.exchanges:
            self.published.learn(self.sessions.parts(exchange))
        for exchange in ledger.exchanges:
            self.exchange(exchange, self.sessions)
        self.doubt_unlisted(unlisted, before, listed_before)
        for method, status in self.sessions.server_requests():
            self.add("mcp_server_requests_total", method=method, status=status)
            if status in ("ok", "error"):
                self.add("mcp_server_request_duration_microseconds_count", method=method)
        if repeated := self.sessions.repeated_client_answers():
            self.add("mcp_unmatched_responses_total", repeated, reason="duplicate")
        self.add("mcp_session_duration_microseconds_count", self.sessions.ended())
        for transport, count in self.sessions.active().items():
            self.add("mcp_sessions_active", count, transport=transport)

    def called_tool(self, name: str) -> None:
        if self.tool_lists.lack(name):
            self.add(UNLISTED)
        self.called_tools.append(name)

    def doubt_unlisted(self, unlisted: Series, before: int, listed_before: list[set[str]]) -> None:
        """A ledger has no order. A call that a list of the same ledger may have preceded or followed counts, or does not."""
        lists = self.tool_lists
        most = sum(lists.lack(name) or lack(listed_before, name) for name in self.called_tools)
        fewest = sum(name not in lists.seen for name in self.called_tools) if listed_before else 0
        self.unlisted_doubt = most - fewest
        if self.unlisted_doubt:
            self.totals[unlisted] = before + most

    # One exchange

    def exchange(self, exchange: Exchange, sessions: Sessions | None = None) -> None:
        self.sessions = sessions or Sessions([exchange])
        self.stream()
        verb = exchange.request.verb
        if verb == "POST" and is_json(exchange.request):
            self.post(exchange)
        elif verb in ("GET", "DELETE") and is_stream_of_mcp(exchange):
            if status := opened(exchange):
                self.add("mcp_stream_opens_total", status=status)
            self.count_bytes(exchange)
            for part in self.sessions.parts(exchange):
                self.unrelated(exchange, part)

    def post(self, exchange: Exchange) -> None:
        parts = messages.split(exchange.request_body)
        known = [part.value for part in parts if part.value is not None]
        self.request_bytes = {id(part.value): part.size for part in parts}
        if known and not is_mcp(exchange, known):
            self.add("mcp_parse_skipped_total", len(known), direction="in", reason="not_mcp")
            return
        for part in parts:
            if part.skipped:
                self.add("mcp_parse_skipped_total", direction="in", reason=part.skipped)
        if not known:
            return
        self.count_bytes(exchange)
        if is_refusal(exchange):
            return self.refused(exchange, [message for message in known if messages.is_request(message)])
        for message in known:
            if messages.is_notification(message):
                self.add("mcp_notifications_total", method=messages.method_label(message), direction="in")
            elif messages.is_request(message):
                self.header_mismatches(exchange, message)
        self.answers(exchange, [message for message in known if messages.is_request(message)])

    def refused(self, exchange: Exchange, requests: list[dict]) -> None:
        """Counts the requests of a body that the rate limit refused. Its notifications reached no one."""
        for request in requests:
            self.header_mismatches(exchange, request)
            self.operation(exchange, request, None, "error", "rate_limited")

    def rate_limited(self, rule: str, **outcomes: int) -> None:
        for outcome, count in outcomes.items():
            self.add("mcp_rate_limit_total", count, rule=rule, outcome=outcome)

    def answers(self, exchange: Exchange, requests: list[dict]) -> None:
        open_requests = list(requests)
        for request in requests if has_events(exchange) else []:
            if request["method"] != "subscriptions/listen":
                self.add("mcp_first_event_duration_microseconds_count", method=messages.method_label(request))
        for part in self.sessions.parts(exchange):
            message = part.value
            if message is None:
                self.skipped(exchange, part)
            elif messages.is_notification(message):
                self.add("mcp_notifications_total", method=messages.method_label(message), direction="out")
            elif messages.is_answer(message):
                answered = self.answered(message, open_requests)
                self.count_error(message, answered)
                if not answered and not self.sessions.answers_another(exchange, message):
                    self.unmatched(message, bool(requests))
                for request in answered:
                    open_requests.remove(request)
                    self.operation(exchange, request, part, *classify(request, message))
        for request in open_requests:
            self.late(exchange, request)

    def late(self, exchange: Exchange, request: dict) -> None:
        """Counts a request without a response on its own exchange."""
        answer = self.sessions.answer(exchange, request)
        if answer is not None:
            self.count_error(answer.value, [request])
            self.operation(exchange, request, answer, *classify(request, answer.value))
        elif self.sessions.given_up(exchange, request):
            self.operation(exchange, request, None, "cancelled", "")
        else:
            self.operation(exchange, request, None, *(exchange.cause or without_answer(exchange, request)))

    @staticmethod
    def answered(message: dict, open_requests: list[dict]) -> list[dict]:
        """The requests that this response ends."""
        identity = message.get("id")
        matching = [request for request in open_requests if same_id(request["id"], identity)]
        matching = matching or [request for request in open_requests if same_number(request["id"], identity)]
        if matching or "error" not in message:
            return matching[:1]
        return open_requests[:] if identity is None or len(open_requests) == 1 else []

    def unrelated(self, exchange: Exchange, part: Part) -> None:
        """Counts a message on a GET or DELETE. A response to a request of another exchange counts with that request."""
        if part.value is None:
            self.skipped(exchange, part)
        elif messages.is_notification(part.value):
            self.add("mcp_notifications_total", method=messages.method_label(part.value), direction="out")
        elif not messages.is_request(part.value) and not self.sessions.answers_another(exchange, part.value):
            self.count_error(part.value, [])
            if messages.is_answer(part.value):
                self.unmatched(part.value, False)

    def skipped(self, exchange: Exchange, part: Part) -> None:
        """Counts skipped documents. An error page does not count."""
        if exchange.response.status < 400:
            self.add("mcp_parse_skipped_total", direction="out", reason=part.skipped)

    def unmatched(self, message: dict, has_request: bool) -> None:
        """Counts an unmatched response. An error on an exchange without a request refuses the exchange and is not unmatched."""
        if has_request or message.get("error") is None:
            self.add("mcp_unmatched_responses_total", reason="unknown_id")

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
        client = client_label(self.sessions.client(exchange, request))
        self.add("mcp_client_requests_total", client_name=client, status=status)
        timed = method != "subscriptions/listen" and self.has_time(exchange, request, answer, status)
        if timed:
            self.add("mcp_request_duration_microseconds_count", method=method, status=status)
        if method in LISTS:
            self.listed(exchange, method, params, answer)
        elif method == "tools/call":
            name = label(params.get("name", "other"))
            self.add("mcp_tool_calls_total", tool_name=name, status=status, error_type=error_type)
            self.add("mcp_tool_request_bytes_total", self.request_bytes.get(id(request), 0), tool_name=name)
            if "name" in params:
                self.called_tool(params["name"])
            if timed:
                self.add("mcp_tool_duration_microseconds_count", tool_name=name)
            if answer is not None:
                self.add("mcp_tool_result_bytes_count", tool_name=name)
        elif method == "resources/read":
            self.add("mcp_resource_reads_total", resource_uri=self.resource(params.get("uri", "other")), status=status)
        elif method == "prompts/get":
            self.add("mcp_prompt_gets_total", prompt_name=label(params.get("name", "other")), status=status)
        elif method == "initialize" and status == "ok":
            version = answer.value["result"].get("protocolVersion")
            version = version if version in messages.REVISIONS else "other"
            transport = self.sessions.transport(exchange)
            self.add("mcp_sessions_total", protocol_version=version, transport=transport, client_name=client)

    def has_time(self, exchange: Exchange, request: dict, answer: Part | None, status: str) -> bool:
        """Whether the duration is known: the end is known, and the time that the server waited for its client."""
        if answer is None:
            return status == "cancelled" or not answered_elsewhere(exchange, None)
        return not self.sessions.asked_aside(exchange, request)

    def resource(self, uri: str) -> str:
        return label(self.published.name(uri)) or scheme(uri)

    def listed(self, exchange: Exchange, method: str, params: dict, answer: Part | None) -> None:
        member, family = LISTS[method]
        if family:
            self.add(family)
        items = answer.value.get("result", {}).get(member) if answer else None
        if not isinstance(items, list):
            return
        if method == "tools/list":
            for name, size in self.tool_lists.page(params.get("cursor"), answer).items():
                self.gauges[series("mcp_tool_definition_bytes", tool_name=label(name), server_name=self.server_name)] = size
        if params.get("cursor") is not None:
            return
        labels = {"method": method, "server_name": self.server_name}
        self.gauges[series("mcp_listed_items", **labels)] = len(items)
        self.gauges[series("mcp_listed_bytes", **labels)] = answer.size
        for change, count in self.published.changes(method, self.sessions.revision(exchange), items).items():
            self.add("mcp_list_changes_total", count, method=method, change=change)


# === how an operation ended ===


def without_answer(exchange: Exchange, request: dict) -> tuple[str, str]:
    """The outcome of an operation whose exchange ended without its response. If the server broke it, the test sets the cause."""
    if exchange.response is None or not exchange.complete:
        return "cancelled", ""
    status = exchange.response.status
    if answered_elsewhere(exchange, None):
        return "unknown", ""
    if 300 <= status < 400:
        return "redirected", ""
    if status < 400:
        return "error", "no_response"
    if request["method"] == "server/discover" or (request["method"] == "initialize" and status == 405):
        return "negotiation", ""
    return "error", ERROR_TYPE_OF_STATUS.get(status, "http_error")


def opened(exchange: Exchange) -> str:
    """The status of a GET for an event stream; empty if it is not counted."""
    if exchange.request.verb != "GET" or exchange.response is None:
        return ""
    status = exchange.response.status
    if 300 <= status < 400:
        return ""
    if status < 300 and is_sse(exchange):
        return "ok"
    return "unsupported" if status == 405 else "error"


def answered_elsewhere(exchange: Exchange, answer: Part | None) -> bool:
    """Whether the response comes on another exchange; then one exchange does not show the outcome and the duration."""
    return answer is None and exchange.response is not None and exchange.response.status == 202


def same_id(one: Any, other: Any) -> bool:
    return isinstance(one, str) == isinstance(other, str) and one == other


def same_number(one: Any, other: Any) -> bool:
    """Whether one id is a number and the other the same number as a string. Clients accept "5" for 5, and 5 for "5"."""
    return any(isinstance(text, str) and re.fullmatch("0|[1-9][0-9]*", text) and number == int(text) and type(number) is not bool
               for text, number in ((one, other), (other, one)))


def classify(request: dict, answer: dict) -> tuple[str, str]:
    if answer.get("error") is not None:
        code = answer["error"].get("code") if isinstance(answer["error"], dict) else None
        if request["method"] == "server/discover" or (code == -32022 and request["method"] not in PAST_PROBING):
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


# A version at the end of a client's name, with what separates it.
VERSION = re.compile(r"(.+?)[/@\-_ ]v?[0-9](?:[0-9.]*|[0-9]*\.[0-9A-Za-z.+-]*)", re.DOTALL)


def client_label(name: object) -> str:
    """The label value of a client's name."""
    if not isinstance(name, str):
        return "unknown"
    found = VERSION.fullmatch(name.strip())
    return label((found.group(1) if found else name).strip()) or "unknown"


def label(value: object, limit: int = 128) -> str:
    """A label value as Envoy shows it: some characters are replaced, then it is cut at a character boundary."""
    kept = "".join("_" if forbidden(character) else character for character in str(value))
    cut = kept.encode()[:limit].decode(errors="ignore")
    # Envoy drops dots at the end of a value. Two names would become one series, which the page would have twice.
    bare = cut.rstrip(".")
    return bare + "_" * (len(cut) - len(bare))


def forbidden(character: str) -> bool:
    point = ord(character)
    control = point < 0x20 or 0x7F <= point < 0xA0
    return control or 0xD800 <= point < 0xE000 or character in '"\\;='


def scheme(uri: str) -> str:
    """The scheme with its colon, in lower case; `other` if there is no valid scheme (RFC 3986, 3.1)."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", str(uri))
    return label(found.group(0).lower()) if found else "other"


def pretty(entry: Series) -> str:
    family, labels = entry
    return family + "{" + ", ".join(f'{key}="{value}"' for key, value in labels) + "}"


def dump(totals: dict[Series, float]) -> str:
    return json.dumps({pretty(entry): value for entry, value in sorted(totals.items())}, indent=1)
