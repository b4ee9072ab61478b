"""The MCP conformance suite against servers on standard input and output behind the bridge, and against the same servers over their own
HTTP. What differs is listed here with the reason.
"""

from pathlib import Path

import pytest

import servers
from support import conformance
from support.conformance import Run
from support.sidecar import Sidecar

SERVERS = {"python": "conformance-python", "rust": "conformance-rust"}
HTTP = {"python": "conformance-python", "rust": "rmcp-3.11.0"}
# Not Python with 2025-11-25: the suite begins more than 30 sessions at once and gives each scenario 30 s, one request 5 s. Each session is
# a program of its own, and the start of so many Python programs takes most of a minute of CPU time.
LEGS = [("rust", "2025-11-25"), ("rust", "2026-07-28"), ("python", "2026-07-28")]

POLLING = "a program cannot end the HTTP response to a request that it has not answered"
JSON = "this SDK answers with an event stream always, the bridge with JSON if the answer is the first message"
# The checks with another result behind the bridge, and why. Every other check has the same result.
DIFFERENT: dict[tuple[str, str], dict[tuple[str, str], str]] = {
    ("rust", "2025-11-25"): {
        ("server-sse-polling", "incoming-response"): POLLING,
        ("server-sse-polling", "incoming-sse-event"): POLLING,
        ("server-sse-polling", "outgoing-request"): POLLING,
        ("server-sse-polling", "server-sse-disconnect-resume"): POLLING,
        ("server-sse-polling", "server-sse-retry-field"): POLLING,
        ("server-sse-multiple-streams", "server-sse-streams-functional"): JSON,
    },
    ("rust", "2026-07-28"): {
        ("server-sse-multiple-streams", "server-sse-streams-functional"): JSON,
    },
    ("python", "2026-07-28"): {},
}


# Both tests of a leg run in one process, which runs the suite once.
PARAMETERS = [pytest.param(leg, marks=pytest.mark.xdist_group(" ".join(leg)), id=" ".join(leg)) for leg in LEGS]


@pytest.fixture(scope="module", params=PARAMETERS)
def runs(request: pytest.FixtureRequest, peer, logs: Path):
    """The suite's results over the server's own HTTP, and behind the bridge."""
    server, requirements = request.param
    out = logs / f"conformance-{server}-{requirements}"
    out.mkdir()
    own = conformance.run(f"http://127.0.0.1:{peer(HTTP[server]).port}/conformance", requirements, out / "own")
    sidecar = Sidecar(servers.command(SERVERS[server]), logs, f"sidecar-{out.name}")
    try:
        bridged = conformance.run(f"http://127.0.0.1:{sidecar.port}/mcp", requirements, out / "bridged")
        sidecar.check_log()
    finally:
        sidecar.stop()
    (out / "report.txt").write_text(f"own: {own.table()}\nbridged: {bridged.table()}\n")
    return request.param, own, bridged


def verdicts(run: Run) -> dict[tuple[str, str], dict[str, int]]:
    """How many checks had each status."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for (scenario, check, status), count in run.checks.items():
        found.setdefault((scenario, check), {})[status] = count
    return found


def test_every_scenario_runs(runs) -> None:
    (_, requirements), own, bridged = runs
    wanted = conformance.required(requirements)
    assert wanted and own.scenarios == wanted, own.output
    assert bridged.scenarios == wanted, bridged.output


def test_bridge_does_not_change_the_results(runs) -> None:
    leg, own, bridged = runs
    one, other = verdicts(own), verdicts(bridged)
    differ = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    lines = [f"{key}: {one.get(key)} over HTTP, {other.get(key)} behind the bridge: {bridged.reasons.get(key)}" for key in sorted(differ)]
    assert differ == set(DIFFERENT[leg]), "\n".join(lines)
    passed = [sum(count for (*_, status), count in run.checks.items() if status == "SUCCESS") for run in (own, bridged)]
    print(f"{leg}: {passed[0]} checks pass over HTTP, {passed[1]} behind the bridge")
