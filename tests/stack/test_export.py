"""The export to an OTLP backend is complete, also after an outage of the backend or a restart of the collector."""

import json
from pathlib import Path

import pytest

from harness.backend import Backend, attributes
from harness.http import post_json
from harness.pipeline import Collector
from harness.target import Target
from support.processes import wait_for
from support.stub import Stub

DEADLINE = 60.0


@pytest.fixture
def collector(tmp_path: Path):
    """`collector([address, …], backend=url)` starts a collector without Prometheus."""
    running: list[Collector] = []

    def start(targets: list[str], **settings) -> Collector:
        running.append(Collector(tmp_path / f"collector-{len(running)}", targets, **settings))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def log_of(text: str) -> dict:
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": text}}]}]}]}


def send_logs(collector: Collector, numbers: range) -> None:
    for number in numbers:
        assert post_json(collector.url("otlp_http", "/v1/logs"), log_of(f"record {number}")) == 200


def bodies(backend: Backend) -> list[str]:
    return sorted((record["body"]["stringValue"] for _, record in backend.logs()), key=lambda text: int(text.split()[1]))


def records(numbers: range) -> list[str]:
    return [f"record {number}" for number in numbers]


def test_metrics_by_otlp_have_the_conventions_names(upstream: Stub, proxy, collector, backend: Backend) -> None:
    backend.start()
    sidecar = proxy(upstream.port, config={"semconv": True})
    sidecar.call("forecast", 3)
    collector([sidecar.instance], backend=backend.url, OTEL_ENV="test", SERVICE_VERSION="2.0")
    name = "mcp.server.operation.duration"
    wait_for("the histogram to arrive", lambda: [point for *_, point in backend.metrics(name) if point["count"] == "3"], DEADLINE)
    resource, attributes, point = next(found for found in backend.metrics(name) if found[2]["count"] == "3")
    assert attributes == {"mcp.method.name": "tools/call", "gen_ai.tool.name": "forecast", "server_name": "weather"}
    assert point["unit"] == "s"
    assert point["explicitBounds"] == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]
    assert sum(map(int, point["bucketCounts"])) == 3
    assert resource["service.name"] == "mcp-sidecar"
    assert resource["service.instance.id"] == sidecar.instance
    assert resource["service.version"] == "2.0"
    assert resource["deployment.environment"] == "test"
    # The project's own names are the same as in Prometheus.
    wait_for("the project's own", lambda: [1 for _, attributes, _ in backend.metrics("mcp_tool_duration_seconds")
                                           if attributes.get("tool_name") == "forecast"], DEADLINE)
    assert not list(backend.metrics("mcp_server_operation_duration_seconds"))


def test_spans_and_logs_of_the_sidecar_arrive(upstream: Stub, proxy, collector, backend: Backend) -> None:
    backend.start()
    running = collector([], backend=backend.url)
    for port in ("otlp_http", "otlp_grpc"):
        protocol = "grpc" if port == "otlp_grpc" else "http/protobuf"
        sidecar = proxy(upstream.port, name=port.replace("_", "-"), OTEL_EXPORTER_OTLP_ENDPOINT=running.url(port),
                        OTEL_EXPORTER_OTLP_PROTOCOL=protocol, OTEL_SERVICE_NAME=f"by-{port}", OTEL_ENV="test")
        sidecar.call("forecast")

        def mine(entries):
            return [(resource, entry) for resource, entry in entries if resource.get("service.name") == f"by-{port}"]

        wait_for("span and log record", lambda: mine(backend.spans()) and mine(backend.logs()), DEADLINE)
        [(resource, span)] = mine(backend.spans())
        assert span["name"] == "tools/call forecast"
        assert resource["deployment.environment"] == "test"
        found = attributes(span)
        assert (found["gen_ai.tool.name"], found["mcp.status"]) == ("forecast", "ok")
        [(_, record)] = mine(backend.logs())
        assert record["traceId"] == span["traceId"]
        found = attributes(record)
        assert (found["gen_ai.tool.name"], found["http.response.status_code"]) == ("forecast", "200")
        assert "-" not in found.values()


def test_span_of_a_batch_has_the_number_of_its_requests(upstream: Stub, proxy, collector, backend: Backend) -> None:
    backend.start()
    running = collector([], backend=backend.url)
    sidecar = proxy(upstream.port, OTEL_EXPORTER_OTLP_ENDPOINT=running.url("otlp_http"))
    calls = [{"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": f"tool-{number}"}} for number in (1, 2, 3)]
    sidecar.post(json.dumps(calls).encode())
    sidecar.call("alone")
    wait_for("both spans", lambda: len(list(backend.spans())) == 2, DEADLINE)
    spans = {span["name"]: attributes(span) for _, span in backend.spans()}
    assert spans["tools/call tool-1"]["mcp.batch_size"] == "3"
    assert "mcp.batch_size" not in spans["tools/call alone"]


def test_an_outage_of_the_backend_loses_nothing(upstream: Stub, proxy, collector, backend: Backend) -> None:
    """Each log record arrives once, and every value that was scraped during the outage."""
    sidecar = proxy(upstream.port)
    running = collector([sidecar.instance], backend=backend.url)
    backend.start()
    send_logs(running, range(10))
    wait_for("the first records", lambda: bodies(backend) == records(range(10)), DEADLINE)
    backend.stop()
    send_logs(running, range(10, 60))
    for calls in range(1, 4):
        sidecar.call("forecast")
        wait_for("the call to be scraped", lambda: calls in calls_of(running), DEADLINE)
    assert "record 59" not in bodies(backend)
    backend.start()
    wait_for("every record", lambda: len(bodies(backend)) >= 60, DEADLINE)
    assert bodies(backend) == records(range(60))
    wait_for("every value", lambda: {1.0, 2.0, 3.0} <= values(backend), DEADLINE)
    assert running.own("otelcol_exporter_enqueue_failed_log_records") == 0
    assert running.own("otelcol_exporter_send_failed_log_records") == 0


def test_two_minutes_without_the_backend(target: Target, collector, backend: Backend) -> None:
    """Each scrape shows another number, and every number arrives that the collector has read."""
    target.page = "# TYPE mcp_sessions_total counter\nmcp_sessions_total {}\n".format
    running = collector([target.address], backend=backend.url)
    # One scrape a second.
    wait_for("two minutes of scrapes", lambda: target.scrapes >= 120, 180)
    assert not backend.requests()
    backend.start()
    # On a busy machine a scrape may reach its timeout; the number of that one is lost, and `up` tells it.
    wait_for("every scrape", lambda: len(set(range(1, 121)) - scraped(backend)) <= failed(backend), DEADLINE)
    assert running.own("otelcol_exporter_enqueue_failed_metric_points") == 0


def scraped(backend: Backend) -> set[float]:
    # After a scrape that failed there is a point without a value.
    return {point["asDouble"] for *_, point in backend.metrics("mcp_sessions_total") if "asDouble" in point}


def failed(backend: Backend) -> int:
    """How many scrapes failed."""
    return sum(point["asDouble"] == 0 for *_, point in backend.metrics("up"))


def calls_of(running: Collector) -> list[float]:
    return [value for (name, labels), value in running.samples().items()
            if name == "mcp_tool_calls_total" and ("status", "ok") in labels]


def values(backend: Backend) -> set[float]:
    return {point["asDouble"] for _, attributes, point in backend.metrics("mcp_tool_calls_total") if attributes.get("status") == "ok"}


def test_queued_data_survives_a_restart_of_the_collector(collector, backend: Backend) -> None:
    running = collector([], backend=backend.url)
    send_logs(running, range(30))
    # The batch is in the queue, not in memory before it.
    wait_for("the records to be queued", lambda: running.own("otelcol_processor_batch_batch_send_size_sum") >= 30, DEADLINE)
    running.stop()
    running.start()
    backend.start()
    wait_for("every record", lambda: len(bodies(backend)) >= 30, DEADLINE)
    assert bodies(backend) == records(range(30))


def test_backend_that_refuses_data_does_not_affect_prometheus(upstream: Stub, proxy, collector) -> None:
    """Prometheus gets everything although the backend refuses the data, and the log has the reason."""
    def refuse(_, wire) -> None:
        wire.answer(400, b"no", [("Content-Type", "text/plain")])

    refusing = Stub()
    for path in ("/v1/metrics", "/v1/logs"):
        refusing.on(path, refuse)
    try:
        sidecar = proxy(upstream.port)
        running = collector([sidecar.instance], backend=f"http://127.0.0.1:{refusing.port}")
        wait_for("an error in the log", lambda: [line for line in running.log_lines("error") if "400" in line], DEADLINE)
        sidecar.call("forecast", 2)
        wait_for("the calls on the page", lambda: 2 in calls_of(running), DEADLINE)
    finally:
        refusing.close()
