"""Compares the labels that a proxy shows with the full stat names, into which the filter wrote them."""

import re

from support.series import Series, series

from .proxy import Proxy

LABEL = re.compile(r"([a-z_]+)=\.=(.*?);\.;")
PREFIX = "wasmcustom."
# Tags of Istio's own bootstrap that match anywhere in a name. They add a label and remove none.
ISTIO_TAGS = ("cache", "component", "tag", "wasm_filter", "authz_enforce_result", "authz_dry_run_action", "authz_dry_run_result")


def written(proxy: Proxy) -> set[Series]:
    """Every counter and gauge of the filter, with the labels in its name."""
    found = set()
    for name in proxy.stats("^wasmcustom"):
        labels = LABEL.findall(name.removeprefix(PREFIX))
        found.add(series(LABEL.sub("", name.removeprefix(PREFIX)), **dict(labels)))
    return found


def shown(proxy: Proxy) -> set[Series]:
    """The same series as Prometheus gets them, without the labels of Istio's own tags."""
    return {without_added(entry) for entry in proxy.samples() if is_counter_or_gauge(entry[0])}


def is_counter_or_gauge(name: str) -> bool:
    return name.startswith("mcp_") and not re.search(r"_(microseconds|bytes)_(bucket|sum|count)$", name)


def without_added(entry: Series) -> Series:
    family, labels = entry
    return family, tuple(pair for pair in labels if pair[0] not in ISTIO_TAGS)


def added(proxy: Proxy) -> dict[str, dict[str, str]]:
    """The labels of Istio's own tags, by tool."""
    found: dict[str, dict[str, str]] = {}
    for family, labels in proxy.samples():
        fields = dict(labels)
        extra = {name: value for name, value in labels if name in ISTIO_TAGS}
        if family == "mcp_tool_calls_total" and extra:
            found[fields["tool_name"]] = extra
    return found


def calls(proxy: Proxy) -> dict[tuple[str, ...], float]:
    """Ended calls by server, tool and status, without zeros."""
    found: dict[tuple[str, ...], float] = {}
    for (family, labels), value in proxy.samples().items():
        if family == "mcp_tool_calls_total" and value:
            fields = dict(labels)
            key = tuple(fields.get(name, "") for name in ("server_name", "tool_name", "status"))
            found[key] = found.get(key, 0) + value
    return found


def total(proxy: Proxy, family: str) -> float:
    """The sum of a family over all labels."""
    return sum(value for (name, _), value in proxy.samples().items() if name == family)
