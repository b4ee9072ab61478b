"""The expected series of ended operations: expected.py adds each operation with its response and its outcome."""

from collections import Counter

from . import messages
from .exchange import Exchange
from .messages import Part
from .published import Published
from .series import Series, client_label, label, scheme, series
from .sessions import Sessions
from .tool_lists import ToolLists, lack
from .verdict import answered_elsewhere

LISTS = {
    "tools/list": ("tools", "mcp_tools_listed_total"),
    "resources/list": ("resources", "mcp_resources_listed_total"),
    "prompts/list": ("prompts", "mcp_prompts_listed_total"),
    "resources/templates/list": ("resourceTemplates", None),
}
UNLISTED = "mcp_unlisted_tool_calls_total"


class Operations:
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

    def add(self, family: str, amount: int = 1, **labels: str) -> None:
        self.totals[series(family, server_name=self.server_name, **labels)] += amount

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

    # Calls of tools that no list had

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
