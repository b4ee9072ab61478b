"""Request analysis: operations, duration and bytes by method."""

from overview import ERROR_RATIO, ERROR_STEPS, LATENCY_SECONDS, LATENCY_STEPS
from panels import Column, Panel, Query, alerting_at, rows, runbook, time_series, to_variable
from queries import FAILED, JUDGED, METHOD, NO_PING, SERVER, TIMED, count, mean, quantile, rate, ratio, series

TITLE = "Request analysis"


def panels() -> list[Panel]:
    return [*_rates(), *_times(), *_volume()]


def _rates() -> list[Panel]:
    failed = count("mcp_requests_total", METHOD, FAILED, NO_PING, by="method")
    judged = count("mcp_requests_total", METHOD, JUDGED, NO_PING, by="method")

    def duration(share: float) -> str:
        return quantile(share, "mcp_request_duration_seconds", METHOD, by="method", window="$__range")

    return [
        rows(
            "Methods", "All methods in the time range. Many `tools/list` per `tools/call`: clients fetch the definitions "
            "repeatedly. `unseen`: refused before the body arrived, because the server is down or requires a login. Click a "
            "method to show only that method.",
            [
                Column("method", link=to_variable("method", "Show only this method"), width=200),
                Column("Operations", f"{count('mcp_requests_total', METHOD, by='method')} > 0"),
                Column("Errors", ratio(failed, judged), "percentunit", 1, ERROR_STEPS),
                Column("p50", duration(0.5), "s"),
                Column("p95", duration(0.95), "s", None, LATENCY_STEPS),
                Column("p99", duration(0.99), "s", None, LATENCY_STEPS),
            ], sort_by="Operations", span=12),
        time_series(
            "Operations by method", "The mix of traffic. A method that stops while others continue: look for a client's release.",
            Query(f"{rate('mcp_requests_total', METHOD, by='method')} > 0", "{{method}}"),
            unit="reqps", span=12, height=9, stacked=True),
    ]


def _times() -> list[Panel]:
    shares = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")]
    return [
        runbook(alerting_at(time_series(
            "p95 by method", "From the last byte of the request to the last byte of the answer, or to the cancellation. Failed "
            "operations are not included, as in the alert. The line is the alert's threshold, which applies to each method.",
            Query(quantile(0.95, "mcp_request_duration_seconds", METHOD, TIMED, NO_PING, by="method"), "{{method}}"), unit="s"),
            LATENCY_SECONDS), "MCPLatencyP95TooHigh"),
        time_series(
            "Time to first event", "For answers in a stream: the time until the client receives the first event. Far below the "
            "latency: the client receives progress during the operation.",
            *(Query(quantile(share, "mcp_first_event_duration_seconds", METHOD), name) for share, name in shares), unit="s",
            no_value="no answers in streams"),
        runbook(alerting_at(time_series(
            "Error ratio by method", "Failures of the server and of the transport. One method only: look at the server's code for "
            "it. All methods: look at the server and the network.",
            Query(ratio(rate("mcp_requests_total", METHOD, FAILED, NO_PING, by="method"),
                        rate("mcp_requests_total", METHOD, JUDGED, NO_PING, by="method")), "{{method}}"),
            unit="percentunit"), ERROR_RATIO), "MCPHighErrorRate"),
    ]


def _volume() -> list[Panel]:
    return [
        time_series(
            "Bytes by direction", "Bodies of MCP exchanges: `in` from clients, `out` from the server.",
            Query(rate("mcp_message_bytes_total", SERVER, by="direction"), "{{direction}}"), unit="Bps"),
        time_series(
            "Operations in flight and open exchanges", "`operations` have no answer yet; `exchanges` are open HTTP requests, "
            "including idle streams. Operations grow while traffic does not: the server hangs.",
            Query(f"sum({series('mcp_requests_in_flight', SERVER)})", "operations"),
            Query(f"sum({series('mcp_active_connections', SERVER)})", "exchanges"), unit="short"),
        time_series(
            "Mean duration by method", "Sums are accurate to two digits. A mean far above p50: a few slow calls.",
            Query(mean("mcp_request_duration_seconds", METHOD, by="method"), "{{method}}"), unit="s"),
    ]
