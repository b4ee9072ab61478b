"""Errors: is it the tool, the server, the way to it, or the caller? And what could not be read."""

from panels import BLUE, RED, YELLOW, Column, Panel, Query, rows, runbook, time_series, to_variable
from queries import (CALLER, METHOD, NO_PING, SERVER, SERVER_SPEAKS, TRANSPORT, count_with_first, rate)

TITLE = "Errors"
NONE = "no errors"
FAILED_ANYHOW = 'status="error"'


def panels() -> list[Panel]:
    return [*_kinds(), *_tables(), *_odd()]


def _kinds() -> list[Panel]:
    def kind(types: str) -> str:
        return rate("mcp_requests_total", METHOD, f'error_type=~"{types}"', NO_PING)

    return [
        runbook(time_series(
            "Whose fault", "`server`: it answered, and said that it failed. `transport`: it did not get to answer. `caller`: "
            "unknown names, bad arguments, no login; not in the error ratio and never a call at night.",
            Query(kind(SERVER_SPEAKS), "server"), Query(kind(TRANSPORT), "transport"),
            Query(f"{kind(CALLER)} or vector(0)", "caller"), unit="reqps", span=12,
            colors={"server": RED, "transport": YELLOW, "caller": BLUE}), "MCPHighErrorRate"),
        time_series(
            "Errors by type", "`timeout`, `reset`, `no_response`: it hangs or crashes. `upstream_unavailable`: it is not there. "
            "`overload`: Envoy's own limits. The very first error of a rare type shows in the table below, not here.",
            Query(f"{rate('mcp_requests_total', METHOD, FAILED_ANYHOW, by='error_type')} > 0",
                  "{{error_type}}"), unit="reqps", span=12, no_value=NONE),
    ]


def _tables() -> list[Panel]:
    return [
        rows(
            "Failed operations", "By method and type, in the time range; after a restart of Prometheus, since it began.",
            [
                Column("method", width=180, link=to_variable("method", "Show this method alone")),
                Column("error_type", width=180),
                Column("Errors", count_with_first("mcp_requests_total", METHOD, FAILED_ANYHOW, by="method, error_type") + " > 0.5"),
            ], sort_by="Errors", span=8, no_value=NONE),
        rows(
            "JSON-RPC error codes", "As the server sends them. -32601: a method it lacks; -32602: wrong arguments; -32603 and "
            "-320xx: its own failures.",
            [
                Column("error_code", width=100),
                Column("method", width=180),
                Column("Errors", count_with_first("mcp_protocol_errors_total", METHOD, by="error_code, method")),
            ], sort_by="Errors", span=8, no_value="no error objects"),
        rows(
            "Failing tools", "By tool and type. `tool_error` is the tool's own word and often a model's bad argument.",
            [
                Column("tool_name", width=180, link=to_variable("tool", "Show this tool alone")),
                Column("error_type", width=160),
                Column("Errors",
                       count_with_first("mcp_tool_calls_total", SERVER, FAILED_ANYHOW, by="tool_name, error_type") + " > 0.5"),
            ], sort_by="Errors", span=8, no_value="no failing calls"),
    ]


def _odd() -> list[Panel]:
    return [
        time_series(
            "Messages not read", "They passed unchanged, but are not in the figures. `content_encoding`: a compression other than "
            "gzip or deflate; `invalid_json`, `truncated`: broken by whoever sends them; `not_mcp`: other JSON-RPC.",
            Query(rate("mcp_parse_skipped_total", SERVER, by="reason"), "{{reason}}"), unit="cps"),
        time_series(
            "Answers to nothing", "`duplicate`: a second answer to one request; `unknown_id`: an answer nobody asked for. Both "
            "are faults of the server's or a proxy's bookkeeping.",
            Query(rate("mcp_unmatched_responses_total", SERVER, by="reason"), "{{reason}}"), unit="cps"),
        time_series(
            "Headers that contradict the body", "Requests whose headers name another method or tool than their body: a broken "
            "client, or one that wants to get past a rule that trusts headers.",
            Query(rate("mcp_header_mismatch_total", SERVER, by="header"), "{{header}}"), unit="reqps"),
    ]
