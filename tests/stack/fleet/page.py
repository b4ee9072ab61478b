"""Counts the series of a page by family, as `arithmetic` does."""

from collections import defaultdict
from collections.abc import Iterable

from support.series import Series

from .arithmetic import FAMILIES

HEALTH = "envoy_cluster_membership_healthy"
# Labels that are equal on all series of a sidecar, and the label of a histogram's bounds.
ALIKE = {"server_name", "envoy_cluster_name", "filter_version", "le"}
PARTS = ("_bucket", "_sum", "_count")


def by_family(samples: Iterable[Series]) -> dict[str, list[frozenset[tuple[str, str]]]]:
    """The labels of every series, without those that are equal on all. Of Envoy's own series only the server's health counts,
    from which the collector makes `mcp_upstream_available`."""
    found: dict[str, list[frozenset[tuple[str, str]]]] = defaultdict(list)
    for name, labels in samples:
        if name == HEALTH and "/" not in dict(labels)["envoy_cluster_name"]:
            name = "mcp_upstream_available"
        if name.startswith("mcp_"):
            found[family_of(name)].append(frozenset(pair for pair in labels if pair[0] not in ALIKE))
    return found


def family_of(name: str) -> str:
    """The family of a series, without the suffix of a histogram's series."""
    base = next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)
    return base if base in FAMILIES and FAMILIES[base].bounds else name
