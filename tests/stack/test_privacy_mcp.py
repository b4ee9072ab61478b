"""Secrets in MCP arguments, URIs, headers and errors pass a real Envoy, and do not leave the pipeline."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from harness.backend import Backend
from harness.pipeline import DEADLINE, Collector
from privacy.canaries import LOG, OTLP, PROMETHEUS, marks, outputs
from privacy.mcp import KEEPER, SHIPPED, TELLING, Conversation, conversation
from support.client import Connection
from support.peers import Peer
from support.processes import free_port, wait_for
from support.stub import Stub

SIDECAR = "log of the sidecar"


def converse(said: Conversation, upstream: Stub, port: int) -> int:
    """Runs the whole session on one connection. Returns the number of exchanges."""
    upstream.on("/mcp", said.serve)
    requests = said.requests()
    with Connection(port) as connection:
        for body in requests:
            connection.post(body, said.headers(), said.target())
    return len(requests)


@pytest.mark.parametrize("sanitize", [True, False], ids=["sanitized", "not sanitized"])
@pytest.mark.parametrize("telling", [False, True], ids=["as shipped", "telling"])
def test_secrets_in_mcp_reach_only_the_expected_outputs(telling: bool, sanitize: bool, upstream: Stub, proxy, backend: Backend, tmp_path: Path) -> None:
    """With the shipped settings few secrets leave Envoy. With TELLING more do, and the sanitizer removes them."""
    backend.start()
    said = conversation(telling)
    probe = free_port()
    collector = Collector(tmp_path / "collector", [f"127.0.0.1:{probe}"], backend=backend.url, sanitize=sanitize)
    try:
        sidecar = proxy(upstream.port, config=TELLING if telling else SHIPPED, PROBE_PORT=str(probe),
                        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url("otlp_http"))
        exchanges = converse(said, upstream, sidecar.port)
        # Waits for the last call in the histograms, which come last, and for every span and log record.
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


SECRET = "canary900000x"
CREDENTIALS = {"Authorization": f"Bearer {SECRET}", "Cookie": f"session={SECRET}", "X-Api-Key": SECRET, "baggage": f"user.id={SECRET}"}


async def session_of_the_sdk(url: str) -> str:
    """A client of the Python SDK that puts the secret in all possible places. Returns the server's session id."""
    given: list[str] = []

    async def remember(response: httpx2.Response) -> None:
        given.extend(response.headers.get_list("mcp-session-id"))

    async with httpx2.AsyncClient(headers=CREDENTIALS, params={"key": SECRET}, event_hooks={"response": [remember]}) as http:
        async with Client(streamable_http_client(url, http_client=http), mode="legacy") as client:
            await client.list_tools()
            await client.list_resource_templates()
            assert (await client.call_tool("echo", {"text": SECRET})).content[0].text == SECRET
            # The server's error message repeats its input.
            complaint = await client.call_tool("slow", {"milliseconds": SECRET})
            assert complaint.is_error and SECRET in complaint.content[0].text
            await client.read_resource(f"notes://{SECRET}/page")
            with pytest.raises(MCPError, match=SECRET):
                await client.read_resource(f"notes://ann:{SECRET}@nowhere/a?key={SECRET}")
    return given[0]


def test_a_real_client_and_server(proxy, backend: Backend, tmp_path: Path) -> None:
    """With the shipped settings no secret leaves Envoy, so none is found even without the sanitizer."""
    backend.start()
    probe = free_port()
    server = Peer("python-2.3.0", tmp_path)
    collector = Collector(tmp_path / "collector", [f"127.0.0.1:{probe}"], backend=backend.url, sanitize=False)
    try:
        sidecar = proxy(server.port, PROBE_PORT=str(probe), OTEL_EXPORTER_OTLP_ENDPOINT=collector.url("otlp_http"))
        session = asyncio.run(session_of_the_sdk(f"http://127.0.0.1:{sidecar.port}/mcp"))
        sidecar.call(KEEPER)
        wait_for("the page", lambda: "notes://{day}/page" in collector.page() and KEEPER in collector.page(), DEADLINE)
        wait_for("spans and records", lambda: KEEPER in str(backend.spans()) and KEEPER in str(backend.logs()), DEADLINE)
        everything = backend.output.read_text() + collector.page() + collector.log.read_text() + sidecar.process.log()
    finally:
        collector.stop()
        server.stop()
    assert "notes://{day}/page" in everything
    assert len(session) > 16
    assert SECRET not in everything
    assert session not in everything
