"""One scrape of the sidecar, parsed. It does not use the clients' reports."""

import urllib.request
from collections import Counter

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class Scrape:
    """The `mcp_*` samples of a Prometheus text page."""

    def __init__(self, text: str):
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples
                        if sample.name.startswith("mcp_")]

    @classmethod
    def of(cls, url: str) -> "Scrape":
        with urllib.request.urlopen(url, timeout=30) as answer:
            return cls(answer.read().decode())

    def matching(self, name: str, where: dict[str, str]) -> list[Sample]:
        """A family's samples whose labels have these values."""
        return [sample for sample in self.samples
                if sample.name == name and all(sample.labels.get(label) == value for label, value in where.items())]

    def count(self, name: str, *by: str, **where: str) -> Counter:
        """Sums of a family's series that match `where`, one for each combination of the labels in `by`; no zeros."""
        sums: Counter = Counter()
        for sample in self.matching(name, where):
            sums[tuple(sample.labels.get(label, "") for label in by)] += sample.value
        return +sums

    def total(self, name: str, **where: str) -> float:
        """One sum over a family's series that match `where`."""
        return sum(self.count(name, **where).values())
