"""Sidecar health: can the figures above be trusted? Everything here should be dull."""

from overview import REACHABLE
from panels import GREEN, RED, Column, Panel, Query, alerting_at, rows, runbook, states, time_series
from queries import INSTANCE, SERVER, count, rate, series

TITLE = "Sidecar health"
SCRAPED = {"1": ("scraped", GREEN), "0": ("NOT scraped", RED)}
# MCPFilterBlind speaks from here.
BLIND = 0.1


def panels() -> list[Panel]:
    return [*_states(), *_blindness(), *_envoy()]


def _states() -> list[Panel]:
    sidecars = series("up", 'job!~"collector|collector-own"', INSTANCE)
    return [
        runbook(states(
            "Server reachable from", "By sidecar. One red bar: that sidecar's way to the server. All at once: the server.",
            Query(f"min by (server_name, instance) ({series('mcp_upstream_available', SERVER)})", "{{server_name}} {{instance}}"),
            mappings=REACHABLE, no_value="no sidecar is scraped"), "MCPUpstreamReplicaDown"),
        runbook(states(
            "Scraped", "Sidecars by the collector, the collector by Prometheus. Where it is red, the figures above say nothing.",
            Query('up{job="collector"}', "collector"), Query(sidecars, "{{instance}}"),
            mappings=SCRAPED, no_value="Prometheus scrapes nothing"), "MCPSidecarNotScraped"),
    ]


def _blindness() -> list[Panel]:
    seen = rate("mcp_filter_streams_total", INSTANCE, by="instance")
    # Half a second lies between the two counts, so they are compared over the alert's five minutes.
    counted, all_passed = (f"sum by (instance) (increase({series(name, INSTANCE)}[5m]))"
                           for name in ("mcp_filter_streams_total", "envoy_http_downstream_rq_total"))
    return [
        runbook(alerting_at(time_series(
            "Requests the filter did not see", "Envoy's own count of requests against the filter's. Above the line the filter is "
            "out (it traps, or another listener has the traffic), and every other figure is too low.",
            Query(f"clamp_min(1 - ({counted} or 0 * {all_passed}) / ({all_passed} > 0), 0)", "{{instance}}"), unit="percentunit"), BLIND),
            "MCPFilterBlind"),
        time_series(
            "HTTP requests", "What the filter saw, MCP or not, by sidecar. One with none among busy others: the balancer.",
            Query(seen, "{{instance}}"), unit="reqps"),
        runbook(time_series(
            "Values counted as other", "A budget of names is full, and new ones lose theirs. `tool_name`: too many tools, or "
            "somebody invents names.",
            Query(rate("mcp_labels_overflowed_total", SERVER, by="label"), "{{label}}"), unit="cps"), "MCPLabelOverflow"),
    ]


def _envoy() -> list[Panel]:
    uptime = f"min by (instance) ({series('envoy_server_uptime', INSTANCE)})"
    return [
        rows(
            "Sidecars", "A short uptime on one: it was restarted, and its counters began again. Different versions: a release "
            "that has not reached all of them.",
            [
                Column("instance", width=200),
                Column("Up for", uptime, "s"),
                Column("Memory", f"max by (instance) ({series('envoy_server_memory_physical_size', INSTANCE)})", "bytes", 0),
                Column("HTTP requests", count("envoy_http_downstream_rq_total", INSTANCE, by="instance")),
                Column("Filters", f"count by (instance) ({series('mcp_filter_info', INSTANCE)})"),
            ], sort_by="HTTP requests", span=12, height=7, no_value="no sidecar is scraped"),
        rows(
            "Filter versions", "How many sidecars run each.",
            [
                Column("filter_version", width=140),
                Column("Sidecars", f"sum by (filter_version) ({series('mcp_filter_info', INSTANCE)})"),
            ], sort_by="Sidecars", span=4, height=7, no_value="no sidecar is scraped"),
        time_series(
            "Memory of Envoy", "What the process holds. Rising for hours without more traffic: report it.",
            Query(series("envoy_server_memory_physical_size", INSTANCE), "{{instance}}"), unit="bytes", height=7,
            no_value="no sidecar is scraped"),
    ]
