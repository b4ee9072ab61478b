"""A real agent, the sidecar and a real server have one trace. The MCP SDK carries the trace context in `_meta`, not in HTTP headers."""

import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from harness.backend import Backend, attributes
from harness.pipeline import DEADLINE, Collector
from support.peers import PEERS, Peer, clean_env, get
from support.processes import wait_for

TURNS = 3
CALLS = {"tools/call echo": "", "tools/call fails": "tool_error", "tools/call refused": "-32000"}
ERROR = 2
AGENT, SIDECAR, SERVER = "agent", "mcp-sidecar", "server"


def export_to(collector: Collector, service: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url("otlp_http"), "OTEL_SERVICE_NAME": service}


@pytest.fixture
def collector(tmp_path: Path, backend: Backend):
    backend.start()
    collector = Collector(tmp_path / "collector", [], backend=backend.url)
    yield collector
    collector.stop()


@pytest.fixture
def server(tmp_path: Path, collector: Collector):
    def commands(port: int) -> dict[str, list[str]]:
        program = ["env", *(f"{name}={value}" for name, value in export_to(collector, SERVER).items())]
        return {"traced-server": [*program, get("python", "traces"), str(PEERS / "traced_server.py"), str(port)]}

    server = Peer("traced-server", tmp_path, commands)
    yield server
    server.stop()


def run_agent(url: str, mode: str, collector: Collector) -> None:
    command = [get("python", "traces"), str(PEERS / "traced_agent.py"), url, mode, str(TURNS)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=clean_env(**export_to(collector, AGENT)))
    assert done.returncode == 0, done.stderr


def traces(backend: Backend) -> dict[str, list[tuple[str, dict]]]:
    """Service and span of each trace."""
    found = defaultdict(list)
    for resource, span in backend.spans():
        found[span["traceId"]].append((resource["service.name"], span))
    return found


def calls(of: list[tuple[str, dict]], service: str) -> dict[str, dict]:
    """The tool calls of a service in a trace, by the span's name."""
    return {span["name"]: span for name, span in of if name == service and span["name"] in CALLS}


def is_whole(of: list[tuple[str, dict]]) -> bool:
    """Whether every span's parent has arrived. A child ends first, and may be exported first."""
    return {span["parentSpanId"] for _, span in of if span.get("parentSpanId")} <= {span["spanId"] for _, span in of}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_agent_sidecar_and_server_have_one_trace(mode: str, collector: Collector, server: Peer, proxy, backend: Backend) -> None:
    sidecar = proxy(server.port, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url("otlp_http"))
    run_agent(f"http://127.0.0.1:{sidecar.port}/mcp", mode, collector)

    def turns() -> list[list[tuple[str, dict]]]:
        return [of for of in traces(backend).values() if any(span["name"].startswith("turn ") for _, span in of)]

    wait_for("every call of every turn", lambda: len(turns()) == TURNS and all(
        is_whole(of) and len(calls(of, service)) == len(CALLS) for of in turns() for service in (SIDECAR, SERVER)), DEADLINE)
    for of in turns():
        spans = {span["spanId"]: span for _, span in of}
        # One tree: only the root has no parent.
        [root] = [span for span in spans.values() if not span.get("parentSpanId")]
        assert root["name"].startswith("turn ")
        assert is_whole(of)
        for name, error_type in CALLS.items():
            sidecars, servers = calls(of, SIDECAR)[name], calls(of, SERVER)[name]
            # Both are children of the span whose context is in the message.
            assert spans[sidecars["parentSpanId"]]["name"] == f"MCP send {name}"
            assert sidecars["parentSpanId"] == servers["parentSpanId"]
            for span in (sidecars, servers):
                assert attributes(span).get("error.type", "") == error_type
                assert (span["status"].get("code") == ERROR) == bool(error_type)
            assert attributes(sidecars)["mcp.http.trace_id"] not in traces(backend)
            assert "mcp.trace_parent" not in attributes(sidecars)
