"""The demo's tables of operations and series, computed from the scrape only. `mcp-sidecar top` prints the tools."""

from scrape import Scrape

RAW_SKIPPED = ("_bucket", "_created")


def table(heads: list[str], rows: list[list[str]], right: set[int]) -> str:
    """Aligned columns; those in `right` are right-aligned."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]

    def line(cells: list[str]) -> str:
        return "  ".join(cell.rjust(width) if column in right else cell.ljust(width)
                         for column, (cell, width) in enumerate(zip(cells, widths, strict=True))).rstrip()

    return "\n".join([line(heads), line(["-" * width for width in widths]), *map(line, rows)])


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
