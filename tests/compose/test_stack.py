"""The services on a real engine: they are built and healthy, all calls are in Prometheus, and all of it is removed."""

import os
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import check
import prometheus
import pytest
import series
from engine import ROOT
from project import Project, processes
from run import run_client, settled
from scrape import Scrape
from support.processes import wait_for

EXAMPLES, DEMO = ROOT / "examples", ROOT / "scripts/demo"
CALLED = 60.0


def metrics(stack: Project, service: str) -> str:
    """The metrics page of a sidecar, whose port is not published."""
    return f"http://{stack.address(service, 'telemetry')}:9902/metrics"


def page(url: str) -> int | None:
    """The status of a GET; None if the connection is refused."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return None


def in_prometheus(stack: Project, server: str) -> Counter:
    """Prometheus' counts of a server's operations, with the labels of the sidecar's own page."""
    expression = f'sum by (method, status, error_type) (mcp_requests_total{{server_name="{server}"}})'
    found = prometheus.query(stack.url("PROMETHEUS_PORT"), expression)
    return +Counter({(labels["method"], labels["status"], labels.get("error_type", "")): round(value) for labels, value in found})


def await_prometheus(stack: Project, server: str, service: str) -> Counter:
    """Waits until Prometheus has every operation that the sidecar counted."""
    counted = settled(metrics(stack, service)).count("mcp_requests_total", "method", "status", "error_type")
    wait_for(f"every operation of {server} in Prometheus", lambda: in_prometheus(stack, server) == counted, CALLED)
    return counted


@pytest.mark.parametrize("service", ["weather", "sidecar", "collector", "prometheus", "grafana"])
def test_a_container_is_healthy_and_has_no_privilege(stack: Project, service: str) -> None:
    state = stack.inspect(service)["State"]
    assert state["Health"]["Status"] == "healthy"
    for process in processes(state["Pid"]):
        assert all(int(user) > 0 for user in process["Uid"].split()), process["Name"]
        assert int(process["CapEff"], 16) == 0 and int(process["CapBnd"], 16) == 0, process["Name"]
        assert process["NoNewPrivs"] == "1", process["Name"]


def test_published_ports_answer(stack: Project) -> None:
    assert page(stack.url("PROMETHEUS_PORT", "/-/ready")) == 200
    assert page(stack.url("GRAFANA_PORT", "/api/health")) == 200
    # A GET without an event stream in its Accept header is refused, by the MCP server and not by Envoy.
    assert page(stack.url("PORT", "/mcp")) in (400, 405, 406)


def test_the_admin_port_is_the_containers_own(stack: Project) -> None:
    address = stack.address("sidecar", "telemetry")
    assert page(f"http://{address}:9902/ready") == 200
    assert page(f"http://{address}:9901/ready") is None


def test_every_call_reaches_prometheus(stack: Project) -> None:
    url = stack.url("PORT", "/mcp")
    reports = [run_client(os.environ[python], DEMO / program, url)
               for program, python in (("client_old.py", "OLD_CLIENT_PYTHON"), ("client_new.py", "NEW_CLIENT_PYTHON"))]
    assert check.differences(settled(metrics(stack, "sidecar"), lambda scrape: not check.differences(scrape, reports)), reports) == []
    counted = await_prometheus(stack, "weather", "sidecar")
    assert counted["tools/call", "error", "tool_error"] == 30


def test_loadtest_agrees_with_the_sidecar(stack: Project) -> None:
    before = await_prometheus(stack, "weather", "sidecar")
    stack.engine.environment |= {"TOTAL": "400", "CONCURRENCY": "8"}
    done = stack.compose("run", "--rm", "loadtest")
    assert "series are equal" in done.stdout, done.stdout
    more = await_prometheus(stack, "weather", "sidecar") - before
    assert sum(more.values()) >= 400
    assert more["tools/list", "ok", ""] >= 120


def test_prometheus_has_the_rules_and_every_target(stack: Project) -> None:
    base = stack.url("PROMETHEUS_PORT")
    groups = prometheus.get(base, "rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    assert sum(rule["type"] == "alerting" for group in groups for rule in group["rules"]) >= 5
    wait_for("every target", lambda: {value for _, value in prometheus.query(base, "up")} == {1.0}, CALLED)
    wait_for("the server's health", lambda: prometheus.value(base, 'mcp_upstream_available{server_name="weather"}') == 1.0, CALLED)


EXAMPLE_CLIENTS: dict[str, tuple[str, str, str, list[tuple[str, str]]]] = {
    "postgres": ("postgres", "postgres-sidecar", "POSTGRES_MCP_PORT", [("client.py", "NEW_CLIENT_PYTHON")]),
    "agent": ("agent-sdk-server", "agent-sidecar", "AGENT_MCP_PORT",
              [("client_old.py", "OLD_CLIENT_PYTHON"), ("client_new.py", "NEW_CLIENT_PYTHON")]),
    "stdio": ("stdio", "stdio", "STDIO_MCP_PORT",
              [(f"{DEMO}/client_old.py", "OLD_CLIENT_PYTHON"), (f"{DEMO}/client_new.py", "NEW_CLIENT_PYTHON")]),
}


@pytest.mark.parametrize("profile", EXAMPLE_CLIENTS)
def test_profile_adds_another_example(stack: Project, profile: str) -> None:
    name, sidecar, port, clients = EXAMPLE_CLIENTS[profile]
    stack.up(profile)
    for program, python in clients:
        run_client(os.environ[python], EXAMPLES / name / program, stack.url(port, "/mcp"))
    def different(scrape: Scrape) -> list[str]:
        # The page was written without `semconv`, which the compose file sets.
        return [line for line in series.differences(scrape, EXAMPLES / name / "README.md") if "mcp_server_operation_duration" not in line]

    assert different(settled(metrics(stack, sidecar), lambda scrape: not different(scrape))) == []
    await_prometheus(stack, name, sidecar)


def test_unreachable_backend_does_not_delay_the_collector(stack: Project) -> None:
    """The queue is in a directory to which the collector's user may write."""
    stack.engine.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://collector:9"
    stack.up()
    assert "--config=/etc/collector/export-otlp.yaml" in stack.inspect("collector")["Args"]
    served = f"http://{stack.address('collector', 'telemetry')}:8889/metrics"
    wait_for("metrics of the new collector", lambda: Scrape.of(served).total("mcp_requests_total"), CALLED)


def test_down_leaves_nothing(stack: Project) -> None:
    """This is the last test, and no service runs after it."""
    pids = [stack.inspect(service)["State"]["Pid"] for service in ("weather", "sidecar", "collector", "prometheus", "grafana")]
    stack.compose("--profile=*", "stop")
    # The containers end by themselves after SIGTERM; the sidecar drains.
    assert stack.inspect("sidecar")["State"]["ExitCode"] == 0
    stack.compose("--profile=*", "down", "--volumes")
    assert stack.left() == []
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert page(stack.url("PORT", "/mcp")) is None
