"""Errors by origin (tool, server, transport, client), and messages that could not be parsed."""

from panels import BLUE, RED, YELLOW, Column, Panel, Query, rows, runbook, time_series, to_variable
from queries import (BY_CLIENT, BY_SERVER, BY_TRANSPORT, METHOD, NO_PING, SERVER, count_with_first, rate)

TITLE = "Errors"
NONE = "no errors"
ANY_ERROR = 'status="error"'


def panels() -> list[Panel]:
    return [*_kinds(), *_tables(), *_unexpected()]


def _kinds() -> list[Panel]:
    def kind(types: str) -> str:
        return rate("mcp_requests_total", METHOD, f'error_type=~"{types}"', NO_PING)

    return [
        runbook(time_series(
            "Errors by origin", "`server`: the server or a tool answered with an error. `transport`: no answer from the server. "
            "`client`: unknown names, invalid arguments, no login, a rate limit; not in the error ratio, and no alert reads them.",
            Query(kind(BY_SERVER), "server"), Query(kind(BY_TRANSPORT), "transport"),
            Query(f"{kind(BY_CLIENT)} or vector(0)", "client"), unit="reqps", span=12,
            colors={"server": RED, "transport": YELLOW, "client": BLUE}), "MCPHighErrorRate"),
        time_series(
            "Errors by type", "`timeout`, `reset`, `no_response`: the server hangs or crashes. `upstream_unavailable`: it accepts "
            "no connections. `overload`: Envoy's own limits. The first error of a type is only in the table below.",
            Query(f"{rate('mcp_requests_total', METHOD, ANY_ERROR, by='error_type')} > 0",
                  "{{error_type}}"), unit="reqps", span=12, no_value=NONE),
    ]


def _tables() -> list[Panel]:
    return [
        rows(
            "Failed operations", "By method and error type, in the time range, or since the start of Prometheus if that is later.",
            [
                Column("method", width=180, link=to_variable("method", "Show only this method")),
                Column("error_type", width=180),
                Column("Errors", count_with_first("mcp_requests_total", METHOD, ANY_ERROR, by="method, error_type") + " > 0.5"),
            ], sort_by="Errors", span=8, no_value=NONE),
        rows(
            "JSON-RPC error codes", "Codes that the server sends. -32601: unknown method; -32602: invalid arguments; -32603 and "
            "-320xx: failures of the server.",
            [
                Column("error_code", width=100),
                Column("method", width=180),
                Column("Errors", count_with_first("mcp_protocol_errors_total", METHOD, by="error_code, method")),
            ], sort_by="Errors", span=8, no_value="no error objects"),
        rows(
            "Failing tools", "By tool and error type. `tool_error`: the tool reports the error; often the model's arguments are "
            "invalid.",
            [
                Column("tool_name", width=180, link=to_variable("tool", "Show only this tool")),
                Column("error_type", width=160),
                Column("Errors",
                       count_with_first("mcp_tool_calls_total", SERVER, ANY_ERROR, by="tool_name, error_type") + " > 0.5"),
            ], sort_by="Errors", span=8, no_value="no failing calls"),
    ]


def _unexpected() -> list[Panel]:
    return [
        time_series(
            "Messages not parsed", "They pass unchanged but are not counted. `content_encoding`: a compression other than gzip "
            "and deflate; `invalid_json`, `truncated`: invalid when sent; `not_mcp`: other JSON-RPC.",
            Query(rate("mcp_parse_skipped_total", SERVER, by="reason"), "{{reason}}"), unit="cps"),
        time_series(
            "Unmatched responses", "`duplicate`: a second response to one request; `unknown_id`: a response without a request. "
            "Look for a bug in the server or in a proxy.",
            Query(rate("mcp_unmatched_responses_total", SERVER, by="reason"), "{{reason}}"), unit="cps"),
        time_series(
            "Header mismatches", "Requests whose headers name another method or tool than the body: a bug of the client, or an "
            "attempt to bypass a rule that reads the headers only.",
            Query(rate("mcp_header_mismatch_total", SERVER, by="header"), "{{header}}"), unit="reqps"),
    ]
