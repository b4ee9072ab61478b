"""The scripts' own counts for the filter's families, by the rules of `docs/metrics.md`."""

from collections import Counter

from support.series import Series, series

from .operation import Operation

INVALID_REQUEST = (-32700, -32600, -32601, -32602, -32002)
PAST_PROBING = ("tools/call", "resources/read", "prompts/get")
LIST_FAMILIES = {
    "tools/list": "mcp_tools_listed_total",
    "resources/list": "mcp_resources_listed_total",
    "prompts/list": "mcp_prompts_listed_total",
}


class Account:
    """`totals` has the counters and the counts of histograms, `gauges` the latest values of gauges."""

    # The order of lists and calls is known.
    unlisted_doubt = 0

    def __init__(self, server_name: str) -> None:
        self.server_name = server_name
        self.totals: Counter[Series] = Counter()
        self.gauges: dict[Series, float] = {}

    def add(self, family: str, amount: int = 1, **labels: str) -> None:
        self.totals[series(family, server_name=self.server_name, **labels)] += amount

    def stream(self, amount: int = 1) -> None:
        self.add("mcp_filter_streams_total", amount)

    def notification(self, method: str, direction: str) -> None:
        self.add("mcp_notifications_total", method=method, direction=direction)

    def opened(self, status: str) -> None:
        """A GET that is MCP got a response."""
        self.add("mcp_stream_opens_total", status=status)

    def skipped(self, reason: str, direction: str) -> None:
        self.add("mcp_parse_skipped_total", reason=reason, direction=direction)

    def error_object(self, code: int, method: str) -> None:
        self.add("mcp_protocol_errors_total", error_code=str(code), method=method)

    def first_event(self, method: str) -> None:
        self.add("mcp_first_event_duration_microseconds_count", method=method)

    def session_began(
        self, version: str, client: str, transport: str = "streamable_http", named: bool = True
    ) -> None:
        """A session started. Without an id (`named` is false) it counts in `mcp_sessions_total` only."""
        self.add("mcp_sessions_total", protocol_version=version, transport=transport, client_name=client)
        if named:
            self.add("mcp_sessions_active", transport=transport)

    def session_ended(self, transport: str = "streamable_http") -> None:
        self.add("mcp_session_duration_microseconds_count")
        self.add("mcp_sessions_active", -1, transport=transport)

    def server_request(self, method: str, status: str) -> None:
        """A server request ended. It has a duration if the client responded, with a result or with an error."""
        self.add("mcp_server_requests_total", method=method, status=status)
        if status in ("ok", "error"):
            self.add("mcp_server_request_duration_microseconds_count", method=method)

    def unmatched(self, reason: str) -> None:
        self.add("mcp_unmatched_responses_total", reason=reason)

    def task(self, tool: str, status: str) -> None:
        self.add("mcp_tasks_total", tool_name=tool, status=status)

    def mismatch(self, header: str) -> None:
        self.add("mcp_header_mismatch_total", header=header)

    def listed(self, method: str, items: int, size: int) -> None:
        labels = {"method": method, "server_name": self.server_name}
        self.gauges[series("mcp_listed_items", **labels)] = items
        self.gauges[series("mcp_listed_bytes", **labels)] = size

    def defined(self, tool: str, size: int) -> None:
        """The latest list has this definition of a tool; 0 if it has none."""
        self.gauges[series("mcp_tool_definition_bytes", tool_name=tool, server_name=self.server_name)] = size

    def unlisted(self) -> None:
        self.add("mcp_unlisted_tool_calls_total")

    def list_changed(self, method: str, change: str) -> None:
        self.add("mcp_list_changes_total", method=method, change=change)

    def asked(self, operation: Operation, size: int) -> None:
        """The client sends a request, which counts when it has ended."""
        if operation.method == "tools/call":
            self.add("mcp_tool_request_bytes_total", size, tool_name=operation.name)

    def ended(
        self, operation: Operation, status: str, error_type: str = "", answered: bool = True, timed: bool = True
    ) -> None:
        """An operation ended. `answered`: by a JSON-RPC message. `timed`: its duration is known."""
        method = operation.label
        self.add("mcp_requests_total", method=method, status=status, error_type=error_type)
        self.add("mcp_client_requests_total", client_name=operation.client, status=status)
        timed = timed and method != "subscriptions/listen"
        if timed:
            self.add("mcp_request_duration_microseconds_count", method=method, status=status)
        if family := LIST_FAMILIES.get(method):
            self.add(family)
        if method == "tools/call":
            self.tool_call(operation.name, status, error_type, answered, timed)
            call = {"tool_name": operation.name, "status": status}
            self.add("mcp_client_tool_calls_total", client_name=operation.client, **call)
        elif method == "resources/read":
            self.add("mcp_resource_reads_total", resource_uri=operation.name, status=status)
        elif method == "prompts/get":
            self.add("mcp_prompt_gets_total", prompt_name=operation.name, status=status)

    def tool_call(self, name: str, status: str, error_type: str, answered: bool, timed: bool) -> None:
        self.add("mcp_tool_calls_total", tool_name=name, status=status, error_type=error_type)
        if timed:
            self.add("mcp_tool_duration_microseconds_count", tool_name=name)
        if answered:
            self.add("mcp_tool_result_bytes_count", tool_name=name)

    def refused(self, operation: Operation, code: int, timed: bool = True) -> None:
        """The response to the operation is a JSON-RPC error."""
        self.error_object(code, operation.label)
        if operation.method == "server/discover" or (code == -32022 and operation.method not in PAST_PROBING):
            self.ended(operation, "negotiation", timed=timed)
        elif code == -32042:
            self.ended(operation, "input_required", timed=timed)
        else:
            error_type = "invalid_request" if code in INVALID_REQUEST else "rpc_error"
            self.ended(operation, "error", error_type, timed=timed)
