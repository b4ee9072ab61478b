"""What a scrape says, in the few words that the tests of single topics need."""

from collections import Counter
from typing import Any

from support.sidecar import Sidecar

Samples = dict[Any, float]
# Counters that only a fault may raise, and what is left once everything has ended.
ALARMS = ("mcp_unmatched_responses_total", "mcp_parse_skipped_total", "mcp_requests_in_flight", "mcp_labels_overflowed_total")


def total(samples: Samples, family: str, **labels: str) -> int:
    """The sum over every series with these labels."""
    return int(sum(value for (name, own), value in samples.items() if name == family and labels.items() <= dict(own).items()))


def operations(samples: Samples) -> Counter[tuple[str, str]]:
    """Ended operations by method, and error type or status."""
    found: Counter[tuple[str, str]] = Counter()
    for (family, own), value in samples.items():
        labels = dict(own)
        if family == "mcp_requests_total" and value:
            found[labels["method"], labels["error_type"] or labels["status"]] += int(value)
    return found


def alarms(samples: Samples) -> Samples:
    return {entry: value for entry, value in samples.items() if entry[0] in ALARMS and value}


def after(sidecar: Sidecar, exchanges: int) -> Samples:
    """The scrape once the filter has counted so many exchanges; and it has not trapped."""
    sidecar.expected.stream(exchanges)
    samples = sidecar.counted()
    sidecar.check_log()
    return samples
