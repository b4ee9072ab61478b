"""Sessions and streams: who connects with which revision, what is open, and how long people take to answer."""

from overview import NO_ALERT
from panels import BLUE, GREEN, RED, Panel, Query, runbook, time_series
from queries import SERVER, quantile, rate, series

TITLE = "Sessions and streams"


def panels() -> list[Panel]:
    return [*_sessions(), *_streams(), *_people()]


def _sessions() -> list[Panel]:
    return [
        time_series(
            "Sessions begun", "By negotiated revision and transport. A revision that vanishes: a client release. 2026-07-28 has "
            "no sessions; its clients show in Operations only.",
            Query(f"{rate('mcp_sessions_total', SERVER, by='protocol_version, transport')} > 0",
                  "{{protocol_version}} {{transport}}"), unit="cps", no_value="no sessions begun"),
        time_series(
            "Sessions active", "With an id, begun here and not ended; one that is idle for 30 minutes is not counted until it comes back. "
            "Far more than there are users: clients that begin a session for each call.",
            Query(f"sum by (transport) ({series('mcp_sessions_active', SERVER)})", "{{transport}}"), unit="short",
            no_value="no sidecar is scraped"),
        time_series(
            "How long sessions last", "Of those that ended properly. Most clients just vanish, and are not in it.",
            *(Query(quantile(share, "mcp_session_duration_seconds", SERVER), f"p{share * 100:.0f}") for share in (0.5, 0.95)),
            unit="s", no_value="no session ended"),
    ]


def _streams() -> list[Panel]:
    return [
        time_series(
            "Open now", "Event streams and all MCP exchanges. Streams that grow without end: clients that do not close them; "
            "a sudden zero: everybody was cut off.",
            Query(f"sum({series('mcp_sse_streams_active', SERVER)})", "event streams"),
            Query(f"sum({series('mcp_active_connections', SERVER)})", "exchanges"), unit="short"),
        runbook(time_series(
            "Streams opened", "GETs for what the server says by itself. `unsupported` (405): it has no such stream, no fault. "
            "`error`: refused, so those clients hear nothing but answers, and over HTTP+SSE they cannot work at all.",
            Query(rate("mcp_stream_opens_total", SERVER, by="status"), "{{status}}"), unit="cps",
            colors={"ok": GREEN, "unsupported": BLUE, "error": RED}), NO_ALERT),
        time_series(
            "Notifications", "`in` from clients, `out` from the server. Many `list_changed`: clients fetch the lists again each time.",
            Query(f"{rate('mcp_notifications_total', SERVER, by='direction, method')} > 0", "{{direction}} {{method}}"),
            unit="cps", no_value="no notifications"),
    ]


def _people() -> list[Panel]:
    return [
        time_series(
            "Requests to the client", "Sampling, elicitation and roots, by end. `lost`: the session ended before anybody answered.",
            Query(rate("mcp_server_requests_total", SERVER, by="method, status"), "{{method}} {{status}}"), unit="reqps", span=12),
        time_series(
            "How long people and models take", "From the server's question to the client's answer. Not in any latency above: "
            "while it waits, the operation's clock stands. Empty until a server asks.",
            *(Query(quantile(share, "mcp_server_request_duration_seconds", SERVER, by="method"),
                    f"p{share * 100:.0f} {{{{method}}}}") for share in (0.5, 0.95)),
            unit="s", span=12, no_value="nobody was asked"),
    ]
