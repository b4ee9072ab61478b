"""Compares the labels that a proxy shows with the full stat names, into which the filter wrote them."""

import re

from support.processes import wait_for
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


def compare(proxy: Proxy) -> set[Series]:
    """Checks that the shown series are the written ones, and returns them. A series that appears between two requests is in one of them
    only, so both are asked for until they agree."""
    both: list[set[Series]] = []

    def agree() -> bool:
        both[:] = [written(proxy), shown(proxy)]
        return both[0] == both[1]

    try:
        wait_for("the page to have the written series", agree)
    except AssertionError as error:
        raise AssertionError(f"{error}: {both[0] ^ both[1]}") from None
    return both[0]


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


def as_many_streams_as_requests(proxy: Proxy, requests: str) -> None:
    """Waits until the filter has counted as many streams as Envoy requests. Each worker tells its counts once a second."""
    wait_for("as many streams as requests", lambda: 0 < total(proxy, requests) == total(proxy, "mcp_filter_streams_total"))


def total(proxy: Proxy, family: str) -> float:
    """The sum of a family over all labels."""
    return sum(value for (name, _), value in proxy.samples().items() if name == family)
