"""Tools: errors, duration, sizes of requests and results by tool, size and changes of definitions, calls of unlisted tools."""

from collections.abc import Callable

from overview import ERROR_RATIO, LATENCY_STEPS
from panels import (RED, YELLOW, BLUE, Column, Panel, Query, alerting_at, ranking, rows, runbook, time_series, to_variable)
from queries import FAILED, JUDGED, SERVER, TOOL, count, count_with_first, mean, quantile, rate, ratio, series, top

TITLE = "Tools"
# 0.5 is the threshold of MCPToolFailing.
TOOL_STEPS = [(ERROR_RATIO, YELLOW), (0.5, RED)]
# A result of 64 KiB is about 16,000 tokens.
SIZE_STEPS = [(65536, YELLOW), (262144, RED)]
# A definition of 4 KiB is about 1,000 tokens, in every conversation.
DEFINITION_STEPS = [(4096, YELLOW), (16384, RED)]
# The threshold of MCPUnlistedToolCalls.
UNLISTED_RATIO = 0.05
# The runbook's section on the size of definitions.
DEFINITION_GREW = "A tool's definition grew"
SHOW = "Show only this tool"
NO_CALLS = "no calls"
VARIES = 'change="varies"'


def panels() -> list[Panel]:
    return [_table(), *_rankings(), *_graphs(), *_definitions(), *_definitions_by_tool()]


def _table() -> Panel:
    failed = count("mcp_tool_calls_total", TOOL, FAILED, by="tool_name")
    judged = count("mcp_tool_calls_total", TOOL, JUDGED, by="tool_name")
    return runbook(rows(
        "Tools", "All tools in the time range, with and without calls. Red errors for one tool: look at that tool and its "
        "dependencies. Red for all: look at the section Errors. A large definition costs tokens in every conversation, a large "
        "result in every later turn; 0 B: no longer listed. Click a name to show only that tool.",
        [
            Column("tool_name", link=to_variable("tool", SHOW), width=220),
            Column("Calls", count("mcp_tool_calls_total", TOOL, by="tool_name")),
            Column("Errors", ratio(failed, judged), "percentunit", 1, TOOL_STEPS),
            Column("p50", quantile(0.5, "mcp_tool_duration_seconds", TOOL, by="tool_name", window="$__range"), "s"),
            Column("p95", quantile(0.95, "mcp_tool_duration_seconds", TOOL, by="tool_name", window="$__range"), "s", None,
                   LATENCY_STEPS),
            Column("p99", quantile(0.99, "mcp_tool_duration_seconds", TOOL, by="tool_name", window="$__range"), "s", None,
                   LATENCY_STEPS),
            Column("Definition", _definition_bytes(), "bytes", None, DEFINITION_STEPS),
            Column("Mean request", _mean_request(count), "bytes", None, SIZE_STEPS),
            Column("Mean result", mean("mcp_tool_result_bytes", TOOL, by="tool_name", window="$__range"), "bytes", None,
                   SIZE_STEPS),
            Column("Result bytes", count("mcp_tool_result_bytes_sum", TOOL, by="tool_name"), "bytes"),
        ], sort_by="Calls", span=24, height=9, no_value=NO_CALLS), "MCPToolFailing")


def _rankings() -> list[Panel]:
    link = to_variable("tool", SHOW, "tool_name")
    return [
        ranking("Most called", "Calls in the time range.",
                Query(top(10, count("mcp_tool_calls_total", TOOL, by="tool_name")), "{{tool_name}}"),
                unit="locale", no_value=NO_CALLS, link=link),
        ranking("Slowest (p95)", "Exact to the bucket bounds. Look here first when the latency alert fires.",
                Query(top(10, quantile(0.95, "mcp_tool_duration_seconds", TOOL, by="tool_name", window="$__range")),
                      "{{tool_name}}"), unit="s", no_value=NO_CALLS, link=link),
        ranking("Biggest results (mean)", "Bytes that a call adds to the model's context; four bytes are about one token. Shorten, "
                "page or summarize the largest first.",
                Query(top(10, mean("mcp_tool_result_bytes", TOOL, by="tool_name", window="$__range")), "{{tool_name}}"),
                unit="bytes", no_value=NO_CALLS, link=link),
    ]


def _graphs() -> list[Panel]:
    return [
        time_series(
            "Calls by tool", "Per second, for the selected tools.",
            Query(rate("mcp_tool_calls_total", TOOL, by="tool_name"), "{{tool_name}}"), unit="reqps", no_value=NO_CALLS),
        runbook(time_series(
            "Failing calls by tool and error type", "`tool_error`: the tool reports the error. `timeout`, `reset` and the like for "
            "many tools: the server does not answer.",
            Query(f"{rate('mcp_tool_calls_total', TOOL, FAILED, by='tool_name, error_type')} > 0",
                  "{{tool_name}} {{error_type}}"),
            unit="reqps", no_value="no failing calls"), "MCPToolFailing"),
        time_series(
            "Duration of the selected tools", "Select a tool at the top, or click its name in the table.",
            *(Query(quantile(share, "mcp_tool_duration_seconds", TOOL), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)),
            unit="s", no_value=NO_CALLS),
        time_series(
            "Result size of the selected tools", "p95 is exact to the bucket bounds. A jump after a release: look for a limit or "
            "page size that was removed.",
            *(Query(quantile(share, "mcp_tool_result_bytes", TOOL), f"p{share * 100:.0f}") for share in (0.5, 0.95)),
            unit="bytes", no_value=NO_CALLS),
        time_series(
            "Tasks by status", "Calls that were accepted as tasks, by the status with which the task ended. Empty until a server "
            "answers a call with a task; few servers do.",
            Query(rate("mcp_tasks_total", TOOL, by="status"), "{{status}}"), unit="reqps", no_value="no tasks",
            colors={"completed": BLUE, "failed|tool_error": RED}),
        time_series(
            "tools/list operations", "How often clients fetch all definitions. More often than sessions start: clients do not cache "
            "them.",
            Query(rate("mcp_tools_listed_total", SERVER), "tools/list"),
            Query(rate("mcp_sessions_total", SERVER), "sessions"), unit="reqps"),
    ]


def _definitions() -> list[Panel]:
    latest = series("mcp_listed_bytes", SERVER)
    items = series("mcp_listed_items", SERVER)
    by = "server_name, method"

    def changes(change: str) -> str:
        return count_with_first("mcp_list_changes_total", SERVER, f'change="{change}"', by=by)

    # A state: an item that varies is not followed until the sidecar restarts, which also resets the counter.
    varying = f"max by ({by}) ({series('mcp_list_changes_total', SERVER, VARIES)})"
    return [
        rows(
            "Size of definitions", "Size of the latest lists, which every conversation includes; four bytes are about one token. "
            "Many bytes per item: shorten descriptions or schemas.",
            [
                Column("server_name", width=160),
                Column("method", width=200),
                Column("Items", f"max by (server_name, method) ({items})"),
                Column("Bytes", f"max by (server_name, method) ({latest})", "bytes"),
                Column("Bytes per item", f"max by (server_name, method) ({latest}) / (max by (server_name, method) ({items}) > 0)",
                       "bytes"),
                Column("Tokens, about", f"max by (server_name, method) ({latest}) / 4"),
            ], sort_by="Bytes", span=12, height=8, no_value="nothing listed yet"),
        runbook(rows(
            "Changes of definitions", "`Changed`: items that changed and kept their name. Outside a release this may be an attack "
            "(\"rug pull\"): compare the definitions before clients call them. `Added`: new names. `Varying`: items with more than "
            "four definitions, such as one per user; their later changes are not counted.",
            [
                Column("server_name", width=160),
                Column("method"),
                Column("Changed", changes("changed"), steps=[(0.5, RED)], width=100),
                Column("Added", changes("added"), width=100),
                Column("Varying", varying, steps=[(0.5, YELLOW)], width=100),
            ], sort_by="Changed", span=12, height=8, no_value="no list seen yet"), "MCPDefinitionChanged"),
    ]


def _definitions_by_tool() -> list[Panel]:
    unlisted = rate("mcp_unlisted_tool_calls_total", SERVER, by="server_name")
    calls = rate("mcp_tool_calls_total", SERVER, by="server_name")
    return [
        runbook(time_series(
            "Size of definitions by tool", "The ten largest, from the latest list. A step up: a description or a schema grew, and every "
            "conversation pays for it. 0: the tool is no longer listed.",
            Query(f"topk(10, {_definition_bytes()})", "{{tool_name}}"), unit="bytes", no_value="no tools listed yet"), DEFINITION_GREW),
        time_series(
            "Request size by tool (mean)", "Mostly the arguments, which the model writes. Large: let the tool take a reference, such as a "
            "path or an id, instead of the content.",
            Query(_mean_request(rate), "{{tool_name}}"), unit="bytes", no_value=NO_CALLS),
        runbook(alerting_at(time_series(
            "Calls of unlisted tools", "The share of calls whose tool is in none of the server's latest lists: a client with an old list, "
            "or a model that invents names. The line is the alert's threshold. 0 also before a complete list was seen, and while "
            "definitions of tools vary.",
            Query(ratio(unlisted, calls), "{{server_name}}"), unit="percentunit", no_value=NO_CALLS), UNLISTED_RATIO),
            "MCPUnlistedToolCalls"),
    ]


def _definition_bytes() -> str:
    return f"max by (tool_name) ({series('mcp_tool_definition_bytes', TOOL)})"


def _mean_request(read: Callable[..., str]) -> str:
    """Bytes of the request per call; no value without calls. `read` is `count` or `rate`."""
    sent = read("mcp_tool_request_bytes_total", TOOL, by="tool_name")
    calls = read("mcp_tool_calls_total", TOOL, by="tool_name")
    return f"{sent} / ({calls} > 0)"
