"""The values in Prometheus: the same counts, in seconds, with labels that distinguish sidecars."""

import pytest

from core_tables import families
from harness.pipeline import DEADLINE, await_equal
from support import scrape
from support.cases import CALL, RESULT, answers, error, rpc
from support.client import JSON, Connection
from support.processes import wait_for
from support.stub import Stub

INFINITE = float("inf")
SECONDS = [*(bound / 1e6 for bound in families()["mcp_tool_duration_microseconds"].bounds), INFINITE]
BYTES = [*families()["mcp_tool_result_bytes"].bounds, INFINITE]
CALLS = 'mcp_tool_calls_total{{tool_name="{}",status="ok"}}'


def buckets(samples, family: str, **labels: str) -> dict[float, float]:
    """The cumulative counts by bound, of the only series with these labels."""
    found = {}
    for (name, pairs), value in samples.items():
        own = dict(pairs)
        if name == f"{family}_bucket" and labels.items() <= own.items():
            assert float(own["le"]) not in found
            found[float(own["le"])] = value
    return dict(sorted(found.items()))


def test_a_call_reaches_prometheus(upstream: Stub, proxy, stack) -> None:
    sidecar = proxy(upstream.port)
    prometheus = stack([sidecar.instance]).prometheus
    for calls in (1, 4):
        sidecar.call("forecast", calls if calls == 1 else calls - 1)
        prometheus.await_value(CALLS.format("forecast"), calls)
    # The series exists at zero, so that a rate includes the first event.
    prometheus.await_value('mcp_tool_calls_total{tool_name="forecast",status="error",error_type="tool_error"}', 0)


def test_durations_are_in_seconds_with_envoys_counts_and_exact_bounds(upstream: Stub, proxy, stack) -> None:
    sidecar = proxy(upstream.port)
    running = stack([sidecar.instance])
    sidecar.call("forecast", 25)
    running.prometheus.await_value('mcp_tool_duration_seconds_count{tool_name="forecast"}', 25)
    before = scrape.parse(scrape.fetch(f"http://{sidecar.instance}/metrics"))
    for family in ("mcp_tool_duration", "mcp_request_duration"):
        raw = buckets(before, f"{family}_microseconds", server_name="weather")
        in_seconds = dict(zip(SECONDS, raw.values(), strict=True))
        await_equal(lambda: buckets(running.collector.samples(), f"{family}_seconds", server_name="weather"), in_seconds)
        query = f"{family}_seconds_bucket"
        await_equal(lambda: {float(labels["le"]): value for labels, value in running.prometheus.query(query)}, in_seconds)
    await_equal(lambda: buckets(running.collector.samples(), "mcp_tool_result_bytes", tool_name="forecast"), dict.fromkeys(BYTES, 25))
    after = running.collector.samples()
    [total] = [value for (name, _), value in after.items() if name == "mcp_tool_duration_seconds_sum"]
    [raw_total] = [value for (name, _), value in before.items() if name == "mcp_tool_duration_microseconds_sum"]
    assert total == pytest.approx(raw_total / 1e6, rel=1e-12)
    assert "microseconds" not in running.collector.page()


def test_two_sidecars_of_one_server_stay_two_series(upstream: Stub, proxy, stack) -> None:
    first, second = proxy(upstream.port, name="shared"), proxy(upstream.port, name="shared")
    prometheus = stack([first.instance, second.instance], OTEL_SERVICE_NAME="tools", OTEL_ENV="test", SERVICE_VERSION="1.10").prometheus
    first.call("forecast", 2)
    second.call("forecast", 3)
    prometheus.await_value(f"sum({CALLS.format('forecast')})", 5)
    await_equal(
        lambda: {(labels["instance"], labels["job"], labels["server_name"]): value
                 for labels, value in prometheus.query(CALLS.format("forecast"))},
        {(first.instance, "tools", "shared"): 2, (second.instance, "tools", "shared"): 3})
    for sidecar in (first, second):
        [(labels, _)] = prometheus.await_series(f'target_info{{instance="{sidecar.instance}"}}')
        assert labels["deployment_environment"] == "test"
        # A version is text: its zero at the end is kept.
        assert labels["service_version"] == "1.10"
        prometheus.await_value(f'up{{instance="{sidecar.instance}"}}', 1)
    prometheus.await_value('up{job="collector"}', 1)


def test_targets_from_a_file_have_their_instance(upstream: Stub, proxy, stack, tmp_path) -> None:
    sidecar = proxy(upstream.port)
    file = tmp_path / "fleet.yaml"
    file.write_text(f"- targets: ['{sidecar.instance}']\n  labels: {{job: pay, service_version: '7', deployment_environment: live}}\n")
    prometheus = stack([], MCP_SIDECAR_FILE_SD=f"[{{files: ['{file}']}}]").prometheus
    sidecar.call("forecast")
    prometheus.await_value('mcp_tool_calls_total{tool_name="forecast",status="ok",job="pay"}', 1)
    [(labels, _)] = prometheus.await_series('target_info{job="pay"}')
    assert (labels["job"], labels["service_version"], labels["deployment_environment"]) == ("pay", "7", "live")
    # They are labels of the target, not of each series.
    assert prometheus.query('mcp_tool_calls_total{service_version!=""}') == []


def test_only_needed_series_of_envoy_are_kept(upstream: Stub, proxy, stack) -> None:
    sidecar = proxy(upstream.port)
    running = stack([sidecar.instance])
    sidecar.call("forecast", 3)
    sidecar.post(b"x", [("Content-Type", "text/plain")])
    streams = 'mcp_filter_streams_total{server_name="weather"}'
    running.prometheus.await_value(streams, 4)
    # The filter saw as many streams as the listener served.
    running.prometheus.await_value("envoy_http_downstream_rq_total", 4)
    await_equal(lambda: {name for name, _ in running.collector.samples() if not name.startswith(("mcp_", "scrape_"))}, {
        "up", "target_info", "envoy_http_downstream_rq_total", "envoy_http_downstream_rq_active",
        "envoy_http_downstream_cx_total", "envoy_http_downstream_cx_active", "envoy_server_uptime",
        "envoy_server_memory_allocated", "envoy_server_memory_physical_size", "envoy_server_concurrency",
    })
    assert not [labels for _, labels in running.collector.samples() if any(name.startswith("otel_scope") for name, _ in labels)]


SEMCONV = "mcp_server_operation_duration_seconds_count"


@pytest.fixture
def conversing(upstream: Stub, proxy):
    """A sidecar with the histogram of `semconv`, after a successful call, a failed one, a refused one, and a session that ended."""
    upstream.on("/good", answers(200, RESULT))
    sidecar = proxy(upstream.port, config={"semconv": True})
    sidecar.call("forecast", 2)
    upstream.on("/mcp", answers(200, error(-32602)))
    sidecar.call("broken")
    upstream.on("/mcp", answers(200, error(-32603)))
    sidecar.call("faulty")
    upstream.on("/mcp", answers(200, b'{"jsonrpc":"2.0","id":7,"result":{"isError":true,"content":[]}}'))
    sidecar.call("failing")
    session = ("Mcp-Session-Id", "s-1")
    hello = b'{"jsonrpc":"2.0","id":7,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}'
    upstream.on("/mcp", answers(200, hello, "application/json", session))
    sidecar.post(rpc("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}))
    upstream.on("/mcp", answers(200, RESULT))
    sidecar.post(CALL, [*JSON, session, ("MCP-Protocol-Version", "2025-06-18")])
    upstream.on("/mcp", answers(204, b""))
    with Connection(sidecar.port) as connection:
        connection.send("DELETE", "/mcp", [session])
        connection.receive()
    return sidecar


def test_semantic_conventions(conversing, stack) -> None:
    running = stack([conversing.instance])
    prometheus = running.prometheus
    prometheus.await_value(f"sum({SEMCONV})", 7)
    prometheus.await_value("mcp_server_session_duration_seconds_count", 1)
    dropped = {"__name__", "instance", "job", "server_name"}

    def found() -> dict[tuple, float]:
        return {tuple(sorted((name, value) for name, value in labels.items() if name not in dropped)): value
                for labels, value in prometheus.query(SEMCONV)}

    method = ("mcp_method_name", "tools/call")
    await_equal(found, {
        (("gen_ai_tool_name", "forecast"), method): 2,
        # An error of the caller has only the code.
        (("gen_ai_tool_name", "broken"), method, ("rpc_response_status_code", "-32602")): 1,
        (("error_type", "-32603"), ("gen_ai_tool_name", "faulty"), method, ("rpc_response_status_code", "-32603")): 1,
        (("error_type", "tool_error"), ("gen_ai_tool_name", "failing"), method): 1,
        # The protocol version that it negotiated.
        (("mcp_method_name", "initialize"), ("mcp_protocol_version", "2025-06-18")): 1,
        (("gen_ai_tool_name", "probe"), method, ("mcp_protocol_version", "2025-06-18")): 1,
    })

    def shown(family: str, **labels: str) -> dict[float, float]:
        return buckets(running.collector.samples(), family, **labels)

    # The bounds of the conventions. Without the other three bounds no count is lost.
    operations = wait_for("operations", lambda: shown("mcp_server_operation_duration_seconds", gen_ai_tool_name="forecast"), DEADLINE)
    assert list(operations) == SECONDS[3:]
    assert operations[INFINITE] == 2
    # The histogram of sessions has other bounds, because sessions are longer.
    own = wait_for("sessions", lambda: shown("mcp_session_duration_seconds"), DEADLINE)
    assert own[INFINITE] == 1
    await_equal(lambda: shown("mcp_server_session_duration_seconds"), own)


def test_semantic_conventions_off(upstream: Stub, proxy, stack) -> None:
    sidecar = proxy(upstream.port)
    running = stack([sidecar.instance], MCP_SEMCONV="false")
    sidecar.call("forecast")
    running.prometheus.await_value(CALLS.format("forecast"), 1)
    assert "mcp_server_operation" not in running.collector.page()
    assert "mcp_server_session" not in running.collector.page()
