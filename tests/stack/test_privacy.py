"""Secrets straight into the collector: none comes out, in any spelling and any place; with the sanitizer off each one does."""

from pathlib import Path

import pytest

from harness.backend import Backend
from harness.http import post_json
from harness.pipeline import DEADLINE, Collector
from privacy.canaries import LOG, OTLP, PROMETHEUS, Flock, everything, marks
from privacy.otlp import SIGNALS
from support.processes import wait_for


@pytest.fixture
def collector(tmp_path: Path):
    """`collector(…)` starts one."""
    running: list[Collector] = []

    def start(**settings) -> Collector:
        running.append(Collector(tmp_path / f"collector-{len(running)}", [], **settings))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def send(collector: Collector, documents: dict[str, list[dict]]) -> None:
    """Each signal in one request."""
    for signal, resources in documents.items():
        assert post_json(collector.url("otlp_http", f"/v1/{signal}"), {SIGNALS[signal]: resources}) == 200


def outputs(collector: Collector, backend: Backend) -> dict[str, set[str]]:
    """The marks in everything that the collector put out."""
    exported = backend.output.read_text(encoding="utf-8") if backend.output.exists() else ""
    return {OTLP: marks(exported), PROMETHEUS: marks(collector.page()), LOG: marks(collector.log.read_text())}


def fly(flock: Flock, collector: Collector, backend: Backend) -> dict[str, set[str]]:
    """Sends it all, waits until every keeper has arrived everywhere, and returns which canaries did."""
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


def test_without_the_sanitizer_all_of_it_leaves(collector, backend: Backend) -> None:
    """Else the test above would find nothing because nothing was there."""
    backend.start()
    flock = everything()
    found = fly(flock, collector(backend=backend.url, sanitize=False), backend)
    for output, here in found.items():
        assert flock.named(flock.expected(output) - here) == [], output
        assert flock.named(here - flock.expected(output)) == [], output
    assert flock.expected(OTLP) and flock.expected(PROMETHEUS)
