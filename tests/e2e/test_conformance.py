"""The MCP conformance suite gives the same results for a server with and without the sidecar.

Both servers are in tests/peers and implement what the suite tests; exceptions are listed. A relay in front of the sidecar records
what the suite's clients send and receive. The counters must agree with the records.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import conformance
from support.census import Census, differences
from support.conformance import Run
from support.relay import Relay
from support.series import dump
from support.sidecar import COUNT_DEADLINE, Sidecar

SERVERS = {"python": "conformance-python", "rust": "rmcp-3.11.0"}
REQUIREMENTS = ("2025-11-25", "2026-07-28")
# The Python SDK has no tasks extension. The suite runs these scenarios with all servers and does not score them.
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
# Kinds of messages that must occur in each run, so that the comparison covers them.
SEEN = {
    "2025-11-25": [
        ("mcp_server_requests_total", {"method": "elicitation/create", "status": "ok"}),
        ("mcp_server_requests_total", {"method": "sampling/createMessage", "status": "ok"}),
        ("mcp_notifications_total", {"method": "notifications/message", "direction": "out"}),
        ("mcp_notifications_total", {"method": "notifications/initialized", "direction": "in"}),
        ("mcp_sessions_total", {"protocol_version": "2025-11-25"}),
        ("mcp_session_duration_microseconds_count", {}),
    ],
    "2026-07-28": [
        ("mcp_requests_total", {"method": "subscriptions/listen", "status": "ok"}),
        ("mcp_requests_total", {"method": "server/discover", "status": "negotiation"}),
        ("mcp_tool_calls_total", {"status": "input_required"}),
        ("mcp_prompt_gets_total", {"status": "input_required"}),
        ("mcp_header_mismatch_total", {"header": "Mcp-Method"}),
        ("mcp_protocol_errors_total", {"error_code": "-32021"}),
    ],
}
WITH_TASKS = ("rust", "2026-07-28")
SEEN_TASKS = [("mcp_tasks_total", {"status": status}) for status in ("completed", "failed", "tool_error", "cancelled")]


@dataclass
class Leg:
    """The suite without and with a sidecar, all messages that passed, and the sidecar's counts."""

    direct: Run
    through: Run
    census: Census
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
        passed = Census().count(relay.close().exchanges)
        wrong = disagreement(sidecar, passed)
        sidecar.check_log()
        report = f"direct: {direct.table()}\nthrough: {through.table()}\npassed: {dump(passed.totals)}\n"
        (out / "report.txt").write_text(report)
        yield request.param, Leg(direct, through, passed, wrong, workers)
    finally:
        sidecar.stop()


def disagreement(sidecar: Sidecar, passed: Census) -> list[str]:
    """The counters that differ from the census, after the time that a flush may take."""
    end = time.monotonic() + COUNT_DEADLINE
    while (lines := differences(passed, sidecar.samples())) and time.monotonic() < end:
        time.sleep(0.1)
    return lines


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


def test_sidecar_does_not_change_the_results(leg) -> None:
    _, run = leg
    only_direct, only_through = run.direct.checks - run.through.checks, run.through.checks - run.direct.checks
    assert not only_direct and not only_through, f"{only_direct=}\n{only_through=}\n{run.through.table()}"
    assert run.through.status == run.direct.status
    assert all(run.workers), f"a worker served nothing: {run.workers}"


def test_counters_agree_with_the_census(leg) -> None:
    (server, requirements), run = leg
    for family, labels in SEEN[requirements] + (SEEN_TASKS if (server, requirements) == WITH_TASKS else []):
        assert run.census.total(family, **labels), f"none passed: {family} {labels}"
    assert not run.differences, "\n".join(run.differences)
