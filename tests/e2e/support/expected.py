"""The expected series of a scenario, computed from what its clients sent and received.

This is a second, simple implementation of docs/metrics.md, which reads complete bodies. It agrees with the filter only if both
follow the page. It counts what each exchange shows. sessions.py has the relations between exchanges, expected_operations.py the
series of an operation, verdict.py how an operation ended.
"""

from . import messages
from .exchange import Exchange, Ledger
from .expected_operations import UNLISTED, Operations
from .messages import Part
from .reading import has_events, is_json, is_mcp, is_refusal, is_stream_of_mcp
from .series import series
from .sessions import Sessions
from .verdict import classify, ended_by, opened, without_answer


class Expected(Operations):
    """The series of all exchanges so far."""

    def copy(self) -> "Expected":
        other = Expected(self.server_name)
        other.totals, other.gauges = self.totals.copy(), dict(self.gauges)
        other.operations = self.operations.copy()
        return other

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
                answered = ended_by(message, open_requests)
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
