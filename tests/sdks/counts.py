"""Reads counts from a scrape."""

from collections import Counter
from typing import Any

from support import scrape
from support.sidecar import Sidecar

Samples = dict[Any, float]
# Counters that increase only after a failure, and a gauge that is 0 after all operations have ended.
ALARMS = ("mcp_unmatched_responses_total", "mcp_parse_skipped_total", "mcp_requests_in_flight", "mcp_labels_overflowed_total")


def total(samples: Samples, family: str, **labels: str) -> int:
    """The sum over every series with these labels."""
    return int(sum(value for (name, own), value in samples.items() if name == family and labels.items() <= dict(own).items()))


def operations(samples: Samples) -> Counter[tuple[str, str]]:
    """Ended operations by method, and by error type or else status."""
    found: Counter[tuple[str, str]] = Counter()
    for (method, status, error_type), number in scrape.operations(samples, "method", "status", "error_type").items():
        found[method, error_type or status] += number
    return found


def alarms(samples: Samples) -> Samples:
    return {entry: value for entry, value in samples.items() if entry[0] in ALARMS and value}


def after(sidecar: Sidecar, exchanges: int) -> Samples:
    """The scrape after the filter has counted this number of exchanges. Fails if the filter has trapped."""
    sidecar.expected.stream(exchanges)
    samples = sidecar.counted()
    sidecar.check_log()
    return samples
