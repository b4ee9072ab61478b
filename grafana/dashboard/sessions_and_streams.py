"""Sessions and streams: who connects with which revision, what is open, and how long people take to answer."""

from panels import Panel, Query, time_series
from queries import SERVER, quantile, rate, series

TITLE = "Sessions and streams"


def panels() -> list[Panel]:
    return [*_sessions(), *_messages()]


def _sessions() -> list[Panel]:
    return [
        time_series(
            "Sessions begun", "By negotiated revision and transport. A revision that vanishes: a client release. 2026-07-28 has "
            "no sessions; its clients show in Operations only.",
            Query(f"{rate('mcp_sessions_total', SERVER, by='protocol_version, transport')} > 0",
                  "{{protocol_version}} {{transport}}"), unit="cps", no_value="no sessions begun"),
        time_series(
            "How long sessions last", "Of those that ended properly. Most clients just vanish, and are not in it.",
            *(Query(quantile(share, "mcp_session_duration_seconds", SERVER), f"p{share * 100:.0f}") for share in (0.5, 0.95)),
            unit="s", no_value="no session ended"),
        time_series(
            "Open now", "Event streams and all MCP exchanges. Streams that grow without end: clients that do not close them; "
            "a sudden zero: everybody was cut off.",
            Query(f"sum({series('mcp_sse_streams_active', SERVER)})", "event streams"),
            Query(f"sum({series('mcp_active_connections', SERVER)})", "exchanges"), unit="short"),
    ]


def _messages() -> list[Panel]:
    return [
        time_series(
            "Notifications", "`in` from clients, `out` from the server. Many `list_changed`: clients fetch the lists again each time.",
            Query(f"{rate('mcp_notifications_total', SERVER, by='direction, method')} > 0", "{{direction}} {{method}}"),
            unit="cps", no_value="no notifications"),
        time_series(
            "Requests to the client", "Sampling, elicitation and roots, by end. `lost`: the session ended before anybody answered.",
            Query(rate("mcp_server_requests_total", SERVER, by="method, status"), "{{method}} {{status}}"), unit="reqps"),
        time_series(
            "How long people and models take", "From the server's question to the client's answer. Not in any latency above: "
            "while it waits, the operation's clock stands. Empty until a server asks.",
            *(Query(quantile(share, "mcp_server_request_duration_seconds", SERVER, by="method"),
                    f"p{share * 100:.0f} {{{{method}}}}") for share in (0.5, 0.95)),
            unit="s", no_value="nobody was asked"),
    ]
