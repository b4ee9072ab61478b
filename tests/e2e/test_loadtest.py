"""The load test with real servers: it passes if its counts equal the sidecar's, and fails if they differ."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from support.cases import rpc
from support.client import JSON, Connection
from support.peers import Peer
from support.sidecar import Sidecar

pytestmark = pytest.mark.loadtest

DEADLINE = 240
DAY_MS = 86_400_000
LIMITED = re.compile(r"^rule (\S+): (\d+) requests admitted, (\d+) refused; it may admit (\d+)", re.MULTILINE)
ROW = re.compile(r"^(mcp_\S+) +(-?\d+) +(-?\d+)(  differs)?$", re.MULTILINE)


def loadtest(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [Path(os.environ["LOADTEST"]), *arguments]
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=DEADLINE)


def drive(sidecar: Sidecar, total: int, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return loadtest(
        *arguments,
        URL=f"http://127.0.0.1:{sidecar.port}/mcp",
        METRICS=settings.pop("METRICS", f"http://127.0.0.1:{sidecar.probe_port}/metrics"),
        TOTAL=str(total),
        CONCURRENCY="20",
        **settings,
    )


def rows(output: str) -> dict[str, tuple[int, int]]:
    """The series of the report, with both counts."""
    return {series: (int(sent), int(seen)) for series, sent, seen, _ in ROW.findall(output)}


def sent(output: str, method: str) -> int:
    return sum(pair[0] for series, pair in rows(output).items() if series.startswith(f'mcp_requests_total{{method="{method}"'))


@pytest.fixture(scope="module")
def sidecars(peer, logs):
    """A sidecar in front of a real server, by the server's name."""
    running: dict[str, Sidecar] = {}

    def start(name: str) -> Sidecar:
        if name not in running:
            server: Peer = peer(name)
            running[name] = Sidecar(server.port, logs, f"loadtest-{name}", MCP_UPSTREAM_NAME=name)
        return running[name]

    yield start
    for sidecar in running.values():
        sidecar.stop()


@pytest.mark.parametrize("revision", ["", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"])
def test_counts_are_equal_before_rmcp(sidecars, revision: str) -> None:
    done = drive(sidecars("rmcp-3.11.0"), 2000, REVISION=revision)
    assert done.returncode == 0, done.stdout + done.stderr
    # The shares are exact after every 20 requests. The requests before the load are added.
    opening = "server/discover" if revision == "2026-07-28" else "initialize"
    assert sent(done.stdout, opening) > 100
    assert sent(done.stdout, "tools/list") == 601
    assert sent(done.stdout, "tools/call") == 808
    assert sent(done.stdout, "resources/list") == 301
    assert sent(done.stdout, "resources/read") == 200
    sessions = rows(done.stdout).get("mcp_session_duration_microseconds_count", (0, 0))[0]
    assert sessions == (0 if revision == "2026-07-28" else sent(done.stdout, "initialize"))
    # The tool that fails and the tool that is refused are in the mix; the tool that never responds is not.
    assert 'tool_name="fails",status="error",error_type="tool_error"' in done.stdout
    assert 'tool_name="refused",status="error",error_type="rpc_error"' in done.stdout
    assert "left out: waits" in done.stdout


@pytest.mark.parametrize("name", ["everything", "python-2.3.0", "python-1.30.0-json"])
def test_counts_are_equal_before_other_servers(sidecars, name: str) -> None:
    done = drive(sidecars(name), 1000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sent(done.stdout, "tools/list") >= 301


@pytest.mark.parametrize("name", ["everything-sse", "python-1.30.0-sse"])
def test_counts_are_equal_over_two_endpoints(sidecars, name: str) -> None:
    sidecar = sidecars(name)
    settings = {
        "URL": f"http://127.0.0.1:{sidecar.port}/sse",
        "METRICS": f"http://127.0.0.1:{sidecar.probe_port}/metrics",
        "CONCURRENCY": "20",
        "TOTAL": "1000",
    }
    done = loadtest("--revision", "2024-11-05", **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'transport="http_sse"' in done.stdout


@pytest.fixture
def limited(peer, logs):
    """A sidecar with one rate limit rule in front of a real server."""
    running: list[Sidecar] = []

    def start(name: str, rule: dict) -> Sidecar:
        label = f"loadtest-{name}-{rule['name']}"
        config = logs / f"{label}.json"
        config.write_text(json.dumps({"rate_limit": {"rules": [rule]}}))
        running.append(Sidecar(peer(name).port, logs, label, MCP_UPSTREAM_NAME=name, MCP_FILTER_CONFIG=str(config)))
        return running[-1]

    yield start
    for sidecar in running:
        sidecar.stop()


def a_rule(**fields: object) -> dict:
    return {"name": "calls", "method": "tools/call", "requests": 25, "interval_ms": DAY_MS} | fields


def outcome_of(output: str, rule: dict) -> tuple[int, int]:
    """How many requests the client saw admitted and refused. The sidecar's counts and the other families agree."""
    (name, admitted, refused, _) = LIMITED.search(output).groups()
    assert name == rule["name"]
    series = rows(output)
    for outcome, count in (("allowed", int(admitted)), ("limited", int(refused))):
        assert series.get(f'mcp_rate_limit_total{{rule="{name}",outcome="{outcome}"}}', (0, 0)) == (count, count)
    errors = [pair for key, pair in series.items() if key.startswith("mcp_requests_total") and "rate_limited" in key]
    assert sum(seen for _, seen in errors) == int(refused), output
    return int(admitted), int(refused)


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_rule_of_a_long_interval_admits_its_burst(limited, revision: str) -> None:
    rule = a_rule(name=f"day-{revision}")
    sidecar = limited("rmcp-3.11.0", rule)
    done = drive(sidecar, 2000, "--rule", json.dumps(rule), REVISION=revision)
    assert done.returncode == 0, done.stdout + done.stderr
    # 800 calls of the mix and those that try the tools before.
    assert outcome_of(done.stdout, rule) == (25, sent(done.stdout, "tools/call") - 25)
    assert sent(done.stdout, "tools/call") == 808
    assert all(sidecar.accepted()), "one worker had no connection"
    sidecar.check_log()


def test_rule_of_a_long_interval_admits_its_burst_over_two_endpoints(limited) -> None:
    rule = a_rule(name="legacy", burst=30)
    sidecar = limited("everything-sse", rule)
    settings = {
        "URL": f"http://127.0.0.1:{sidecar.port}/sse",
        "METRICS": f"http://127.0.0.1:{sidecar.probe_port}/metrics",
        "CONCURRENCY": "20",
        "TOTAL": "1000",
        "RULE": json.dumps(rule),
    }
    done = loadtest("--revision", "2024-11-05", **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcome_of(done.stdout, rule)[0] == 30


def test_rule_admits_burst_and_rate(limited) -> None:
    rule = a_rule(name="rate", requests=40, interval_ms=1000, burst=7)
    done = drive(limited("rmcp-3.11.0", rule), 6000, "--rule", json.dumps(rule))
    assert done.returncode == 0, done.stdout + done.stderr
    admitted, refused = outcome_of(done.stdout, rule)
    most = int(LIMITED.search(done.stdout).group(4))
    # The clients call all the time, so tokens are taken as they come; the tools were tried before.
    assert refused > 0 and most * 0.5 < admitted <= most, done.stdout


@pytest.mark.parametrize("per", ["session", "client"])
def test_every_session_and_tool_has_its_bucket(limited, per: str) -> None:
    rule = a_rule(name=f"per-{per}", tool="*", per=per, burst=1)
    done = drive(limited("rmcp-3.11.0", rule), 2000, "--rule", json.dumps(rule))
    assert done.returncode == 0, done.stdout + done.stderr
    admitted, refused = outcome_of(done.stdout, rule)
    tools = len({key for key in rows(done.stdout) if key.startswith("mcp_tool_calls_total") and "rate_limited" not in key})
    sessions = sent(done.stdout, "initialize")
    assert refused > 0
    assert admitted == tools if per == "client" else tools < admitted <= tools * sessions


def test_more_than_the_rule_may_admit_fails(limited) -> None:
    rule = a_rule(name="smaller")
    done = drive(limited("rmcp-3.11.0", rule), 400, "--rule", json.dumps(rule | {"requests": 24}))
    assert done.returncode == 1 and "25 requests admitted" in done.stdout, done.stdout + done.stderr
    assert "it may admit 24  too many" in done.stdout and "differ" not in done.stdout


def test_another_rules_counts_are_a_difference(limited) -> None:
    rule = a_rule(name="own")
    done = drive(limited("rmcp-3.11.0", rule), 400, "--rule", json.dumps(rule | {"name": "other"}))
    different = {series: pair for series, pair in rows(done.stdout).items() if pair[0] != pair[1]}
    assert done.returncode == 1, done.stdout + done.stderr
    assert different == {'mcp_rate_limit_total{rule="other",outcome="allowed"}': (25, 0)}


def test_additional_call_is_a_difference(sidecars) -> None:
    """Another client makes a call while the load runs, after the first line of progress."""
    sidecar = sidecars("rmcp-3.11.0")
    command = [os.environ["LOADTEST"], "--tool", "slow", "--arguments", '{"milliseconds": 50}']
    settings = {
        "URL": f"http://127.0.0.1:{sidecar.port}/mcp",
        "METRICS": f"http://127.0.0.1:{sidecar.probe_port}/metrics",
        "CONCURRENCY": "1",
        "TOTAL": "400",
    }
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        # It prints its progress every five seconds, and takes longer than that.
        assert running.stderr.readline().split()[1] == "of"
        with Connection(sidecar.port) as other:
            other.post(rpc("prompts/list", {}), [*JSON, ("MCP-Protocol-Version", "2025-06-18")])
        output, _ = running.communicate(timeout=DEADLINE)
    assert running.returncode == 1, output
    different = {series: pair for series, pair in rows(output).items() if pair[0] != pair[1]}
    assert all('method="prompts/list"' in series for series in different) and different, output
    assert "differ" in output


def test_another_sidecars_page_is_a_difference(sidecars) -> None:
    other = f"http://127.0.0.1:{sidecars('python-2.3.0').probe_port}/metrics"
    done = drive(sidecars("rmcp-3.11.0"), 100, METRICS=other)
    assert done.returncode == 1
    assert all(seen == 0 for _, seen in rows(done.stdout).values())
    assert 'mcp_requests_total{method="tools/list",status="ok"}' in rows(done.stdout)


def test_without_the_metrics_page_nothing_is_compared(sidecars) -> None:
    sidecar = sidecars("rmcp-3.11.0")
    done = drive(sidecar, 40, METRICS=f"http://127.0.0.1:{sidecar.port}/metrics")
    assert (done.returncode, done.stdout) == (1, "")
    assert "METRICS" in done.stderr and "--no-compare" in done.stderr
    done = drive(sidecar, 40, "--no-compare")
    assert done.returncode == 0 and not rows(done.stdout), done.stdout + done.stderr


def test_every_bad_setting_is_named() -> None:
    done = loadtest(URL="localhost", METRICS="ftp://a", CONCURRENCY="0", TOTAL="x", REVISION="2025", RULE="{}")
    assert done.returncode == 2
    for name in ("URL", "METRICS", "CONCURRENCY", "TOTAL", "REVISION", "RULE"):
        assert f"loadtest: {name}: " in done.stderr
    assert loadtest("--unknown").returncode == 2
