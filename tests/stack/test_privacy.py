"""Secrets that are sent to the collector do not leave it, in any spelling and any place. Without the sanitizer all of them do."""

import hashlib
import json
from pathlib import Path
from typing import Any

import parts
import pytest
import vocabulary
import yaml

from harness.backend import Backend, attributes
from harness.http import post_json
from harness.pipeline import DEADLINE, Collector
from harness.target import Target
from privacy import otlp
from privacy.canaries import LOG, OTLP, PROMETHEUS, Flock, everything, names_left, outputs
from privacy.otlp import ATTRIBUTES, BUILDERS, SIGNALS
from privacy.spellings import KEPT_NAMES, KEPT_VALUES
from support.processes import wait_for


@pytest.fixture
def collector(tmp_path: Path):
    """`collector(address, …)` starts a collector. Its backend, if it has one, gets all signals."""
    running: list[Collector] = []

    def start(*targets: str, backend: str = "", **settings) -> Collector:
        settings = {"backend": backend, "export_received": bool(backend)} | settings
        running.append(Collector(tmp_path / f"collector-{len(running)}", list(targets), **settings))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def send(collector: Collector, documents: dict[str, list[dict]]) -> None:
    """Sends each signal in one request."""
    for signal, resources in documents.items():
        assert post_json(collector.url("otlp_http", f"/v1/{signal}"), {SIGNALS[signal]: resources}) == 200


def fly(flock: Flock, collector: Collector, backend: Backend) -> dict[str, set[str]]:
    """Sends everything, waits until all keepers have arrived in all outputs, and returns the canaries that arrived."""
    send(collector, flock.documents)
    found = {}

    def arrived() -> bool:
        found.update(outputs(collector, backend))
        return all(flock.kept(output) <= found[output] for output in found)

    try:
        wait_for("every keeper", arrived, DEADLINE)
    except AssertionError:
        missing = {output: flock.named(flock.kept(output) - found[output])[:20] for output in found}
        raise AssertionError(f"ordinary things are missing: {missing}") from None
    return {output: {mark for mark in here if mark.startswith("canary")} for output, here in found.items()}


def test_nothing_secret_leaves(collector, backend: Backend) -> None:
    backend.start()
    flock = everything()
    found = fly(flock, collector(backend=backend.url), backend)
    assert {output: flock.named(here) for output, here in found.items()} == {OTLP: [], PROMETHEUS: [], LOG: []}
    assert names_left(backend.output.read_text(encoding="utf-8")) == set()


def test_without_the_sanitizer_all_canaries_leave(collector, backend: Backend) -> None:
    """Otherwise the test above could pass because the canaries were never there."""
    backend.start()
    flock = everything()
    found = fly(flock, collector(backend=backend.url, sanitize=False), backend)
    for output, here in found.items():
        assert flock.named(flock.expected(output) - here) == [], output
        assert flock.named(here - flock.expected(output)) == [], output
    assert flock.expected(OTLP) and flock.expected(PROMETHEUS)


# Persons

PERSON, ACCOUNT = "canary-ann", "canary-5b1f8f5e"


def digest(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()


def received(backend: Backend) -> list[dict[str, Any]]:
    """Every received resource, by its name."""
    found = [resource for signal in SIGNALS.values() for resource in backend.resources(signal)]
    return sorted(found, key=lambda resource: (attributes(resource["resource"])["service.name"], json.dumps(resource, sort_keys=True)))


def hashes(of: Any, name: str) -> list[str]:
    """The values of all attributes with this name in a document."""
    if isinstance(of, list):
        return [value for each in of for value in hashes(each, name)]
    if not isinstance(of, dict):
        return []
    own = [next(iter(of["value"].values()))] if of.get("key") == name else []
    return own + [value for each in of.values() for value in hashes(each, name)]


def test_person_has_the_same_hash_everywhere(collector, backend: Backend) -> None:
    backend.start()
    running = collector(backend=backend.url)

    def fill(place: str) -> dict[str, Any] | str:
        if not any(place in places for places in ATTRIBUTES.values()):
            return "text"
        inner = {} if place == "deep body" else {"id": PERSON, "account_uuid": ACCOUNT}
        return {f"user.{name}": value for name, value in inner.items()} | {"user": inner}

    send(running, {signal: [build(1, fill)] for signal, build in BUILDERS.items()})
    wait_for("all signals", lambda: len(received(backend)) == len(SIGNALS), DEADLINE)
    places = sum(len(places) for places in ATTRIBUTES.values()) - 1
    for name, raw in {"user.id": PERSON, "id": PERSON, "user.account_uuid": ACCOUNT, "account_uuid": ACCOUNT}.items():
        assert hashes(received(backend), name) == [digest(raw)] * places
    wait_for("the page", lambda: f'user_id="{digest(PERSON)}"' in running.page(), DEADLINE)
    for raw in (PERSON, ACCOUNT):
        assert raw not in running.page() + backend.output.read_text() + running.log.read_text()


@pytest.mark.parametrize(("value", "text"), [
    ({"intValue": "4711"}, "4711"), ({"stringValue": "4711"}, "4711"), ({"boolValue": True}, "true"), ({"doubleValue": 0.5}, "0.5"),
    ({"stringValue": ""}, ""), ({"bytesValue": "Y2FuYXJ5"}, "canary".encode().hex()),
    ({"arrayValue": {"values": [{"stringValue": "canary"}]}}, '["canary"]'),
    ({"kvlistValue": {"values": [{"key": "canary", "value": {"intValue": "1"}}]}}, '{"canary":1}'),
])
def test_an_id_of_any_type_is_hashed(value: dict, text: str, collector, backend: Backend) -> None:
    """A number and its digits have the same hash. Ids of other types lose no data."""
    backend.start()
    running = collector(backend=backend.url)
    own = [{"key": "user.id", "value": value}, {"key": "service.name", "value": {"stringValue": "odd"}}]
    record = {"body": {"kvlistValue": {"values": own}}, "attributes": own}
    resource = {"resource": {"attributes": own}, "scopeLogs": [{"scope": {"attributes": own}, "logRecords": [record]}]}
    send(running, {"logs": [resource]})
    wait_for("the record", backend.logs, DEADLINE)
    assert hashes(received(backend), "user.id") == [digest(text)] * 4


# Ordinary data, which is not a secret


def ordinary(value: str) -> otlp.Fill:
    """One value in every place, under every name that looks like that of a secret, and values of other types."""
    def fill(place: str) -> dict[str, Any] | str:
        if not any(place in places for places in ATTRIBUTES.values()):
            return value
        others = {"number": 4111111111111111, "list": ["one", "two", 3], "map": {"inner": ["one"], "n": 1}}
        return dict.fromkeys(KEPT_NAMES, value) | others

    return fill


def test_sanitizer_does_not_change_ordinary_data(collector, backend: Backend, tmp_path: Path) -> None:
    other = Backend(tmp_path / "other")
    documents = {signal: [build(number, ordinary(value)) for number, value in enumerate(KEPT_VALUES)]
                 for signal, build in BUILDERS.items()}
    try:
        for receiver, sanitize in ((backend, True), (other, False)):
            receiver.start()
            send(collector(backend=receiver.url, sanitize=sanitize), documents)
            wait_for("all of it", lambda: len(received(receiver)) == len(SIGNALS) * len(KEPT_VALUES), DEADLINE)
    finally:
        other.stop()
    assert received(backend) == received(other)


def test_no_series_of_the_filter_changes(target: Target, collector) -> None:
    """Every family of docs/metrics.md with every label, with values that look like secrets."""
    lines = []
    for name, labels in vocabulary.families().items():
        own = sorted(labels - vocabulary.TARGET)
        for number, value in enumerate(KEPT_VALUES if name.startswith("mcp_") and own else ()):
            pairs = ",".join(f'{label}="{value}"' for label in own)
            lines.append(f"{name}{{{pairs}}} {number}")
    target.page = "\n".join(lines) + "\n"
    pages = []
    for sanitize in (True, False):
        running = collector(target.address, sanitize=sanitize)
        wait_for("a scrape", lambda: "mcp_protocol_errors_total{" in running.page(), DEADLINE)
        # The page takes over one series of a scrape after the other.
        seen = target.scrapes
        wait_for("two later scrapes", lambda: target.scrapes >= seen + 2, DEADLINE)
        pages.append(sorted(line for line in running.page().splitlines() if line.startswith(("mcp_", "target_info"))))
    assert pages[0] == pages[1]
    assert len(pages[0]) > len(lines)


# Special places


def test_links_are_removed_and_counted(collector, backend: Backend) -> None:
    """No processor can read the attributes of links."""
    backend.start()
    document = otlp.traces(1, lambda place: {} if place in ATTRIBUTES["traces"] else "text")
    link = {"traceId": f"{1:032x}", "spanId": f"{1:016x}", "attributes": otlp.attributes({"token": "canary"})}
    document["scopeSpans"][0]["spans"][0]["links"] = [link, link]
    send(collector(backend=backend.url), {"traces": [document]})
    wait_for("the span", backend.spans, DEADLINE)
    [(_, span)] = backend.spans()
    assert "links" not in span
    assert span["droppedLinksCount"] == 2


@pytest.mark.parametrize("asked_for", [False, True])
def test_exemplars_are_exported_only_on_request(collector, backend: Backend, target: Target, asked_for: bool) -> None:
    """Metrics from OTLP go to Prometheus without exemplars. They go to a backend only with export-otlp-metrics.yaml, as
    docs/privacy.md says. This test fails when a newer collector can read exemplars."""
    backend.start()
    target.page = "# TYPE mcp_sessions_total counter\nmcp_sessions_total 7\n"
    document = otlp.metrics(1, lambda place: {} if place in ATTRIBUTES["metrics"] else "text")
    exemplar = {"timeUnixNano": "1", "asDouble": 1, "filteredAttributes": otlp.attributes({"token": "canary"})}
    document["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"][0]["exemplars"] = [exemplar]
    document["scopeMetrics"][0]["metrics"][0]["metadata"] = otlp.attributes({"note": "of canary two"})
    running = collector(target.address, backend=backend.url, export_received=asked_for)
    send(running, {"metrics": [document]})
    wait_for("the metric", lambda: "probe_1_gauge" in running.page(), DEADLINE)
    target.page = target.page.replace("7", "8")
    wait_for("a later scrape", lambda: 8 in {point.get("asDouble") for *_, point in backend.metrics("mcp_sessions_total")}, DEADLINE)
    # Both go to the backend in requests of their own.
    wait_for("the metric with the exemplar", lambda: not asked_for or list(backend.metrics("probe_1_gauge")), DEADLINE)
    found = [point["exemplars"][0]["filteredAttributes"] for *_, point in backend.metrics("probe_1_gauge")]
    assert found == ([otlp.attributes({"token": "canary"})] if asked_for else [])
    assert ("canary" in backend.output.read_text()) == asked_for
    assert "canary" not in running.page()
    # The other texts of a metric are sanitized.
    assert "of canary two" not in backend.output.read_text()


# The file itself


def test_copies_of_patterns_are_equal() -> None:
    document = yaml.safe_load((parts.COLLECTOR / "sanitize.yaml").read_text(encoding="utf-8"))["processors"]
    redaction = document["redaction/sanitize"]
    [looks], [names] = redaction["blocked_values"], redaction["blocked_key_patterns"]
    groups = [group for kind in document["transform/sanitize"].values() if isinstance(kind, list) for group in kind]
    statements = [statement for group in groups for statement in group["statements"]]
    deleting = {statement for statement in statements if statement.startswith("delete_matching_keys")}
    masking = {statement for statement in statements if statement.startswith("replace_all_patterns")}
    assert deleting == {f'delete_matching_keys(attributes, "{names}")'}
    assert masking == {f'replace_all_patterns(cache, "value", "{looks}", "****")'}
    assert [action["pattern"] for action in document["attributes/sanitize"]["actions"]] == [names]
    assert document["resource/sanitize"]["attributes"] == document["attributes/sanitize"]["actions"]
