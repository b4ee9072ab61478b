"""Sidecar health: whether the other sections can be trusted."""

from overview import REACHABLE
from panels import GREEN, RED, Column, Panel, Query, alerting_at, rows, runbook, states, time_series
from queries import INSTANCE, SERVER, count, rate, series

TITLE = "Sidecar health"
SCRAPED = {"1": ("scraped", GREEN), "0": ("NOT scraped", RED)}
# The threshold of MCPFilterBlind.
NOT_COUNTED = 0.1


def panels() -> list[Panel]:
    return [*_states(), *_coverage(), *_envoy()]


def _states() -> list[Panel]:
    sidecars = series("up", 'job!~"collector|collector-own"', INSTANCE)
    return [
        runbook(states(
            "Server reachable by sidecar", "One red bar: look at that sidecar's network and its server. All bars: look at the "
            "server.",
            Query(f"min by (server_name, instance) ({series('mcp_upstream_available', SERVER)})", "{{server_name}} {{instance}}"),
            mappings=REACHABLE, no_value="no sidecar is scraped"), "MCPUpstreamReplicaDown"),
        runbook(states(
            "Scraped", "The collector scrapes the sidecars; Prometheus scrapes the collector. Where a bar is red, the other panels "
            "have no data.",
            Query('up{job="collector"}', "collector"), Query(sidecars, "{{instance}}"),
            mappings=SCRAPED, no_value="Prometheus scrapes nothing"), "MCPSidecarNotScraped"),
    ]


def _coverage() -> list[Panel]:
    seen = rate("mcp_filter_streams_total", INSTANCE, by="instance")
    # The two counters are read up to half a second apart, so they are compared over the alert's five minutes.
    counted, all_passed = (f"sum by (instance) (increase({series(name, INSTANCE)}[5m]))"
                           for name in ("mcp_filter_streams_total", "envoy_http_downstream_rq_total"))
    return [
        runbook(alerting_at(time_series(
            "Requests not counted by the filter", "Envoy's number of requests compared with the filter's. Above the line the filter "
            "has failed, or another listener has traffic, and all other figures are too low.",
            Query(f"clamp_min(1 - ({counted} or 0 * {all_passed}) / ({all_passed} > 0), 0)", "{{instance}}"), unit="percentunit"), NOT_COUNTED),
            "MCPFilterBlind"),
        time_series(
            "HTTP requests", "Requests that the filter counted, MCP or not, by sidecar. One sidecar without requests among busy "
            "ones: check the load balancer.",
            Query(seen, "{{instance}}"), unit="reqps"),
        runbook(time_series(
            "Values counted as other", "The label budget is used up, and new values are counted as `other`. `tool_name`: the server "
            "has too many tools, or a client invents names.",
            Query(rate("mcp_labels_overflowed_total", SERVER, by="label"), "{{label}}"), unit="cps"), "MCPLabelOverflow"),
    ]


def _envoy() -> list[Panel]:
    uptime = f"min by (instance) ({series('envoy_server_uptime', INSTANCE)})"
    return [
        rows(
            "Sidecars", "A short uptime: the sidecar restarted, and its counters restarted at 0. Look at its log for the reason.",
            [
                Column("instance", width=200),
                Column("Up for", uptime, "s"),
                Column("Memory", f"max by (instance) ({series('envoy_server_memory_physical_size', INSTANCE)})", "bytes", 0),
                Column("HTTP requests", count("envoy_http_downstream_rq_total", INSTANCE, by="instance")),
                Column("Filters", f"count by (instance) ({series('mcp_filter_info', INSTANCE)})"),
            ], sort_by="HTTP requests", span=12, height=7, no_value="no sidecar is scraped"),
        rows(
            "Filter versions", "Number of sidecars per version. More than one: a release has not reached all sidecars.",
            [
                Column("filter_version", width=140),
                Column("Sidecars", f"sum by (filter_version) ({series('mcp_filter_info', INSTANCE)})"),
            ], sort_by="Sidecars", span=4, height=7, no_value="no sidecar is scraped"),
        time_series(
            "Memory of Envoy", "Memory of the process. If it rises for hours without more traffic, report a bug.",
            Query(series("envoy_server_memory_physical_size", INSTANCE), "{{instance}}"), unit="bytes", height=7,
            no_value="no sidecar is scraped"),
    ]
