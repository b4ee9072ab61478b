"""Tools: which one fails, which is slow, which floods the model's context, and what their definitions cost."""

from overview import ERROR_RATIO, LATENCY_STEPS
from panels import (RED, YELLOW, BLUE, Column, Panel, Query, ranking, rows, runbook, time_series, to_variable)
from queries import FAILED, JUDGED, SERVER, TOOL, count, count_with_first, mean, quantile, rate, ratio, series, top

TITLE = "Tools"
# MCPToolFailing speaks from here.
TOOL_STEPS = [(ERROR_RATIO, YELLOW), (0.5, RED)]
# From 64 KiB on a single result is about 16,000 tokens.
SIZE_STEPS = [(65536, YELLOW), (262144, RED)]
SHOW = "Show this tool alone"
NO_CALLS = "no calls"
VARIES = 'change="varies"'


def panels() -> list[Panel]:
    return [_table(), *_rankings(), *_courses(), *_definitions()]


def _table() -> Panel:
    failed = count("mcp_tool_calls_total", TOOL, FAILED, by="tool_name")
    judged = count("mcp_tool_calls_total", TOOL, JUDGED, by="tool_name")
    return runbook(rows(
        "Tools", "Every tool of the time range, called or not. Red errors on one tool: that tool or what it talks to. Red on "
        "all: look at Errors. A large result costs tokens in every later turn. Click a name to follow that tool below.",
        [
            Column("tool_name", link=to_variable("tool", SHOW), width=220),
            Column("Calls", count("mcp_tool_calls_total", TOOL, by="tool_name")),
            Column("Errors", ratio(failed, judged), "percentunit", 1, TOOL_STEPS),
            Column("p50", quantile(0.5, "mcp_tool_duration_seconds", TOOL, by="tool_name", window="$__range"), "s"),
            Column("p95", quantile(0.95, "mcp_tool_duration_seconds", TOOL, by="tool_name", window="$__range"), "s", None,
                   LATENCY_STEPS),
            Column("p99", quantile(0.99, "mcp_tool_duration_seconds", TOOL, by="tool_name", window="$__range"), "s", None,
                   LATENCY_STEPS),
            Column("Mean result", mean("mcp_tool_result_bytes", TOOL, by="tool_name", window="$__range"), "bytes", None,
                   SIZE_STEPS),
            Column("Results, all", count("mcp_tool_result_bytes_sum", TOOL, by="tool_name"), "bytes"),
        ], sort_by="Calls", span=24, height=9, no_value=NO_CALLS), "MCPToolFailing")


def _rankings() -> list[Panel]:
    link = to_variable("tool", SHOW, "tool_name")
    return [
        ranking("Most called", "Calls in the time range.",
                Query(top(10, count("mcp_tool_calls_total", TOOL, by="tool_name")), "{{tool_name}}"),
                unit="locale", no_value=NO_CALLS, link=link),
        ranking("Slowest (p95)", "Within the buckets' bounds. The first candidates when latency calls.",
                Query(top(10, quantile(0.95, "mcp_tool_duration_seconds", TOOL, by="tool_name", window="$__range")),
                      "{{tool_name}}"), unit="s", no_value=NO_CALLS, link=link),
        ranking("Biggest results (mean)", "What a call puts into the model's context; four bytes are about a token. The tool "
                "to shorten, page or summarize first.",
                Query(top(10, mean("mcp_tool_result_bytes", TOOL, by="tool_name", window="$__range")), "{{tool_name}}"),
                unit="bytes", no_value=NO_CALLS, link=link),
    ]


def _courses() -> list[Panel]:
    return [
        time_series(
            "Calls by tool", "Each second, of the chosen tools.",
            Query(rate("mcp_tool_calls_total", TOOL, by="tool_name"), "{{tool_name}}"), unit="reqps", no_value=NO_CALLS),
        runbook(time_series(
            "Failing calls by tool and kind", "`tool_error` is the tool's own word; a kind of transport with many tools means "
            "that the server did not get to speak.",
            Query(f"{rate('mcp_tool_calls_total', TOOL, FAILED, by='tool_name, error_type')} > 0",
                  "{{tool_name}} {{error_type}}"),
            unit="reqps", no_value="no failing calls"), "MCPToolFailing"),
        time_series(
            "Time of the chosen tools", "Choose one at the top, or click its name above.",
            *(Query(quantile(share, "mcp_tool_duration_seconds", TOOL), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)),
            unit="s", no_value=NO_CALLS),
        time_series(
            "Result size of the chosen tools", "p95 within the buckets' bounds. A jump after a release: somebody dropped a "
            "limit or a page size.",
            *(Query(quantile(share, "mcp_tool_result_bytes", TOOL), f"p{share * 100:.0f}") for share in (0.5, 0.95)),
            unit="bytes", no_value=NO_CALLS),
        time_series(
            "Tasks by end", "Calls that were accepted as tasks, by how the task ended. Empty until a server answers a call "
            "with a task, which few do.",
            Query(rate("mcp_tasks_total", TOOL, by="status"), "{{status}}"), unit="reqps", no_value="no tasks",
            colors={"completed": BLUE, "failed|tool_error": RED}),
        time_series(
            "tools/list operations", "How often clients fetch all definitions. More than sessions begin: clients do not keep them.",
            Query(rate("mcp_tools_listed_total", SERVER), "tools/list"),
            Query(rate("mcp_sessions_total", SERVER), "sessions"), unit="reqps"),
    ]


def _definitions() -> list[Panel]:
    latest = series("mcp_listed_bytes", SERVER)
    items = series("mcp_listed_items", SERVER)
    by = "server_name, method"

    def changes(change: str) -> str:
        return count_with_first("mcp_list_changes_total", SERVER, f'change="{change}"', by=by)

    # A state: what varies is not followed until the sidecar starts anew, and its counter goes back to 0 with it.
    varying = f"max by ({by}) ({series('mcp_list_changes_total', SERVER, VARIES)})"
    return [
        rows(
            "What the definitions cost", "Size of the latest lists: what every conversation pays before its first word, about four "
            "bytes a token. Many bytes an item: descriptions or schemas to shorten.",
            [
                Column("server_name", width=160),
                Column("method", width=200),
                Column("Items", f"max by (server_name, method) ({items})"),
                Column("Bytes", f"max by (server_name, method) ({latest})", "bytes"),
                Column("Bytes an item", f"max by (server_name, method) ({latest}) / (max by (server_name, method) ({items}) > 0)",
                       "bytes"),
                Column("Tokens, about", f"max by (server_name, method) ({latest}) / 4"),
            ], sort_by="Bytes", span=12, height=8, no_value="nothing listed yet"),
        runbook(rows(
            "Drift of definitions", "Items that changed under a known name, and names that came later. `Changed` outside a "
            "release is the sign of a server that was tampered with (\"rug pull\"): compare before anybody calls it. `Vary now`: items "
            "with more than four definitions, as where each user has another; what becomes of them is not told any more.",
            [
                Column("server_name", width=160),
                Column("method"),
                Column("Changed", changes("changed"), steps=[(0.5, RED)], width=100),
                Column("Added", changes("added"), width=100),
                Column("Vary now", varying, steps=[(0.5, YELLOW)], width=100),
            ], sort_by="Changed", span=12, height=8, no_value="no list seen yet"), "MCPDefinitionChanged"),
    ]
