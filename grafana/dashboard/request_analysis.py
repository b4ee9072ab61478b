"""Request analysis: which methods are used, how long each takes and how much passes."""

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
            "Methods", "Every method in the time range. Many `tools/list` for each `tools/call`: clients fetch the definitions "
            "over and over. `unseen`: refused before its body had come, by a server that is down or wants a login. Click a method to "
            "see it alone.",
            [
                Column("method", link=to_variable("method", "Show this method alone"), width=200),
                Column("Operations", f"{count('mcp_requests_total', METHOD, by='method')} > 0"),
                Column("Errors", ratio(failed, judged), "percentunit", 1, ERROR_STEPS),
                Column("p50", duration(0.5), "s"),
                Column("p95", duration(0.95), "s", None, LATENCY_STEPS),
                Column("p99", duration(0.99), "s", None, LATENCY_STEPS),
            ], sort_by="Operations", span=12),
        time_series(
            "Operations by method", "The mix of traffic. A method that stops while others go on points at a client's release.",
            Query(f"{rate('mcp_requests_total', METHOD, by='method')} > 0", "{{method}}"),
            unit="reqps", span=12, height=9, stacked=True),
    ]


def _times() -> list[Panel]:
    runs = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")]
    return [
        runbook(alerting_at(time_series(
            "p95 by method", "From a request's last byte to its answer's last byte, or to the cancel. Failed operations are not in "
            "it, nor in the alert: the line is where it speaks, for each method by itself.",
            Query(quantile(0.95, "mcp_request_duration_seconds", METHOD, TIMED, NO_PING, by="method"), "{{method}}"), unit="s"),
            LATENCY_SECONDS), "MCPLatencyP95TooHigh"),
        time_series(
            "First event of streamed answers", "How long a client sees nothing, where the answer comes as an event stream. Far "
            "below the latency: progress is shown while work goes on.",
            *(Query(quantile(share, "mcp_first_event_duration_seconds", METHOD), name) for share, name in runs), unit="s",
            no_value="no streamed answers"),
        runbook(alerting_at(time_series(
            "Error ratio by method", "The server's and the way's failures. One method alone: the server's code for it. All "
            "at once: the server or the way to it.",
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
            "Work under way", "`operations` wait for an answer; `exchanges` are open HTTP requests, idle streams included. "
            "Operations that grow while traffic does not: the server hangs.",
            Query(f"sum({series('mcp_requests_in_flight', SERVER)})", "operations"),
            Query(f"sum({series('mcp_active_connections', SERVER)})", "exchanges"), unit="short"),
        time_series(
            "Mean time by method", "Sums are within two digits of the truth. A mean far above p50: a few slow calls.",
            Query(mean("mcp_request_duration_seconds", METHOD, by="method"), "{{method}}"), unit="s"),
    ]
