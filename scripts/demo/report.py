"""The demo's tables, computed from the scrape only."""

from scrape import Scrape

RAW_SKIPPED = ("_bucket", "_created")


def table(heads: list[str], rows: list[list[str]], right: set[int]) -> str:
    """Aligned columns; those in `right` are right-aligned."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]

    def line(cells: list[str]) -> str:
        return "  ".join(cell.rjust(width) if column in right else cell.ljust(width)
                         for column, (cell, width) in enumerate(zip(cells, widths, strict=True))).rstrip()

    return "\n".join([line(heads), line(["-" * width for width in widths]), *map(line, rows)])


def duration(microseconds: float | None) -> str:
    """In milliseconds, with three significant digits."""
    return "-" if microseconds is None else f"{microseconds / 1000:.{1 if microseconds < 100_000 else 0}f} ms"


def size(octets: float | None) -> str:
    """In bytes or kilobytes."""
    if octets is None:
        return "-"
    return f"{octets:.0f} B" if octets < 1000 else f"{octets / 1000:.1f} kB"


def tools(scrape: Scrape) -> str | None:
    """One row per tool; None if the scrape has no calls."""
    rows = []
    for (tool,), calls in sorted(scrape.count("mcp_tool_calls_total", "tool_name").items()):
        failed = scrape.count("mcp_tool_calls_total", "error_type", tool_name=tool, status="error")
        rows.append([
            tool,
            f"{calls:.0f}",
            f"{sum(failed.values()):.0f}",
            ", ".join(f"{error_type} {count:.0f}" for (error_type,), count in sorted(failed.items())),
            duration(scrape.quantile("mcp_tool_duration_microseconds", 0.5, tool_name=tool)),
            duration(scrape.quantile("mcp_tool_duration_microseconds", 0.95, tool_name=tool)),
            size(scrape.mean("mcp_tool_result_bytes", tool_name=tool)),
        ])
    heads = ["tool", "calls", "errors", "error types", "p50", "p95", "mean result"]
    return table(heads, rows, {1, 2, 4, 5, 6}) if rows else None


def operations(scrape: Scrape) -> str:
    """One row per method and outcome."""
    counts = scrape.count("mcp_requests_total", "method", "status", "error_type")
    rows = [[*labels, f"{count:.0f}"] for labels, count in sorted(counts.items())]
    return table(["method", "status", "error type", "operations"], rows, {3})


def raw(scrape: Scrape) -> str:
    """The series that are not zero; of histograms only sum and count, because there are many buckets."""
    lines = []
    for sample in scrape.samples:
        if sample.value and not sample.name.endswith(RAW_SKIPPED):
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            lines.append(f"{sample.name}{{{labels}}} {sample.value:.0f}")
    return "\n".join(sorted(lines))
