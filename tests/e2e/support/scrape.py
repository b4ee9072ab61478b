"""Envoy's metrics page, parsed with Prometheus' own parser, and compared as the whole set of `mcp_*` series."""

import urllib.request
from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

from .expected import Expected
from .expected_operations import UNLISTED
from .series import Series, pretty, series

# Histogram sums are approximate in Envoy, and buckets depend on time; their counts are exact.
NOT_COMPARED = ("_bucket", "_sum")
LEVELS = ("mcp_active_connections", "mcp_sse_streams_active", "mcp_requests_in_flight")
LATEST = ("mcp_listed_items", "mcp_listed_bytes", "mcp_tool_definition_bytes")


def fetch(url: str) -> str:
    # Envoy's main thread writes the page, and may wait for a CPU.
    with urllib.request.urlopen(url, timeout=60) as response:
        return response.read().decode()


def parse(text: str) -> dict[Series, float]:
    """Every sample of a page. Fails if the page cannot be parsed, or has a series twice."""
    samples: dict[Series, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            entry = series(sample.name, **sample.labels)
            if entry in samples:
                raise AssertionError(f"series appears twice: {pretty(entry)}")
            samples[entry] = sample.value
    return samples


def of_mcp(samples: dict[Series, float]) -> dict[Series, float]:
    return {
        entry: value
        for entry, value in samples.items()
        if entry[0].startswith("mcp_") and not entry[0].endswith(NOT_COMPARED)
    }


def operations(samples: dict[Series, float], *labels: str) -> Counter[tuple[str, ...]]:
    """Ended operations, by the values of these labels."""
    found: Counter[tuple[str, ...]] = Counter()
    for (family, own), value in samples.items():
        if family == "mcp_requests_total" and value:
            values = dict(own)
            found[tuple(values[label] for label in labels)] += int(value)
    return found


def differences(expected: Expected, samples: dict[Series, float]) -> list[str]:
    """One line for each series that is missing, unexpected or has another value. Zero and a missing series are equal."""
    wanted: dict[Series, float] = Counter(expected.totals)
    wanted.update(expected.gauges)
    for name in LEVELS:
        wanted.setdefault(series(name, server_name=expected.server_name), 0)
    found = {entry: value for entry, value in of_mcp(samples).items() if entry[0] != "mcp_filter_info"}
    lines = []
    for entry in sorted(wanted.keys() | found.keys()):
        want, got = wanted.get(entry, 0), found.get(entry, 0)
        if entry[0] == UNLISTED and want - expected.unlisted_doubt <= got <= want:
            continue
        if want != got:
            kind = "missing" if entry not in found else "extra" if entry not in wanted else "differs"
            lines.append(f"{kind:8} expected {want:g}, got {got:g}: {pretty(entry)}")
    return lines


def settle_doubt(expected: Expected, samples: dict[Series, float]) -> None:
    """Makes the scrape the expected value of the count of which only a range was known."""
    entry = series(UNLISTED, server_name=expected.server_name)
    if expected.unlisted_doubt:
        expected.totals[entry], expected.unlisted_doubt = int(samples.get(entry, 0)), 0


def take_over(expected: Expected, samples: dict[Series, float]) -> None:
    """Makes the scrape the expected values. Gauges of open exchanges must be 0."""
    expected.totals.clear()
    expected.gauges.clear()
    for entry, value in of_mcp(samples).items():
        if entry[0] in LATEST:
            expected.gauges[entry] = value
        elif entry[0] not in (*LEVELS, "mcp_filter_info"):
            expected.totals[entry] = int(value)
