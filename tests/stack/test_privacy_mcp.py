"""Secrets through MCP: arguments, URIs, headers and errors pass a real Envoy, and nothing of them comes out of the pipeline."""

from pathlib import Path

import pytest

from harness.backend import Backend
from harness.pipeline import DEADLINE, Collector
from privacy.canaries import LOG, OTLP, PROMETHEUS, marks, outputs
from privacy.mcp import KEEPER, SHIPPED, TELLING, Conversation, conversation
from support.client import Connection
from support.processes import free_port, wait_for
from support.stub import Stub

SIDECAR = "log of the sidecar"


def converse(said: Conversation, upstream: Stub, port: int) -> int:
    """The whole session on one connection; the number of exchanges."""
    upstream.on("/mcp", said.serve)
    requests = said.requests()
    with Connection(port) as connection:
        for body in requests:
            connection.post(body, said.headers(), said.target())
    return len(requests)


@pytest.mark.parametrize("sanitize", [True, False], ids=["sanitized", "not sanitized"])
@pytest.mark.parametrize("telling", [False, True], ids=["as shipped", "telling"])
def test_what_becomes_of_secrets_in_mcp(telling: bool, sanitize: bool, upstream: Stub, proxy, backend: Backend, tmp_path: Path) -> None:
    """As shipped, hardly any leaves Envoy; with all told some do, and the sanitizer stops them."""
    backend.start()
    said = conversation(telling)
    probe = free_port()
    collector = Collector(tmp_path / "collector", [f"127.0.0.1:{probe}"], backend=backend.url, sanitize=sanitize)
    try:
        sidecar = proxy(upstream.port, config=TELLING if telling else SHIPPED, PROBE_PORT=str(probe),
                        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url("otlp_http"))
        exchanges = converse(said, upstream, sidecar.port)
        # The last call in the histograms, which are slowest, and every span and log record: then all is there.
        wait_for("the page", lambda: f'mcp_tool_duration_seconds_count{{instance="{sidecar.instance}"' in collector.page()
                 and f'tool_name="{KEEPER}"' in collector.page(), DEADLINE)
        wait_for("spans and records", lambda: len(backend.spans()) == len(backend.logs()) == exchanges, DEADLINE)
        wait_for("the metrics", lambda: [1 for _, attributes, _ in backend.metrics("mcp_tool_duration_seconds")
                                         if attributes["tool_name"] == KEEPER], DEADLINE)
        found = outputs(collector, backend) | {SIDECAR: marks(sidecar.process.log())}
    finally:
        collector.stop()
    shown = {output: sorted(canary.place for canary in said.canaries if canary.mark in here) for output, here in found.items()}
    expected = {output: sorted(canary.place for canary in said.canaries if output in canary.reaches and not sanitize) for output in found}
    assert shown == expected
    assert set(found) == {OTLP, PROMETHEUS, LOG, SIDECAR}
