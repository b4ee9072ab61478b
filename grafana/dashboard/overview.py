"""Overview: is anything wrong, where, and since when. Read from the top left; everything below explains one of these."""

from panels import (BLUE, GREEN, GREY, NO_TRAFFIC, RED, YELLOW, Column, Panel, Query, alerting_at, number, rows, runbook,
                    time_series, to_variable)
from queries import FAILED, JUDGED, METHOD, NO_PING, SERVER, TRANSPORT, quantile, rate, ratio, series

TITLE = "Overview"
# The thresholds of MCPHighErrorRate and MCPLatencyP95TooHigh.
ERROR_RATIO = 0.05
LATENCY_SECONDS = 5
ERROR_STEPS = [(0.01, YELLOW), (ERROR_RATIO, RED)]
LATENCY_STEPS = [(2, YELLOW), (LATENCY_SECONDS, RED)]
REACHABLE = {"1": ("reachable", GREEN), "0": ("DOWN", RED)}
# The runbook's section on outcomes that are no failures.
NO_ALERT = "What raises no alert"
# A number shows its last value, however old: what nobody scrapes any more has to say so itself.
UNSCRAPED = {"-1": ("no sidecar is scraped", RED)}


def panels() -> list[Panel]:
    return [*_numbers(), _servers(), *_courses()]


def _numbers() -> list[Panel]:
    error_ratio = "max(" + series("server_name:mcp_error_ratio:5m", 'server_name=~"$server"') + ")"
    return [
        runbook(number(
            "MCP server", "Whether every sidecar reaches its server, by Envoy's health check: known without traffic. DOWN: at "
            "least one does not. Look at the table beside for which, and at Sidecar health for since when.",
            Query(f"min({series('mcp_upstream_available', SERVER)}) or vector(-1)"), unit="short", steps=[(1, GREEN)],
            mappings=REACHABLE | UNSCRAPED, no_value="Prometheus does not answer"), "MCPUpstreamDown"),
        runbook(number(
            "Alerts that fire", "Of every server, and of these rules alone; the list of annotations and the runbook say more. 0 is "
            "the good case.",
            Query('count(ALERTS{alertstate="firing",alertname=~"MCP.+|CollectorDown"}) or vector(0)'), unit="short", decimals=0, steps=[(1, RED)],
            no_value="Prometheus does not answer"), "What the alerts have in common"),
        runbook(number(
            "Error ratio", "The worst server's share of operations that failed by the server's or the way's fault in 5 minutes. "
            "Above 5 % for 5 minutes somebody is called. Callers' mistakes and pings are not in it. After the traffic: its last value.",
            Query(error_ratio), unit="percentunit", decimals=1, steps=ERROR_STEPS), "MCPHighErrorRate"),
        runbook(number(
            "p95 latency", "19 of 20 operations took no longer. Bounds of the buckets are 1, 2, 5, 10 … so this is exact "
            "only to the nearest bound. Waits for people are not in it. After the traffic: its last value.",
            Query(quantile(0.95, "mcp_request_duration_seconds", SERVER, NO_PING)), unit="s", steps=LATENCY_STEPS),
            "MCPLatencyP95TooHigh"),
        number(
            "Operations", "MCP operations that ended, each second. A fall to nothing with clients at work points at them or at "
            "what is before the sidecar.",
            Query(rate("mcp_requests_total", SERVER)), unit="reqps"),
        number(
            "In flight", "Operations sent and not answered yet. A number that only grows means a server that hangs.",
            Query(f"sum({series('mcp_requests_in_flight', SERVER)})"), unit="short", decimals=0),
    ]


def _servers() -> Panel:
    by = "server_name"
    window = "$__range"
    failed = f"sum by ({by}) (increase({series('mcp_requests_total', SERVER, FAILED, NO_PING)}[{window}]))"
    judged = f"sum by ({by}) (increase({series('mcp_requests_total', SERVER, JUDGED, NO_PING)}[{window}]))"
    transport = "error_type=~" + f'"{TRANSPORT}"'
    unheard = f"sum by ({by}) (increase({series('mcp_requests_total', SERVER, transport, NO_PING)}[{window}]))"
    return rows(
        "Servers", "One row a server, over the time range. Errors high and transport low: the server's own tools fail. Both "
        "high: it cannot be reached or breaks. Click a name to look at that server alone.",
        [
            Column("server_name", link=to_variable("server", "Show this server alone"), width=180),
            Column("Server", f"min by ({by}) ({series('mcp_upstream_available', SERVER)})", mappings=REACHABLE),
            Column("Operations", f"sum by ({by}) (increase({series('mcp_requests_total', SERVER)}[{window}]))"),
            Column("Errors", ratio(failed, judged), "percentunit", 1, ERROR_STEPS),
            Column("of these by transport", ratio(unheard, failed), "percentunit", 0),
            Column("p50", quantile(0.5, "mcp_request_duration_seconds", SERVER, NO_PING, by=by, window=window), "s"),
            Column("p95", quantile(0.95, "mcp_request_duration_seconds", SERVER, NO_PING, by=by, window=window), "s", None,
                   LATENCY_STEPS),
            Column("Sidecars", f"count by ({by}) ({series('mcp_upstream_available', SERVER)})"),
        ], sort_by="Operations", span=24, height=5)


def _courses() -> list[Panel]:
    return [
        runbook(time_series(
            "Operations by outcome", "What became of operations. `cancelled`, `input_required`, `accepted` and `negotiation` are "
            "no failures. `redirected`: clients ask at an address that the server has moved, and ask twice. `unknown`: answers "
            "that could not be read (see Errors).",
            Query(rate("mcp_requests_total", SERVER, by="status"), "{{status}}"), unit="reqps", stacked=True,
            colors={"ok": GREEN, "error": RED, "redirected": BLUE, "negotiation": GREY}), NO_ALERT),
        runbook(alerting_at(time_series(
            "Error ratio by server", "The ratio that the alert reads, from the recording rules; the line is where it speaks. "
            "A gap is a time without traffic, which never calls anybody.",
            Query(series("server_name:mcp_error_ratio:5m", 'server_name=~"$server"'), "{{server_name}}"),
            unit="percentunit"), ERROR_RATIO), "MCPHighErrorRate"),
        runbook(alerting_at(time_series(
            "Latency", "Of the chosen methods together. p99 far above p95: a few calls hang. All three rise: the server is "
            "slow as a whole. Which method and tool: Request analysis and Tools.",
            *(Query(quantile(share, "mcp_request_duration_seconds", METHOD), f"p{share * 100:.0f}")
              for share in (0.5, 0.95, 0.99)), unit="s", no_value=NO_TRAFFIC), LATENCY_SECONDS), "MCPLatencyP95TooHigh"),
    ]
