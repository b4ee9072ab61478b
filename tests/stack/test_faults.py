"""Server, sidecar, collector and Prometheus fail and return."""

import socket

from harness.pipeline import await_equal
from harness.target import Target
from support.cases import RESULT, answers
from support.processes import free_port, wait_for
from support.stub import Stub

AVAILABLE = 'mcp_upstream_available{server_name="weather"}'
CALLS = 'mcp_tool_calls_total{tool_name="forecast",status="ok"}'


def test_upstream_restarts(proxy, stack) -> None:
    # Below the ports of outgoing connections, of which one could have it meanwhile.
    server = Stub(free_port())
    sidecar = proxy(server.port)
    prometheus = stack([sidecar.instance]).prometheus
    prometheus.await_value(AVAILABLE, 1)
    # `shutdown` first: `close` alone would leave a listener on which its thread still waits.
    server.listener.shutdown(socket.SHUT_RDWR)
    server.close()
    prometheus.await_value(AVAILABLE, 0)
    # The sidecar is scraped during all this time.
    prometheus.await_value(f'up{{instance="{sidecar.instance}"}}', 1)
    back = Stub(server.port)
    try:
        prometheus.await_value(AVAILABLE, 1)
        [(labels, _)] = prometheus.await_series(AVAILABLE)
        assert set(labels) == {"__name__", "server_name", "instance", "job"}
    finally:
        back.close()


def test_rates_stay_right_when_envoy_restarts(upstream: Stub, proxy, stack) -> None:
    sidecar = proxy(upstream.port)
    prometheus = stack([sidecar.instance]).prometheus
    sidecar.call("forecast")
    prometheus.await_value(CALLS, 1)
    sidecar.call("forecast", 40)
    prometheus.await_value(CALLS, 41)
    sidecar.restart()
    sidecar.call("forecast", 7)
    prometheus.await_value(CALLS, 7)
    # One series with one reset, and nothing counted twice. A scrape may have seen the counter at 0 between them.
    assert len(prometheus.await_series(CALLS)) == 1
    assert prometheus.value(f"resets({CALLS}[10m])") == 1
    [grown] = [value for _, value in prometheus.query(f"increase({CALLS}[10m])")]
    # 47, and the part that increase() extrapolates at the ends of its range: up to half a step on each side.
    assert 40 <= grown < 80


def test_stopped_sidecar_is_down_and_its_series_end(upstream: Stub, proxy, stack) -> None:
    sidecar = proxy(upstream.port)
    prometheus = stack([sidecar.instance]).prometheus
    sidecar.call("forecast")
    prometheus.await_value(CALLS, 1)
    sidecar.stop()
    prometheus.await_value(f'up{{instance="{sidecar.instance}"}}', 0)
    # The last value must not remain for minutes.
    prometheus.await_value('count({__name__=~"mcp_.*"})', None)


def test_the_collector_is_up_before_the_sidecar(upstream: Stub, proxy, stack) -> None:
    port = free_port()
    running = stack([f"127.0.0.1:{port}"])
    running.prometheus.await_value('up{job="mcp-sidecar"}', 0)
    sidecar = proxy(upstream.port, PROBE_PORT=str(port))
    sidecar.call("forecast")
    running.prometheus.await_value(CALLS, 1)
    running.prometheus.await_value('up{job="mcp-sidecar"}', 1)
    assert running.collector.errors() == []


def test_collector_restarts(upstream: Stub, proxy, stack) -> None:
    sidecar = proxy(upstream.port)
    running = stack([sidecar.instance])
    sidecar.call("forecast")
    running.prometheus.await_value(CALLS, 1)
    running.collector.stop()
    running.prometheus.await_value('up{job="collector"}', 0)
    sidecar.call("forecast", 4)
    running.collector.start()
    running.prometheus.await_value('up{job="collector"}', 1)
    # The sidecar counted while the collector was away.
    running.prometheus.await_value(CALLS, 5)


def test_missing_prometheus_does_not_affect_the_collector(target: Target, stack) -> None:
    page = "# TYPE mcp_sessions_total counter\nmcp_sessions_total {}\n"
    target.page = page.format(1)
    running = stack([target.address])
    running.prometheus.await_value("mcp_sessions_total", 1)
    running.prometheus.stop()
    before = target.scrapes
    target.page = page.format(2)
    wait_for("ten more scrapes", lambda: target.scrapes >= before + 10)
    sessions = ("mcp_sessions_total", (("instance", target.address), ("job", "mcp-sidecar")))
    await_equal(lambda: running.collector.samples().get(sessions), 2)
    assert running.collector.errors() == []


def test_truncated_page_does_not_affect_other_targets(target: Target, upstream: Stub, proxy, stack) -> None:
    """A target with an invalid page counts as down and does not affect the others."""
    sidecar = proxy(upstream.port)
    upstream.on("/mcp", answers(200, RESULT))
    target.page = 'mcp_tool_calls_total{tool_name="brok'
    running = stack([target.address, sidecar.instance])
    sidecar.call("forecast", 2)
    running.prometheus.await_value(CALLS, 2)
    running.prometheus.await_value(f'up{{instance="{target.address}"}}', 0)
    assert running.prometheus.query(f'mcp_tool_calls_total{{instance="{target.address}"}}') == []
    assert [line for line in running.collector.log_lines("warn") if target.address in line]


def test_endless_page_does_not_affect_other_targets(target: Target, upstream: Stub, proxy, stack) -> None:
    """A page has a size limit, because the memory limiter acts only on data that was read."""
    sidecar = proxy(upstream.port)
    target.page = "# a page of nothing but comments\n" * 1_100_000 + "mcp_sessions_total 1\n"
    running = stack([target.address, sidecar.instance])
    sidecar.call("forecast", 2)
    running.prometheus.await_value(CALLS, 2)
    running.prometheus.await_value(f'up{{instance="{target.address}"}}', 0)
    assert running.prometheus.query(f'mcp_sessions_total{{instance="{target.address}"}}') == []
    assert [line for line in running.collector.log_lines("warn") if target.address in line]
