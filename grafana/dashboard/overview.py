"""Overview: whether anything is wrong, where, and since when. The other sections have the details."""

from panels import (BLUE, GREEN, GREY, NO_TRAFFIC, RED, YELLOW, Column, Panel, Query, alerting_at, number, rows, runbook,
                    time_series, to_variable)
from queries import BY_TRANSPORT, FAILED, JUDGED, METHOD, NO_PING, SERVER, quantile, rate, ratio, series

TITLE = "Overview"
# The thresholds of MCPHighErrorRate and MCPLatencyP95TooHigh.
ERROR_RATIO = 0.05
LATENCY_SECONDS = 5
ERROR_STEPS = [(0.01, YELLOW), (ERROR_RATIO, RED)]
LATENCY_STEPS = [(2, YELLOW), (LATENCY_SECONDS, RED)]
REACHABLE = {"1": ("reachable", GREEN), "0": ("DOWN", RED)}
# The runbook's section on outcomes that are not failures.
NO_ALERT = "What raises no alert"
# A number panel shows its last value, however old; so the query returns -1 when no sidecar is scraped.
UNSCRAPED = {"-1": ("no sidecar is scraped", RED)}


def panels() -> list[Panel]:
    return [*_numbers(), _servers(), *_graphs()]


def _numbers() -> list[Panel]:
    error_ratio = "max(" + series("server_name:mcp_error_ratio:5m", 'server_name=~"$server"') + ")"
    return [
        runbook(number(
            "MCP server", "Whether every sidecar can connect to its server (Envoy's health check; needs no traffic). DOWN: at least "
            "one cannot. The table Servers shows which server, the section Sidecar health since when.",
            Query(f"min({series('mcp_upstream_available', SERVER)}) or vector(-1)"), unit="short", steps=[(1, GREEN)],
            mappings=REACHABLE | UNSCRAPED, no_value="Prometheus does not answer"), "MCPUpstreamDown"),
        runbook(number(
            "Firing alerts", "Number of firing alerts of this project's rules, for all servers. The runbook explains each.",
            Query('count(ALERTS{alertstate="firing",alertname=~"MCP.+|CollectorDown"}) or vector(0)'), unit="short", decimals=0, steps=[(1, RED)],
            no_value="Prometheus does not answer"), "What the alerts have in common"),
        runbook(number(
            "Error ratio", "The highest error ratio of a server in 5 minutes. Errors of the client and pings are not counted. The "
            "alert fires above 5 % for 5 minutes. Without traffic the panel shows the last value.",
            Query(error_ratio), unit="percentunit", decimals=1, steps=ERROR_STEPS), "MCPHighErrorRate"),
        runbook(number(
            "p95 latency", "19 of 20 operations take no longer. Bucket bounds are 1, 2, 5, 10 …, so the value is exact only to the "
            "nearest bound. Waits for people are not included. Without traffic the panel shows the last value.",
            Query(quantile(0.95, "mcp_request_duration_seconds", SERVER, NO_PING)), unit="s", steps=LATENCY_STEPS),
            "MCPLatencyP95TooHigh"),
        number(
            "Operations", "MCP operations that ended, per second. If it falls to 0 while clients are active, check the clients and "
            "the proxies in front of the sidecar.",
            Query(rate("mcp_requests_total", SERVER)), unit="reqps"),
        number(
            "In flight", "Operations without an answer yet. A number that only grows: the server hangs.",
            Query(f"sum({series('mcp_requests_in_flight', SERVER)})"), unit="short", decimals=0),
    ]


def _servers() -> Panel:
    by = "server_name"
    window = "$__range"
    failed = f"sum by ({by}) (increase({series('mcp_requests_total', SERVER, FAILED, NO_PING)}[{window}]))"
    judged = f"sum by ({by}) (increase({series('mcp_requests_total', SERVER, JUDGED, NO_PING)}[{window}]))"
    transport = "error_type=~" + f'"{BY_TRANSPORT}"'
    unanswered = f"sum by ({by}) (increase({series('mcp_requests_total', SERVER, transport, NO_PING)}[{window}]))"
    return rows(
        "Servers", "One row per server, over the time range. High errors with a low transport share: the server's tools fail. "
        "Both high: the server is unreachable or breaks connections. Click a name to show only that server.",
        [
            Column("server_name", link=to_variable("server", "Show only this server"), width=180),
            Column("Server", f"min by ({by}) ({series('mcp_upstream_available', SERVER)})", mappings=REACHABLE),
            Column("Operations", f"sum by ({by}) (increase({series('mcp_requests_total', SERVER)}[{window}]))"),
            Column("Errors", ratio(failed, judged), "percentunit", 1, ERROR_STEPS),
            Column("Transport share", ratio(unanswered, failed), "percentunit", 0),
            Column("p50", quantile(0.5, "mcp_request_duration_seconds", SERVER, NO_PING, by=by, window=window), "s"),
            Column("p95", quantile(0.95, "mcp_request_duration_seconds", SERVER, NO_PING, by=by, window=window), "s", None,
                   LATENCY_STEPS),
            Column("Sidecars", f"count by ({by}) ({series('mcp_upstream_available', SERVER)})"),
        ], sort_by="Operations", span=24, height=5)


def _graphs() -> list[Panel]:
    return [
        runbook(time_series(
            "Operations by status", "`cancelled`, `input_required`, `accepted` and `negotiation` are not failures. `redirected`: "
            "clients use a URL that the server redirects, so each operation takes two requests. `unknown`: responses that could "
            "not be parsed (see the section Errors).",
            Query(rate("mcp_requests_total", SERVER, by="status"), "{{status}}"), unit="reqps", stacked=True,
            colors={"ok": GREEN, "error": RED, "redirected": BLUE, "negotiation": GREY}), NO_ALERT),
        runbook(alerting_at(time_series(
            "Error ratio by server", "The ratio that the alert reads, from the recording rules. The line is the alert's threshold. "
            "A gap is a time without traffic; then the alert does not fire.",
            Query(series("server_name:mcp_error_ratio:5m", 'server_name=~"$server"'), "{{server_name}}"),
            unit="percentunit"), ERROR_RATIO), "MCPHighErrorRate"),
        runbook(alerting_at(time_series(
            "Latency", "Of the selected methods together. p99 far above p95: a few calls hang. All three rise: the whole server is "
            "slow. The sections Request analysis and Tools show the method and the tool.",
            *(Query(quantile(share, "mcp_request_duration_seconds", METHOD), f"p{share * 100:.0f}")
              for share in (0.5, 0.95, 0.99)), unit="s", no_value=NO_TRAFFIC), LATENCY_SECONDS), "MCPLatencyP95TooHigh"),
    ]
