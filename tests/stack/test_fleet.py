"""A fleet of 200 sidecars behind one collector, listed in files, has the series that the arithmetic computes.

The sidecars serve the page of one real sidecar, under five server names. To save resources the server is smaller than the typical one
of docs/fleet.md, all but the first sidecar of each server serve only those of Envoy's families of which the collector keeps some, and
Prometheus gets a smaller fleet. Two settings differ from the shipped ones: when series of a removed sidecar expire, and the timeout of
a scrape.
"""

import gzip
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from fleet import arithmetic, document
from fleet.arithmetic import Typical
from fleet.page import by_family
from fleet.traffic import Server, drive
from harness.fleet import Fleet
from harness.pipeline import Collector
from support import scrape
from support.processes import wait_for
from support.series import Series
from support.series import series as named
from support.sidecar import Sidecar
from support.stub import Stub

SERVERS = ("billing", "crm", "orders", "search", "weather")
SERVER = Typical(tools=3, prompts=1, resources=1, codes=(-32602, -32603))
TERMS = arithmetic.typical(SERVER)
EACH = document.in_prometheus(TERMS)
NAME, STREAMS = "template", "mcp_filter_streams_total"
# As shipped.
INTERVAL_MS = 10_000
DEADLINE = 300.0
# The values of docs/fleet.md for a gateway.
MEMORY = {"COLLECTOR_MEMORY_MIB": "1000", "GOMEMLIMIT": "800MiB"}
# When a sidecar disappears, the exporter removes one series of each family from its page at once, and the others when they expire:
# after ten intervals as shipped, here after five. On a busy machine its page may take longer than the 30 s after which it closes a
# connection.
EXPIRY = {"exporters": {"prometheus": {"metric_expiration": f"{5 * INTERVAL_MS}ms", "write_timeout": f"{DEADLINE:.0f}s"}}}
# The collector's own metrics of lost data points.
LOST = ("otelcol_processor_memory_limiter_refused_metric_points", "otelcol_receiver_refused_metric_points",
        "otelcol_receiver_failed_metric_points", "otelcol_exporter_send_failed_metric_points")
PASSED = re.compile(r"(# TYPE )?(mcp|envoy_cluster_membership|envoy_http_downstream|envoy_server)_")
SERIES = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
INSTANCE = re.compile(r'\binstance="([^"]*)"')
# Labels that distinguish sidecars, or that only the collector adds.
OF_SIDECAR = {"instance", "job", "server_name"}
MICROSECONDS = re.compile("_microseconds(?=_(bucket|sum|count)$)")
# All series of the collector, without those of rules.
GIVEN = '{__name__!~".*:.*|ALERTS.*",job=~"fleet-.*"}'


@pytest.fixture
def template(upstream: Stub, tmp_path: Path) -> str:
    """The page of a real sidecar after traffic."""
    upstream.on("/mcp", Server(SERVER))
    sidecar = Sidecar(upstream.port, tmp_path, MCP_UPSTREAM_NAME=NAME)
    try:
        sent = drive(sidecar.port, SERVER)
        wait_for("the sidecar to count", lambda: sum(n for (name, _), n in sidecar.samples().items() if name == STREAMS) == sent)
        sidecar.flushed()
        return sidecar.metrics()
    finally:
        sidecar.stop()


@pytest.fixture
def fleet(template: str) -> Iterator[Callable[[int], Fleet]]:
    """`fleet(200)` starts 200 sidecars with that page."""
    running: list[Fleet] = []

    def start(count: int) -> Fleet:
        running.append(Fleet(count, [page(template, number) for number in range(count)].__getitem__))
        return running[-1]

    yield start
    for each in running:
        each.close()


def server_of(number: int) -> str:
    return SERVERS[number % len(SERVERS)]


def page(template: str, number: int) -> bytes:
    """The page of one sidecar, with its server's name and a unique count of streams."""
    whole = number < len(SERVERS)
    lines = [line.replace(f'"{NAME}"', f'"{server_of(number)}"') for line in template.splitlines() if whole or PASSED.match(line)]
    own = [f"{line.rpartition(' ')[0]} {number}" if line.startswith(f"{STREAMS}{{") else line for line in lines]
    return "\n".join([*own, ""]).encode()


def values(template: str) -> dict[Series, float]:
    """The expected series of the collector for each series of the filter: the same value, durations in seconds, no empty label,
    and the copy for the conventions."""
    found: dict[Series, float] = {}
    for (name, pairs), value in scrape.parse(template).items():
        labels = {label: text for label, text in pairs if text and label not in OF_SIDECAR}
        seconds = MICROSECONDS.sub("_seconds", name)
        scale = 1e-6 if seconds != name else 1
        if "le" in labels:
            labels["le"] = bound(labels["le"], scale)
        if seconds.startswith("mcp_") and name != STREAMS:
            names = {seconds, re.sub("^mcp_session_duration_", "mcp_server_session_duration_", seconds)}
            found |= {named(each, **labels): value * (scale if name.endswith("_sum") else 1) for each in names}
    return found


def bound(text: str, scale: float = 1) -> str:
    return f"{float(text) * scale:g}"


def given(of: list[tuple[str, str, str]]) -> dict[Series, float]:
    """The series that the collector shows for one sidecar, in the same form."""
    found: dict[Series, float] = {}
    for name, written, value in of:
        labels = {label: text for label, text in LABEL.findall(written) if label not in OF_SIDECAR}
        if "le" in labels:
            labels["le"] = bound(labels["le"])
        if name.startswith("mcp_") and name not in (STREAMS, "mcp_upstream_available"):
            found[named(name, **labels)] = float(value)
    return found


def write_targets(directory: Path, fleet: Fleet, without: int | None = None) -> dict[str, str]:
    """Writes one file for each server and replaces it at once. Returns the setting that finds the files."""
    directory.mkdir(exist_ok=True)
    for server in SERVERS:
        addresses = [address for number, address in enumerate(fleet.addresses) if server_of(number) == server and number != without]
        part = directory / f"{server}.part"
        part.write_text(yaml.safe_dump([{"targets": addresses, "labels": {"job": f"fleet-{server}"}}]), encoding="utf-8")
        part.rename(directory / f"{server}.yaml")
    return {"MCP_SIDECAR_FILE_SD": f"[{{files: ['{directory}/*.yaml']}}]"}


def shown(collector: Collector) -> dict[str, list[tuple[str, str, str]]]:
    """Name, labels and value of every series on the collector's page, by sidecar. Fails if one is there twice."""
    # Compressed, as for Prometheus. Otherwise many small reads would wait for the threads of the sidecars.
    request = urllib.request.Request(collector.url("metrics", "/metrics"), headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        found = SERIES.findall(gzip.decompress(answer.read()).decode())
    assert len({series[:2] for series in found}) == len(found)
    by_instance: dict[str, list[tuple[str, str, str]]] = {}
    for series in found:
        [instance] = INSTANCE.findall(series[1])
        by_instance.setdefault(instance, []).append(series)
    return by_instance


def await_series(collector: Collector, wanted: dict[str, int]) -> dict[str, list[tuple[str, str, str]]]:
    """Waits until each of these sidecars has this many series, and no other sidecar has any."""
    last: list[dict] = []

    def reached() -> bool:
        last[:] = [shown(collector)]
        return {instance: len(series) for instance, series in last[0].items()} == wanted

    try:
        wait_for("the series of the fleet", reached, DEADLINE)
    except AssertionError:
        assert {instance: len(series) for instance, series in last[0].items()} == wanted
    return last[0]


def test_the_sidecar_has_the_series_of_the_arithmetic(template: str) -> None:
    assert {name: len(of) for name, of in by_family(scrape.parse(template)).items()} == arithmetic.counts(TERMS)


def test_two_hundred_sidecars(fleet, template: str, tmp_path: Path) -> None:
    sidecars, targets, expiry = fleet(200), tmp_path / "targets", tmp_path / "expiry.yaml"
    wanted_values = values(template)
    expiry.write_text(yaml.safe_dump(EXPIRY), encoding="utf-8")
    collector = Collector(tmp_path / "collector", [], interval_ms=INTERVAL_MS, config=expiry, **write_targets(targets, sidecars), **MEMORY)
    try:
        wait_for("a scrape of each", lambda: min(sidecars.scrapes) >= 1, DEADLINE)
        found = await_series(collector, dict.fromkeys(sidecars.addresses, EACH))
        # Forty sidecars of each name. None is merged with another, and all are up.
        for number, address in enumerate(sidecars.addresses):
            names = {name: (labels, float(value)) for name, labels, value in found[address]}
            labels, value = names[STREAMS]
            assert value == number and f'server_name="{server_of(number)}"' in labels and f'job="fleet-{server_of(number)}"' in labels
            assert names["up"][1] == 1
            assert names["mcp_upstream_available"][1] == 1
            assert {name for name in names if not name.startswith("mcp_")} == {*document.OF_ENVOY, *document.OF_TARGET}
            shown_values = given(found[address])
            assert shown_values.keys() == wanted_values.keys()
            assert shown_values == pytest.approx(wanted_values)

        # One crashes and remains a target, another is removed from the files.
        crashed, removed = sidecars.addresses[3], sidecars.addresses[11]
        sidecars.end(3)
        write_targets(targets, sidecars, without=11)
        # The series expire after five intervals. Such a large page is not requested more often than needed.
        seen = sidecars.scrapes[0]
        wait_for("six scrapes", lambda: sidecars.scrapes[0] >= seen + 6, DEADLINE)
        wanted = {address: EACH for address in sidecars.addresses if address != removed} | {crashed: len(document.OF_TARGET)}
        found = await_series(collector, wanted)
        assert {name: value for name, _, value in found[crashed]}["up"] == "0"

        assert collector.own("otelcol_receiver_accepted_metric_points") > 0
        assert {name: collector.own(name) for name in LOST} == dict.fromkeys(LOST, 0)
        assert collector.errors() == []
    finally:
        collector.stop()


def test_values_in_prometheus(fleet, stack, tmp_path: Path) -> None:
    sidecars = fleet(10)
    # The timeout of Prometheus' scrape is half of the interval, and the page is large.
    prometheus = stack([], interval_ms=4000, **write_targets(tmp_path / "targets", sidecars)).prometheus
    prometheus.await_value("sum(up{job=~'fleet-.*'})", len(sidecars.addresses))
    prometheus.await_value(f"count({GIVEN})", len(sidecars.addresses) * EACH)
    recorded = document.recorded(TERMS)
    # A ratio needs traffic, and these counters do not change.
    del recorded["instance:mcp_error_ratio:5m"]
    for rule, count in recorded.items():
        prometheus.await_value(f"count({rule})", len(sidecars.addresses) * count)
