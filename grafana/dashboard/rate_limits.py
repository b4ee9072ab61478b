"""Rate limits: what each rule allows and refuses, and what passes without a rule. Only with the setting `rate_limit`."""

from panels import RED, YELLOW, Column, Panel, Query, alerting_at, rows, runbook, time_series, to_variable
from queries import SERVER, TOOL, count, count_with_first, rate, ratio

TITLE = "Rate limits"
BY = "server_name, rule"
FAMILY = "mcp_rate_limit_total"
ALLOWED, LIMITED, SHADOWED, UNREAD, NO_ROOM = (
    f'outcome="{outcome}"' for outcome in ("allowed", "limited", "shadowed", "unread", "no_room"))
OVER = 'outcome=~"limited|shadowed"'
DECIDED = 'outcome=~"allowed|limited|shadowed"'
OVER_STEPS = [(0.1, YELLOW), (0.5, RED)]
# The threshold of MCPRateLimitUnread and MCPRateLimitNoRoom.
NOT_APPLIED = 0.05
# The runbook's section on a rule that refuses requests.
REFUSES = "A rule refuses requests"
NO_RULES = "set rate_limit"


def panels() -> list[Panel]:
    return [_table(), _over(), _share(), _tools(), _allowed(), _not_applied()]


def _table() -> Panel:
    def requests(selector: str) -> str:
        return count(FAMILY, SERVER, selector, by=BY)

    return runbook(rows(
        "Rules", "All rules in the time range. `Over the limit`: the share of the rule's requests that it refused, or would have "
        "refused with `shadow`. Many for one rule: find the tool below, and the client in the audit log, before you raise the limit. "
        "`Not read`: bodies that the rules do not know; each counts for all rules.",
        [
            Column("server_name", width=120),
            Column("rule", width=150),
            Column("Allowed", requests(ALLOWED)),
            Column("Refused", requests(LIMITED)),
            Column("Shadowed", requests(SHADOWED)),
            Column("Over the limit", ratio(requests(OVER), requests(DECIDED)), "percentunit", 1, OVER_STEPS),
            Column("Not read", requests(UNREAD)),
            Column("No room", requests(NO_ROOM), steps=[(0.5, RED)]),
        ], sort_by="Over the limit", span=24, height=6, no_value=NO_RULES), REFUSES)


def _over() -> Panel:
    return runbook(time_series(
        "Requests over the limit", "Per second, refused or with `shadow` only counted. An even line for hours: an agent that repeats a "
        "call. Peaks: a burst that is too small.",
        Query(rate(FAMILY, SERVER, OVER, by="rule"), "{{rule}}"), unit="reqps", no_value=NO_RULES), REFUSES)


def _share() -> Panel:
    return runbook(time_series(
        "Share over the limit", "Of the requests that a rule covers. With `shadow`, the share that the rule would refuse. Above a half "
        "for hours: the limit is below what clients need, or a client is in a loop.",
        Query(ratio(rate(FAMILY, SERVER, OVER, by="rule"), rate(FAMILY, SERVER, DECIDED, by="rule")), "{{rule}}"),
        unit="percentunit", no_value=NO_RULES), REFUSES)


def _allowed() -> Panel:
    return time_series(
        "Allowed requests of one sidecar", "Per second, of the busiest sidecar, because each sidecar has buckets of its own. Compare it "
        "with `requests` / `interval_ms` of the rule. It is the sum over all sessions, clients or users of the rule.",
        Query(f"max by (rule) ({rate(FAMILY, SERVER, ALLOWED, by='instance, rule')})", "{{rule}}"), unit="reqps", span=12,
        no_value=NO_RULES)


def _not_applied() -> Panel:
    unread = f"max by (server_name) ({rate(FAMILY, SERVER, UNREAD, by=BY)})"
    no_room = ratio(rate(FAMILY, SERVER, NO_ROOM, by="rule"), rate(FAMILY, SERVER, 'outcome!="unread"', by="rule"))
    return runbook(alerting_at(time_series(
        "Requests without a limit", "`not read`: the share of operations whose body no rule read: longer than 64 KiB, compressed or "
        "malformed. `no room`: the share of a rule's requests that passed because the sidecar could not write the rule's state. The "
        "line is the threshold of both alerts.",
        Query(f"{unread} / ({rate('mcp_requests_total', SERVER, by='server_name')} > 0)", "{{server_name}} not read"),
        Query(no_room, "{{rule}} no room"), unit="percentunit", span=12, no_value=NO_RULES), NOT_APPLIED), "MCPRateLimitUnread")


def _tools() -> Panel:
    return runbook(rows(
        "Refused calls by tool", "Calls with the error type `rate_limited`. Nearly all for one tool: often an agent in a loop. Refused "
        "operations of other methods are in the table Failed operations.",
        [
            Column("tool_name", width=200, link=to_variable("tool", "Show only this tool")),
            Column("Refused", count_with_first("mcp_tool_calls_total", TOOL, 'error_type="rate_limited"', by="tool_name") + " > 0.5"),
        ], sort_by="Refused", no_value="nothing refused", span=8, height=8), REFUSES)
