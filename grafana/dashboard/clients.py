"""Clients: who calls, who fails, which tools and protocol versions clients use. A client is the name that it gives itself."""

from overview import ERROR_STEPS
from panels import Column, Panel, Query, rows, runbook, time_series
from queries import SERVER, TOOL, count, count_with_first, rate, ratio

TITLE = "Clients"
BY = "client_name"
FAMILY = "mcp_client_requests_total"
# The family has no error type, so errors of the client are included, unlike in the error ratio.
ANY_ERROR = 'status="error"'
OK_OR_ERROR = 'status=~"ok|error"'
# The runbook's section on who calls.
WHO = "Which client, which user, which tool"


def panels() -> list[Panel]:
    return [_table(), _operations(), _errors(), _tools(), _versions()]


def _table() -> Panel:
    operations = count(FAMILY, SERVER, by=BY)
    failed = count(FAMILY, SERVER, ANY_ERROR, by=BY)
    judged = count(FAMILY, SERVER, OK_OR_ERROR, by=BY)
    # The series of this status begins with the first such operation.
    cancelled = count_with_first(FAMILY, SERVER, 'status="cancelled"', by=BY)
    return runbook(rows(
        "Clients", "All clients in the time range, by the name that they give themselves; anybody can give any name. Errors include "
        "those of the client. Red errors for one client: look at its login, its version and its arguments. Red for all: look at the "
        "section Errors. `unknown`: clients without a name. `other`: more names than the label budget has.",
        [
            Column(BY, width=200),
            Column("Operations", operations),
            Column("Share", f"{operations} / scalar({count(FAMILY, SERVER)} > 0)", "percentunit", 1),
            Column("Errors", ratio(failed, judged), "percentunit", 1, ERROR_STEPS),
            Column("Cancelled", f"{cancelled} or 0 * {operations}"),
        ], sort_by="Operations", span=12, no_value="no traffic"), WHO)


def _operations() -> Panel:
    return time_series(
        "Operations by client", "Per second. One client with most of the load: look at the methods and tools that it calls; it may "
        "repeat a call or not cache its lists. A client that stops while others continue: look for its release or its network.",
        Query(f"{rate(FAMILY, SERVER, by=BY)} > 0", "{{client_name}}"), unit="reqps", span=12, height=9, stacked=True)


def _errors() -> Panel:
    return runbook(time_series(
        "Error ratio by client", "Errors of the client are included, so this may be above the error ratio of the server. One client "
        "only: correct that client. All clients at the same time: the server or the network fails.",
        Query(ratio(rate(FAMILY, SERVER, ANY_ERROR, by=BY), rate(FAMILY, SERVER, OK_OR_ERROR, by=BY)), "{{client_name}}"),
        unit="percentunit"), WHO)


def _tools() -> Panel:
    by = "client_name, tool_name"
    family = "mcp_client_tool_calls_total"
    # The status `error` of a pair may have no series, and then has no value.
    failed = count_with_first(family, TOOL, ANY_ERROR, by=by)
    return rows(
        "Calls by client and tool", "Which client uses a tool, for example before the tool is changed or removed, and whose calls of "
        "it fail. Needs the setting `labels.client_name: \"tools\"`.",
        [
            Column("client_name", width=130),
            Column("tool_name", width=150),
            Column("Calls", f"{count_with_first(family, TOOL, by=by)} > 0.5"),
            Column("Errors", f"{failed} > 0.5"),
        ], sort_by="Calls", span=8, height=8, no_value="set labels.client_name: \"tools\"")


def _versions() -> Panel:
    by = "client_name, protocol_version"
    return rows(
        "Protocol versions by client", "Sessions that clients started, by negotiated version. Ask the clients on the oldest version "
        "to update before the server drops it. 2026-07-28 has no sessions; its clients are only in the table Clients.",
        [
            Column("client_name", width=150),
            Column("protocol_version", width=150),
            Column("Sessions", f"{count_with_first('mcp_sessions_total', SERVER, by=by)} > 0.5"),
        ], sort_by="Sessions", span=8, height=8, no_value="no sessions started")
