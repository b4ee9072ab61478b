"""Tables of tool calls, from a running Prometheus only."""

from collections import Counter

import prometheus
from report import table


def tools(base: str) -> str:
    """One row per tool."""
    def by_tool(expression: str) -> dict[str, float]:
        return {labels["tool_name"]: number for labels, number in prometheus.query(base, expression)}

    def quantile(share: float) -> dict[str, float]:
        return by_tool(f"histogram_quantile({share}, sum by (tool_name, le) (mcp_tool_duration_seconds_bucket))")

    calls = by_tool("sum by (tool_name) (mcp_tool_calls_total)")
    failed = by_tool('sum by (tool_name) (mcp_tool_calls_total{status="error"})')
    middle, late = quantile(0.5), quantile(0.95)
    size = by_tool("sum by (tool_name) (mcp_tool_result_bytes_sum) / sum by (tool_name) (mcp_tool_result_bytes_count)")
    rows = [[tool, f"{calls[tool]:.0f}", f"{failed.get(tool, 0):.0f}", f"{middle[tool] * 1000:.1f} ms",
             f"{late[tool] * 1000:.1f} ms", f"{size[tool] / 1000:.1f} kB"]
            for tool in sorted(calls) if calls[tool]]
    return table(["tool", "calls", "errors", "p50", "p95", "mean result"], rows, {1, 2, 3, 4, 5})


def clients(base: str) -> str:
    """One row per client, with its calls of each tool and the share of calls that failed."""
    calls, failed = Counter(), Counter()
    for labels, number in prometheus.query(base, "sum by (client_name, tool_name, status) (mcp_client_tool_calls_total)"):
        key = labels["client_name"], labels["tool_name"]
        calls[key] += round(number)
        failed[key] += round(number) if labels["status"] == "error" else 0
    names = sorted({client for client, _ in +calls})
    columns = sorted({tool for _, tool in +calls})
    rows = []
    for client in names:
        counts = [calls[client, tool] for tool in columns]
        share = sum(failed[client, tool] for tool in columns) / sum(counts)
        rows.append([client, *map(str, counts), f"{share:.0%}"])
    return table(["client", *columns, "failed"], rows, set(range(1, len(columns) + 2)))
