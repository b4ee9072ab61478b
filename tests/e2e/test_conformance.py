"""The MCP conformance suite says the same of a server with the sidecar before it as without.

Both servers are our own and offer what the suite asks for; what they lack is listed. A relay before the sidecar
keeps what the suite's clients really sent and got, and the counters must agree with it.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import census, conformance
from support.conformance import Run
from support.exchange import Ledger
from support.relay import Relay
from support.sidecar import COUNT_DEADLINE, Sidecar

SERVERS = {"python": "conformance-python", "rust": "rust"}
REQUIREMENTS = ("2025-11-25", "2026-07-28")
# The Python SDK has no tasks extension. The suite runs these scenarios for all, and scores them for none.
LACKING = {
    ("python", "2026-07-28"): {
        "tasks-capability-negotiation",
        "tasks-dispatch-and-envelope",
        "tasks-lifecycle",
        "tasks-mrtr-composition",
        "tasks-mrtr-input",
        "tasks-request-headers",
        "tasks-request-state-removal",
        "tasks-required-task-error",
        "tasks-wire-fields",
    },
}


@dataclass
class Leg:
    """The suite through one sidecar, with all that passed and what the sidecar counted since its start."""

    direct: Run
    through: Run
    ledger: Ledger
    shown: dict
    differences: list[str]
    workers: list[int]


@pytest.fixture(scope="module", params=[(server, wanted) for server in SERVERS for wanted in REQUIREMENTS],
                ids=lambda param: f"{param[0]} {param[1]}")
def leg(request: pytest.FixtureRequest, peer, logs: Path):
    server, requirements = request.param
    upstream = peer(SERVERS[server])
    out = logs / f"conformance-{server}-{requirements}"
    out.mkdir()
    direct = conformance.run(f"http://127.0.0.1:{upstream.port}/conformance", requirements, out / "direct")
    sidecar = Sidecar(upstream.port, logs, f"sidecar-{out.name}")
    try:
        relay = Relay(sidecar.port)
        through = conformance.run(f"http://127.0.0.1:{relay.port}/conformance", requirements, out / "through")
        workers = sidecar.accepted()
        ledger = relay.close()
        shown, differences = counted(sidecar, ledger)
        sidecar.check_log()
        (out / "report.txt").write_text(f"direct: {direct.table()}\nthrough: {through.table()}\n")
        yield request.param, Leg(direct, through, ledger, shown, differences, workers)
    finally:
        sidecar.stop()


def counted(sidecar: Sidecar, ledger: Ledger) -> tuple[dict, list[str]]:
    """The scrape as soon as it agrees with the census, else as it is after the time that flushing may take."""
    wanted = census.Census().count(ledger.exchanges)
    end = time.monotonic() + COUNT_DEADLINE
    while lines := census.differences(wanted, samples := sidecar.samples()):
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    return samples, lines


def test_every_scenario_runs(leg) -> None:
    (_, requirements), run = leg
    wanted = conformance.required(requirements)
    assert wanted
    assert run.direct.scenarios == wanted, run.direct.output
    assert run.through.scenarios == wanted, run.through.output


def test_direct_passes(leg) -> None:
    (server, requirements), run = leg
    assert run.direct.failing == LACKING.get((server, requirements), set()), run.direct.table()
    assert run.direct.status == 0, run.direct.output


def test_through_is_as_direct(leg) -> None:
    _, run = leg
    only_direct, only_through = run.direct.checks - run.through.checks, run.through.checks - run.direct.checks
    assert not only_direct and not only_through, f"{only_direct=}\n{only_through=}\n{run.through.table()}"
    assert run.through.status == run.direct.status
    assert all(run.workers), f"a worker served nothing: {run.workers}"


def test_counters_agree_with_the_census(leg) -> None:
    _, run = leg
    assert run.ledger.exchanges
    assert not run.differences, "\n".join(run.differences)
