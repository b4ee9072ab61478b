"""Compares the scrape with the answers that the clients received."""

from collections import Counter

from scrape import Scrape


def expected(reports: list[dict]) -> dict[str, Counter]:
    """The expected values of each family, from the reports of all client processes; keys are label values."""
    families: dict[str, Counter] = {name: Counter() for name in FAMILIES}
    for report in reports:
        for method, subject, status, error_type, count in report["operations"]:
            families["mcp_requests_total"][(method, status, error_type)] += count
            if method == "tools/call":
                families["mcp_tool_calls_total"][(subject, status, error_type)] += count
                families["mcp_tool_duration_microseconds_count"][(subject,)] += count
                # A client that cancels has no result.
                families["mcp_tool_result_bytes_count"][(subject,)] += count * (status != "cancelled")
            elif method == "resources/read":
                families["mcp_resource_reads_total"][(status,)] += count
            elif method == "prompts/get":
                families["mcp_prompt_gets_total"][(subject, status)] += count
        for method, code, count in report["error_codes"]:
            families["mcp_protocol_errors_total"][(str(code), method)] += count
        families["mcp_sessions_total"][(report["revision"],)] += report["sessions"]
        families["mcp_notifications_total"][("notifications/progress",)] += report["progress"]
    return {name: +counts for name, counts in families.items()}


# The families that are compared, each with the labels that are compared.
FAMILIES = {
    "mcp_requests_total": ("method", "status", "error_type"),
    "mcp_tool_calls_total": ("tool_name", "status", "error_type"),
    "mcp_tool_duration_microseconds_count": ("tool_name",),
    "mcp_tool_result_bytes_count": ("tool_name",),
    "mcp_resource_reads_total": ("status",),
    "mcp_prompt_gets_total": ("prompt_name", "status"),
    "mcp_protocol_errors_total": ("error_code", "method"),
    "mcp_sessions_total": ("protocol_version",),
    # Clients receive only the server's notifications.
    "mcp_notifications_total": ("method",),
}


def differences(scrape: Scrape, reports: list[dict]) -> list[str]:
    """One line for each value that differs between the scrape and the clients."""
    lines = []
    for name, counts in expected(reports).items():
        where = {"direction": "out"} if name == "mcp_notifications_total" else {}
        scraped = scrape.count(name, *FAMILIES[name], **where)
        for key in sorted(counts.keys() | scraped.keys()):
            if counts[key] != scraped[key]:
                labels = ", ".join(f"{label}={value!r}" for label, value in zip(FAMILIES[name], key, strict=True))
                lines.append(f"{name} {labels}: scraped {scraped[key]:.0f}, clients saw {counts[key]:.0f}")
    return lines
