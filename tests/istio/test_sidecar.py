"""A sidecar under Istio's own agent: server_name from the workload, one observation point, spans and access logs."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.cases import rpc
from support.client import JSON, Connection
from support.http1 import Truncated
from support.processes import free_port, wait_for
from support.series import Series

from mesh import blind, labels
from mesh.blind import REQUESTS
from mesh.collector import Collector, attributes
from mesh.istiod import Istiod
from mesh.manifests import NAMESPACE, mesh_config, only, plugin
from mesh.proxy import Proxy, serving
from mesh.traffic import NamesServer, answering_stub, call, call_every_tool, inbound, service

TOOLS = ["cache.get.x", "get_order"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sidecar")


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


# Clients without a certificate of the mesh cannot reach the server.
STRICT = {
    "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "strict", "namespace": NAMESPACE},
    "spec": {"selector": {"matchLabels": {"app": "orders"}}, "mtls": {"mode": "STRICT"}},
}


def outbound(port: int, server: int) -> list[dict]:
    """The caller's side: its sidecar listens for calls to the server, and uses mutual TLS, as with an injected pod.

    The server has the only name that this machine can resolve.
    """
    metadata = {"name": "caller", "namespace": NAMESPACE}
    entry = service("caller", server, number=port)
    entry["spec"]["hosts"] = ["localhost"]
    entry["spec"]["endpoints"][0]["labels"] = {"security.istio.io/tlsMode": "istio"}
    return [
        entry,
        {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": metadata, "spec": {
            "workloadSelector": {"labels": {"app": "caller"}},
            "egress": [{
                "port": {"number": port, "name": "http-mcp", "protocol": "HTTP"}, "bind": "127.0.0.1", "captureMode": "NONE",
                "hosts": ["./localhost"],
            }],
        }},
    ]


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def fresh_metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def collector(directory: Path, metrics_port: int, fresh_metrics_port: int) -> Iterator[Collector]:
    collector = Collector(directory, [metrics_port, fresh_metrics_port])
    yield collector
    collector.stop()


@pytest.fixture(scope="module")
def sidecar(istiod: Istiod, directory: Path, module: Path, port: int, metrics_port: int, collector: Collector) -> Iterator[Proxy]:
    telemetry = only("Telemetry", "telemetry.yaml")
    telemetry["spec"]["tracing"][0]["randomSamplingPercentage"] = 100
    with closing(NamesServer(directory, *TOOLS)) as server:
        applied = [
            STRICT, inbound("orders", port, server.port), plugin(module), telemetry,
            service("mcp-collector", collector.ports["COLLECTOR_OTLP_GRPC_PORT"], "GRPC", 4317),
        ]
        with serving(istiod, applied, port, directory, "orders", "sidecar", metrics_port=metrics_port) as proxy:
            yield proxy


@pytest.fixture(scope="module")
def caller(istiod: Istiod, sidecar: Proxy, directory: Path, port: int) -> Iterator[tuple[Proxy, int]]:
    """The caller's sidecar and its port."""
    listener = free_port()
    with serving(istiod, outbound(listener, port), listener, directory, "caller", "sidecar") as proxy:
        yield proxy, listener


@pytest.fixture(scope="module")
def called(sidecar: Proxy, caller: tuple[Proxy, int]) -> list[str]:
    tools = call_every_tool(f"http://localhost:{caller[1]}/mcp")
    wait_for("every call to be counted", lambda: sum(labels.calls(sidecar).values()) == len(tools))
    return tools


def test_calls_are_counted_under_the_workloads_name(sidecar: Proxy, called: list[str]) -> None:
    assert labels.calls(sidecar) == {("orders", name, "ok"): 1.0 for name in TOOLS}
    labels.compare(sidecar)


def test_series_for_the_alert_on_a_blind_filter_exist(sidecar: Proxy, called: list[str]) -> None:
    """mesh.yaml keeps Envoy's own count of requests, which the alert MCPFilterBlind compares."""
    labels.as_many_streams_as_requests(sidecar, REQUESTS)


def test_the_access_log_says_what_was_called(sidecar: Proxy, called: list[str]) -> None:
    keys = [provider for provider in mesh_config()["extensionProviders"] if provider["name"] == "mcp-log"]
    expected = set(keys[0]["envoyFileAccessLog"]["logFormat"]["labels"])

    def entries() -> list[dict]:
        lines = [line for line in sidecar.process.log().splitlines() if line.startswith("{") and "mcp.method.name" in line]
        return [json.loads(line) for line in lines]

    wait_for("the log of every call", lambda: {entry["gen_ai.tool.name"] for entry in entries()} >= set(TOOLS))
    (entry,) = [each for each in entries() if each["gen_ai.tool.name"] == "get_order"]
    assert set(entry) == expected
    assert (entry["mcp.method.name"], entry["mcp.status"], entry["http.response.status_code"]) == ("tools/call", "ok", 200)


def test_spans_say_what_was_called(collector: Collector, caller: tuple[Proxy, int], called: list[str]) -> None:
    def of_tools() -> dict[str, dict[str, str]]:
        return {span["gen_ai.tool.name"]: span for span in collector.spans() if "gen_ai.tool.name" in span}

    wait_for("the spans of every call", lambda: set(of_tools()) >= set(TOOLS))
    _, listener = caller
    span = of_tools()["get_order"]
    assert (span["mcp.method.name"], span["gen_ai.operation.name"], span["mcp.status"]) == ("tools/call", "execute_tool", "ok")
    assert (span["network.transport"], span["network.protocol.version"]) == ("tcp", "1.1")
    assert span["client.address"] == span["server.address"] == "127.0.0.1"
    assert "mcp.observed" not in span
    assert span["http.url"] == f"http://localhost:{listener}/"


def test_prometheus_gets_seconds_and_no_label_of_istios(sidecar: Proxy, collector: Collector, called: list[str]) -> None:
    def calls() -> set[Series]:
        return {entry for entry, value in collector.samples().items() if entry[0] == "mcp_tool_calls_total" and value}

    found = wait_for("the calls at the collector", lambda: each if len(each := calls()) == len(TOOLS) else None, 60)
    assert {dict(pairs)["tool_name"] for _, pairs in found} == set(TOOLS)
    assert not {name for _, pairs in found for name, _ in pairs} & set(labels.ISTIO_TAGS)
    wait_for(
        "durations at the collector",
        lambda: any(family == "mcp_tool_duration_seconds_bucket" and dict(pairs)["le"] == "0.005" for family, pairs in collector.samples()),
        60,
    )


def test_no_contents_are_in_logs_spans_and_metrics(
    sidecar: Proxy, caller: tuple[Proxy, int], collector: Collector, called: list[str]
) -> None:
    """The contents of a call, in any part of the request. Spans are read after the collector, which sanitizes them."""
    body = rpc("tools/call", {"name": "probe", "arguments": {"password": "secret-argument"}})
    # The only name that the caller's sidecar knows.
    host = ("Host", f"localhost:{caller[1]}")
    headers = [host, *JSON, ("Authorization", "Bearer secret-header"), ("Cookie", "id=secret-cookie"), ("Mcp-Session-Id", "secret-session")]
    with closing(Connection(caller[1])) as connection:
        connection.send("POST", "/mcp?token=secret-query", headers, body, host=False)
        connection.receive()
    wait_for("its log", lambda: '"gen_ai.tool.name":"probe"' in sidecar.process.log())
    wait_for("its span", lambda: any(span.get("gen_ai.tool.name") == "probe" for span in collector.spans()))
    for shown in (sidecar.process.log(), collector.spans_file.read_text(), sidecar.page()):
        assert "secret-" not in shown


def test_span_joins_the_agents_trace(caller: tuple[Proxy, int], collector: Collector, called: list[str]) -> None:
    """And other traffic has no span."""
    trace, parent = "a" * 32, "b" * 16
    body = rpc("tools/call", {"name": "joined", "_meta": {"traceparent": f"00-{trace}-{parent}-01"}})
    # The only name that the caller's sidecar knows.
    host = ("Host", f"localhost:{caller[1]}")
    with closing(Connection(caller[1])) as connection:
        connection.send("GET", "/not-mcp", [host], host=False)
        connection.receive()
        connection.send("POST", "/mcp", [host, *JSON], body, host=False)
        connection.receive()

    def joined() -> list[dict]:
        return [span for span in collector.whole_spans() if span["name"] == "tools/call joined"]

    wait_for("the span", joined)
    [span] = joined()
    assert (span["traceId"], span["parentSpanId"]) == (trace, parent)
    assert attributes(span)["mcp.http.trace_id"] != trace
    assert not [span for span in collector.spans() if "mcp.method.name" not in span or span.get("url.path") == "/not-mcp"]


def test_caller_side_does_not_count(caller: tuple[Proxy, int], called: list[str]) -> None:
    """`match: [{mode: SERVER}]`: one observation point per path."""
    proxy, _ = caller
    assert "trafficextension" not in proxy.admin("/config_dump?resource=dynamic_listeners")
    assert "mcp_filter" not in proxy.page()


def test_the_calls_came_by_mutual_tls(port: int, called: list[str]) -> None:
    """The server accepts no other connections."""
    with pytest.raises(Truncated):
        call(port, "unseen")


def test_a_fresh_sidecar_serves_though_the_configuration_is_bad(
    istiod: Istiod, sidecar: Proxy, called: list[str], module: Path, directory: Path, collector: Collector, fresh_metrics_port: int
) -> None:
    """envoyfilter.yaml is unchanged. The alert MCPFilterBlind fires for this proxy, and not for another one whose filter works."""
    stub, port = answering_stub(), free_port()
    guard, ingress = only("EnvoyFilter", "envoyfilter.yaml"), inbound("fresh", port, stub.port)
    istiod.apply(guard, ingress, plugin(module, sever_name="orders"))
    fresh = Proxy(istiod, directory, "fresh", "sidecar", metrics_port=fresh_metrics_port)
    try:
        fresh.serve(port)
        wait_for("it to refuse", lambda: fresh.plugins()["config_fail"] > 0)
        assert call(port, "unseen") == 200
        assert labels.total(fresh, REQUESTS) == 1
        assert "mcp_filter" not in fresh.page()
        # One page for both: at another scrape a proxy may be away.
        samples = wait_for("both proxies' requests at the collector",
                           lambda: each if len(blind.compared(each := collector.samples(), REQUESTS)) == 2 else None, 60)
        assert blind.alerts(samples, directory) == {f"127.0.0.1:{fresh_metrics_port}"}
    finally:
        fresh.stop()
        istiod.delete(guard, ingress)
        stub.close()
