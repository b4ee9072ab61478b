"""Invalid data in a scrape and in the OTLP receivers, and a full disk."""

import gzip
import re
import socket
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from harness.backend import Backend
from harness.http import answers, post, post_json
from harness.pipeline import DEADLINE, Collector, await_equal
from harness.target import Target
from support import http2
from support.exchange import Ledger
from support.processes import wait_for
from support.stub import Stub

NAMES = ["plain", 'quo"te', "back\\slash", "line\nend", "brace}{", "comma,equals=", "δοκιμή", "天気予報", "🌦️", "a" * 128, "le", "$$", "${env:HOME}", "%s"]
TOOLS = 200


def escaped(value: str) -> str:
    """A label value in the text format."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def test_label_values_of_a_scrape_pass_unchanged(target: Target, stack) -> None:
    lines = ["# TYPE mcp_tool_calls_total counter"]
    lines += [f'mcp_tool_calls_total{{tool_name="{escaped(name)}",status="ok",error_type=""}} {number}' for number, name in enumerate(NAMES, 1)]
    target.page = "\n".join(lines) + "\n"
    prometheus = stack([target.address]).prometheus
    prometheus.await_value("count(mcp_tool_calls_total)", len(NAMES))
    found = {labels["tool_name"]: value for labels, value in prometheus.await_series("mcp_tool_calls_total")}
    assert found == {name: number for number, name in enumerate(NAMES, 1)}


def test_tools_with_hostile_names_and_too_many_of_them(upstream: Stub, proxy, stack) -> None:
    """Prometheus has the label values as the filter made them in a real Envoy, and the budget is kept."""
    sidecar = proxy(upstream.port, config={"limits": {"tool_names": TOOLS}})
    running = stack([sidecar.instance])
    for name in NAMES:
        sidecar.call(name)
    for number in range(TOOLS):
        sidecar.call(f"tool-{number:03}")
    prometheus = running.prometheus
    prometheus.await_value('sum(mcp_tool_calls_total{status="ok"})', len(NAMES) + TOOLS)
    found = {labels["tool_name"] for labels, _ in prometheus.await_series("mcp_tool_calls_total")}
    assert {"plain", "quo_te", "back_slash", "line_end", "brace}{", "δοκιμή", "天気予報", "🌦️", "other"} <= found
    prometheus.await_value('sum(mcp_tool_calls_total{tool_name="other",status="ok"})', len(NAMES))
    prometheus.await_value('mcp_labels_overflowed_total{label="tool_name"}', len(NAMES))
    assert running.collector.errors() == []


def well_formed(number: int) -> dict:
    point = {"asInt": str(number), "timeUnixNano": "1", "attributes": []}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "probe", "gauge": {"dataPoints": [point]}}]}]}]}


# Body with the signal's list, content type, and expected status.
GARBAGE = [
    ("", "application/x-protobuf", 200),
    ("\xff" * 4096, "application/x-protobuf", 400),
    ("\x0a\xff\xff\xff\xff\x0f", "application/x-protobuf", 400),
    ("{", "application/json", 400),
    ('{"LIST":7}', "application/json", 400),
    ('{"LIST":[{}]}', "application/json", 200),
    ("[" * 100_000, "application/json", 400),
    ("x", "text/html", 415),
]
# Compressed bodies: truncated, not compressed, and 100 MiB of spaces.
COMPRESSED = [gzip.compress(b"x" * 100_000)[:40], b"plain", gzip.compress(b" " * (100 << 20))]
SIGNALS = {"metrics": "resourceMetrics", "traces": "resourceSpans", "logs": "resourceLogs"}
FILLED = {"traces": ("scopeSpans", "spans"), "logs": ("scopeLogs", "logRecords")}


@pytest.fixture
def collector(tmp_path: Path):
    running: list[Collector] = []

    def start(*arguments, **settings) -> Collector:
        running.append(Collector(tmp_path / f"collector-{len(running)}", *arguments, **settings))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def test_invalid_otlp_data_is_refused_and_logged(collector) -> None:
    """Invalid data is refused or ignored, and the log has the number. Valid data before, between and after it passes."""
    running = collector([])
    for number, (text, content_type, status) in enumerate(GARBAGE):
        for signal, name in SIGNALS.items():
            body = text.replace("LIST", name).encode("latin-1")
            assert post(running.url("otlp_http", f"/v1/{signal}"), body, content_type) == status, (text[:40], signal)
        for port in ("otlp_http", "otlp_grpc"):
            with socket.create_connection(("127.0.0.1", running.ports[port])) as connection:
                connection.sendall(b"\x00" * 64 + body[:1000] + b"\r\n\r\n")
        assert post_json(running.url("otlp_http", "/v1/metrics"), well_formed(number)) == 200
        wait_for("the well-formed one", lambda: running.samples().get(("probe", ())) == number, DEADLINE)
    for body in COMPRESSED:
        for signal in SIGNALS:
            assert post(running.url("otlp_http", f"/v1/{signal}"), body, "application/json", "gzip") == 400
    wait_for("the collector to serve", lambda: answers(running.url("health")), DEADLINE, running.process)
    refused = Counter(status for *_, status in GARBAGE if status != 200) + Counter({400: len(COMPRESSED)})
    refused = {status: number * len(SIGNALS) for status, number in refused.items()}
    wait_for("every refusal in the log", lambda: told(running) == refused, DEADLINE)
    assert_silent(running)
    # Values of a client, such as the Host header, are no labels of the collector's own metrics.
    labels = {label for (name, pairs) in running.samples("own") if name.startswith(("http_", "rpc_")) for label, _ in pairs}
    assert labels == {"http_response_status_code", "http_route", "le"}


def told(running: Collector) -> Counter[int]:
    """The number of refused HTTP requests in the log, by status. A request with invalid compression has no route there."""
    pattern = r"^OTLP_requests_refused\{http_response_status_code=(\d+)(?:,http_route=/v1/\w+)?\} (\d+)$"
    found: Counter[int] = Counter()
    for status, number in re.findall(pattern, running.log.read_text(errors="replace"), re.MULTILINE):
        found[int(status)] += int(number)
    return found


def test_invalid_grpc_message_is_logged(collector) -> None:
    """A gRPC message that is not valid protobuf."""
    running = collector([])
    method = "opentelemetry.proto.collector.trace.v1.TraceService/Export"
    headers = [("content-type", "application/grpc"), ("te", "trailers")]
    # The frame of an uncompressed message of two bytes.
    body = b"\0\0\0\0\2\xff\xff"
    with socket.create_connection(("127.0.0.1", running.ports["otlp_grpc"]), timeout=DEADLINE) as wire:
        answer = http2.exchange(wire, Ledger(), "POST", f"/{method}", headers, [body])
    assert ("grpc-status", "13") in [*answer.head.headers, *answer.trailers]
    line = f"\nOTLP_requests_refused{{rpc_method={method},rpc_response_status_code=INTERNAL}} 1\n"
    wait_for("a line", lambda: line in running.log.read_text(errors="replace"), DEADLINE)


def test_valid_data_logs_nothing(collector) -> None:
    running = collector([])
    assert post_json(running.url("otlp_http", "/v1/metrics"), well_formed(1)) == 200
    # It is counted after it is answered.
    await_equal(lambda: running.own("http_server_request_duration_count"), 1)
    assert_silent(running)


def assert_silent(running: Collector) -> None:
    """Checks that nothing is logged during three reports of counts. Each scrape has five series of its own. On a busy machine one may
    reach its timeout, which is logged."""
    def said() -> list[str]:
        return [line for line in running.log.read_text(errors="replace").splitlines() if "Failed to scrape Prometheus endpoint" not in line]

    before = said()
    enough = running.own("otelcol_receiver_accepted_metric_points") + 3 * 5
    wait_for("three more looks", lambda: running.own("otelcol_receiver_accepted_metric_points") >= enough, DEADLINE)
    assert said() == before


def gauge(name: str, resource: dict) -> dict:
    """An OTLP document with a gauge."""
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in resource.items()]
    metric = {"name": name, "gauge": {"dataPoints": [{"asInt": "3", "timeUnixNano": "1"}]}}
    return {"resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": [{"metrics": [metric]}]}]}


@pytest.mark.parametrize("name", ["mcp_sessions_total", "mcp.sessions/total"])
def test_a_metric_by_otlp_does_not_hide_a_sidecars(target: Target, collector, name: str) -> None:
    """Not with another type, and not with the resource of that sidecar. The metric is kept under another name."""
    target.page = "# TYPE mcp_sessions_total counter\nmcp_sessions_total 7\n"
    running = collector([target.address])
    counter = ("mcp_sessions_total", (("instance", target.address), ("job", "mcp-sidecar")))
    wait_for("the sidecar's", lambda: running.samples().get(counter) == 7, DEADLINE)
    for resource in ({}, {"service.name": "mcp-sidecar", "service.instance.id": target.address}):
        assert post_json(running.url("otlp_http", "/v1/metrics"), gauge(name, resource)) == 200

    def others() -> list[float]:
        return [value for (family, _), value in running.samples().items() if family == "otlp_mcp_sessions_total"]

    wait_for("the others", lambda: others() == [3, 3], DEADLINE)
    # The exporter reads its metrics in random order. After a scrape that reached its timeout the sidecar's are away.
    pages = [running.samples() for _ in range(20)]
    up = ("up", counter[1])
    assert {page.get(counter) for page in pages if page.get(up) == 1} == {7}
    assert running.errors() == []


@pytest.mark.parametrize(("name", "shown"), [
    ("up", "otlp_up"), ("up.", "otlp_up"), ("target..info", "otlp_target_info"), ("scrape_duration", "otlp_scrape_duration"),
    ("/mcp/calls", "otlp__mcp_calls"), ("envoy.server.uptime", "otlp_envoy_server_uptime"),
    ("mcp.server.operation.duration", "mcp_server_operation_duration"), ("uptime", "uptime"), ("my_mcp_calls", "my_mcp_calls"),
])
def test_names_by_otlp(collector, name: str, shown: str) -> None:
    """Names of sidecars' metrics and of their scrapes are changed. Those of the conventions and all others are not."""
    running = collector([])
    assert post_json(running.url("otlp_http", "/v1/metrics"), gauge(name, {})) == 200
    wait_for(shown, lambda: running.samples().get((shown, ())) == 3, DEADLINE)


def test_collector_above_its_memory_limit_refuses_every_signal(collector) -> None:
    """The status makes the sender keep the data and retry. The collector still serves the data that it has."""
    running = collector([], COLLECTOR_MEMORY_MIB="121")
    for signal, name in SIGNALS.items():
        document = well_formed(1) if signal == "metrics" else {name: [{FILLED[signal][0]: [{FILLED[signal][1]: [{}]}]}]}
        wait_for(f"{signal} to be refused", lambda: post_json(running.url("otlp_http", f"/v1/{signal}"), document) == 503, DEADLINE)
    wait_for("the page", lambda: answers(running.url("metrics", "/metrics")), DEADLINE, running.process)


TINY_DISK = "mount -t tmpfs -o size=256k tmpfs \"$1\" && shift && exec \"$@\""


def in_tiny_disk(directory: Path, command: list[str]) -> list[str]:
    """The command with a file system of 256 KiB at this directory."""
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", TINY_DISK, "sh", str(directory), *command]


def test_a_full_disk_of_the_queue(upstream: Stub, proxy, collector, backend: Backend, monkeypatch, tmp_path: Path) -> None:
    """Data without room is refused, so that the sender knows it. Prometheus is not affected, and later the export continues."""
    queue = tmp_path / "queue"
    queue.mkdir()
    if subprocess.run(in_tiny_disk(queue, ["true"]), check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("cannot run here: no user namespaces with mounts")
    monkeypatch.setattr("parts.collector_command", tiny(queue))
    sidecar = proxy(upstream.port)
    running = collector([sidecar.instance], backend=backend.url, COLLECTOR_STATE=str(queue))
    wait_for("an error in the log", lambda: [line for line in running.log_lines("error") if "no space left" in line], DEADLINE)
    sidecar.call("forecast", 3)
    wait_for("the calls on the page", lambda: 3 in [
        value for (name, labels), value in running.samples().items() if name == "mcp_tool_calls_total"], DEADLINE)
    backend.start()
    wait_for("the export to go on", lambda: [
        point for _, attributes, point in backend.metrics("mcp_tool_calls_total")
        if attributes["status"] == "ok" and point["asDouble"] == 3], DEADLINE)


def tiny(queue: Path):
    """The command line of the collector with the small disk."""
    import parts

    plain = parts.collector_command
    return lambda *arguments, **settings: in_tiny_disk(queue, plain(*arguments, **settings))
