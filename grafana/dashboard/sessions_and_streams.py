"""Sessions and streams: sessions by protocol version, open streams, notifications, server requests."""

from overview import NO_ALERT
from panels import BLUE, GREEN, RED, Panel, Query, runbook, time_series
from queries import SERVER, quantile, rate, series

TITLE = "Sessions and streams"


def panels() -> list[Panel]:
    return [*_sessions(), *_streams(), *_server_requests()]


def _sessions() -> list[Panel]:
    return [
        time_series(
            "Sessions started", "By negotiated protocol version and transport. A version that disappears: look for a client's "
            "release. 2026-07-28 has no sessions; its clients are in Operations only.",
            Query(f"{rate('mcp_sessions_total', SERVER, by='protocol_version, transport')} > 0",
                  "{{protocol_version}} {{transport}}"), unit="cps", no_value="no sessions started"),
        time_series(
            "Active sessions", "Sessions with an id that started at this sidecar and have not ended. A session that is idle for 30 "
            "minutes is not counted until its next message. Far more than users: clients start a session for each call.",
            Query(f"sum by (transport) ({series('mcp_sessions_active', SERVER)})", "{{transport}}"), unit="short",
            no_value="no sidecar is scraped"),
        time_series(
            "Session duration", "Of sessions that were ended explicitly. Most clients do not end their sessions; those are not counted.",
            *(Query(quantile(share, "mcp_session_duration_seconds", SERVER), f"p{share * 100:.0f}") for share in (0.5, 0.95)),
            unit="s", no_value="no session ended"),
    ]


def _streams() -> list[Panel]:
    return [
        time_series(
            "Open streams and exchanges", "Streams that only grow: clients do not close them. A sudden 0: all clients were "
            "disconnected.",
            Query(f"sum({series('mcp_sse_streams_active', SERVER)})", "streams"),
            Query(f"sum({series('mcp_active_connections', SERVER)})", "exchanges"), unit="short"),
        runbook(time_series(
            "Streams opened", "GETs for messages that the server sends by itself. `unsupported` (405): the server has no such stream; "
            "not a failure. `error`: refused; these clients receive answers only, and over HTTP+SSE they cannot work.",
            Query(rate("mcp_stream_opens_total", SERVER, by="status"), "{{status}}"), unit="cps",
            colors={"ok": GREEN, "unsupported": BLUE, "error": RED}), NO_ALERT),
        time_series(
            "Notifications", "`in` from clients, `out` from the server. After each `list_changed`, clients fetch the list again.",
            Query(f"{rate('mcp_notifications_total', SERVER, by='direction, method')} > 0", "{{direction}} {{method}}"),
            unit="cps", no_value="no notifications"),
    ]


def _server_requests() -> list[Panel]:
    return [
        time_series(
            "Server requests", "Sampling, elicitation, roots and ping, by status. `lost`: the session ended before the client "
            "answered.",
            Query(rate("mcp_server_requests_total", SERVER, by="method, status"), "{{method}} {{status}}"), unit="reqps", span=12),
        time_series(
            "Duration of server requests", "From the server's request to the client's response: how long people and models take. "
            "Latencies do not include this time. Empty until a server sends a request.",
            *(Query(quantile(share, "mcp_server_request_duration_seconds", SERVER, by="method"),
                    f"p{share * 100:.0f} {{{{method}}}}") for share in (0.5, 0.95)),
            unit="s", span=12, no_value="no server requests"),
    ]
