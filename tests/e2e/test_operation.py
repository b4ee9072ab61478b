"""Operation of the sidecar: invalid settings are refused by name, a drain loses no response, and the launcher ends with Envoy."""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from support.cases import CALL, RESULT, answers, held_stream, rpc
from support.client import JSON, Connection
from support.exchange import Ledger
from support.plain_envoy import PlainEnvoy, bootstrap_of, command, every, set_plugin_configuration, snippet
from support.processes import Process, free_port, wait_for
from support.series import series
from support.sidecar import WORKERS, Sidecar, launch, probe
from support.stub import Stub

BAD_CONFIG = {
    "server_name": "not a name",
    "server_name_from": "somewhere",
    "paths": "/mcp",
    "labels": {"resource_uri": "everything", "client_name": True, "colour": 1},
    "limits": {"tool_names": -1, "label_bytes": "many"},
    "extra_methods": [1],
    "filter_state": "yes",
    "availability": "maybe",
    "unheard_of": True,
}
BAD_PATHS = [
    "server_name", "server_name_from", "paths", "labels.resource_uri", "labels.client_name", "labels.colour",
    "limits.tool_names", "limits.label_bytes", "extra_methods", "filter_state", "availability", "unheard_of",
]


def named(output: str, path: str) -> bool:
    """Whether a line has this field. The path may be longer, as in `extra_methods[0]`."""
    return any(f"{path}{after}" in output for after in (":", " ", "[", "`", '"', "'"))


def test_plugin_configuration_is_refused_by_the_launcher(logs: Path) -> None:
    config = logs / "bad.json"
    config.write_text(json.dumps(BAD_CONFIG))
    ran = launch(logs / "bad-config.log", MCP_UPSTREAM_URL="http://127.0.0.1:1", MCP_FILTER_CONFIG=str(config))
    assert ran.wait() == 2
    assert [path for path in BAD_PATHS if not named(ran.log(), path)] == []
    checked = subprocess.run([os.environ["MCP_SIDECAR"], "check", config], capture_output=True, text=True, timeout=90)
    assert checked.returncode == 2
    assert [path for path in BAD_PATHS if not named(checked.stdout + checked.stderr, path)] == []


def test_plugin_configuration_is_refused_by_the_filter(stub_sidecar: Sidecar, logs: Path) -> None:
    """Without the launcher's check Envoy itself does not start, and its log has every field."""
    bootstrap = bootstrap_of(stub_sidecar)
    set_plugin_configuration(bootstrap, json.dumps(BAD_CONFIG))
    refused = Process(command(bootstrap, logs / "refused.json"), logs / "refused.log")
    try:
        assert refused.wait() == 1
        assert [path for path in BAD_PATHS if not named(refused.log(), path)] == []
    finally:
        refused.stop()


@pytest.mark.parametrize("text", ["", "{}"], ids=["absent", "empty"])
def test_plugin_configuration_may_be_left_out(text: str, stub: Stub, stub_sidecar: Sidecar, logs: Path) -> None:
    bootstrap = bootstrap_of(stub_sidecar)
    set_plugin_configuration(bootstrap, text)
    check_plain(PlainEnvoy(bootstrap, "upstream", logs, "defaults"), stub)


@pytest.mark.parametrize("form", ["json", "struct"])
def test_snippet_of_the_documentation(stub: Stub, logs: Path, form: str) -> None:
    """envoy/snippet.yaml as it is in the repository, and with a configuration as a Struct."""
    bootstrap = snippet(stub.port)
    (plugin,) = every(bootstrap, "vm_config")
    configuration = json.loads(plugin["configuration"]["value"])
    if form == "struct":
        plugin["configuration"] = {"@type": "type.googleapis.com/google.protobuf.Struct", "value": configuration}
    check_plain(PlainEnvoy(bootstrap, configuration["server_name"], logs, f"snippet-{form}"), stub)


@pytest.mark.parametrize(("source", "name"), [("cluster", "mcp_server"), ("workload", "orders")])
def test_the_servers_name_from_envoy(stub: Stub, logs: Path, source: str, name: str) -> None:
    bootstrap = snippet(stub.port)
    bootstrap["node"] = {"id": "proxy", "cluster": "proxies", "metadata": {"WORKLOAD_NAME": "orders"}}
    set_plugin_configuration(bootstrap, json.dumps({"server_name_from": source}))
    check_plain(PlainEnvoy(bootstrap, name, logs, f"named-{source}"), stub)


def check_plain(envoy: PlainEnvoy, stub: Stub) -> None:
    """A call on each worker is counted in all series, and `mcp_upstream_available` is 1."""
    try:
        stub.on("/fine", answers(200, RESULT))
        ledger = Ledger()
        for connection in envoy.connections(ledger):
            with connection:
                connection.post(CALL, target="/fine")
        envoy.expected.gauges[series("mcp_upstream_available", server_name=envoy.server_name)] = 1
        envoy.check(ledger)
    finally:
        envoy.stop()


BAD_SETTINGS = {
    "MCP_UPSTREAM_URL": "ftp://user:topsecret@host/",
    "MCP_UPSTREAM_NAME": "no spaces allowed",
    "MCP_UPSTREAM_TIMEOUT_MS": "-5",
    "MCP_UPSTREAM_HOST_HEADER": "maybe",
    "PORT": "0",
    "PROBE_PORT": "70000",
    "HOST": "nowhere.example",
    "ADMIN_PORT": "x",
    "CONCURRENCY": "none",
    "LOG_LEVEL": "loud",
    "MCP_FILTER_CONFIG": "/nonexistent/config.json",
    "MCP_FILTER_WASM": "/nonexistent/filter.wasm",
    "ENVOY_BIN": "/nonexistent/envoy",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense",
}


def test_environment_is_refused(logs: Path) -> None:
    ran = launch(logs / "bad-environment.log", **BAD_SETTINGS)
    assert ran.wait() == 2
    output = ran.log()
    assert [name for name in BAD_SETTINGS if f"{name}" not in output] == []
    assert "topsecret" not in output
    assert len(output.splitlines()) == len(BAD_SETTINGS), "one line per problem"


@pytest.mark.parametrize("settings", [{}, {"MCP_UPSTREAM_URL": ""}], ids=["missing", "empty"])
def test_upstream_is_required(settings: dict[str, str], logs: Path) -> None:
    ran = launch(logs / "no-upstream.log", **settings)
    assert ran.wait() == 2
    assert "MCP_UPSTREAM_URL" in ran.log()


def test_drain_loses_no_running_answer(stub: Stub, logs: Path) -> None:
    """SIGTERM while responses are incomplete on both workers: they end normally, idle streams do not delay the exit, and the status
    is 0."""
    go_on = threading.Event()
    stub.on("/quiet", lambda request, wire: (wire.begin("text/event-stream"), wire.until_gone()))
    stub.on("/unfinished", held_stream(go_on))
    sidecar = Sidecar(stub.port, logs, "drained")
    try:
        ledger = Ledger()
        idle = open_streams(sidecar, ledger)
        running = sidecar.connections(ledger)
        rests = []
        for connection in running:
            connection.send("POST", "/unfinished", JSON, CALL)
            connection.head()
            rests.append(connection.pieces())
            next(rests[-1])
        sidecar.process.terminate()
        wait_for("the sidecar to say that it drains", lambda: probe(sidecar.probe_port, "/ready") != 200)
        assert sidecar.process.running(), "it exits before its answers are done"
        go_on.set()
        for connection, rest in zip(running, rests):
            assert RESULT in b"".join(rest)
            assert connection.message.complete
        assert sidecar.process.wait() == 0
        for connection in [*idle, *running]:
            connection.close()
    finally:
        sidecar.stop()


def open_streams(sidecar: Sidecar, ledger: Ledger) -> list[Connection]:
    """Opens a GET stream and a subscription on each worker, which do not end by themselves."""
    streams = []
    listen = rpc("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    modern = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "subscriptions/listen")]
    for verb, headers, body in (("GET", [("Mcp-Session-Id", "s")], b""), ("POST", modern, listen)):
        for connection in sidecar.connections(ledger):
            connection.send(verb, "/quiet", [*JSON, *headers], body)
            connection.head()
            streams.append(connection)
    return streams


def test_drain_refuses_new_connections_and_closes_idle_ones(stub: Stub, logs: Path) -> None:
    stub.on("/fine", answers(200, RESULT))
    sidecar = Sidecar(stub.port, logs, "idle")
    try:
        connections = sidecar.connections()
        for connection in connections:
            connection.post(CALL, target="/fine")
        sidecar.process.terminate()
        assert sidecar.process.wait() == 0
        for connection in connections:
            assert connection.source.read(1) == b""
            connection.close()
    finally:
        sidecar.stop()


def test_envoys_end_is_the_launchers_end(stub: Stub, logs: Path) -> None:
    sidecar = Sidecar(stub.port, logs, "killed")
    try:
        children = Path(f"/proc/{sidecar.process.pid}/task/{sidecar.process.pid}/children").read_text().split()
        assert len(children) == 1
        os.kill(int(children[0]), signal.SIGKILL)
        assert sidecar.process.wait() == 128 + signal.SIGKILL
    finally:
        sidecar.stop()


def test_probe_port(stub: Stub, stub_sidecar: Sidecar) -> None:
    """The probe port has four paths, which the MCP port does not have."""
    assert probe(stub_sidecar.probe_port, "/ready") == 200
    wait_for("the upstream to be healthy", lambda: probe(stub_sidecar.probe_port, "/health") == 200)
    assert "mcp_filter_info" in stub_sidecar.metrics()
    assert probe(stub_sidecar.probe_port, "/") == 200
    for path in ("/page.html", "/stats", "/config_dump", "/quitquitquit", "/metrics/", "/readyz"):
        assert probe(stub_sidecar.probe_port, path) == 404
    stub.on("/ready", answers(200, b"from the server", "text/plain"))
    with Connection(stub_sidecar.port) as connection:
        connection.send("GET", "/ready")
        assert connection.receive().body == b"from the server"
    stub_sidecar.expected.stream()
    assert WORKERS == len(stub_sidecar.accepted())


def test_health_follows_the_upstream(logs: Path) -> None:
    """The server is reachable, then not, then again. The probe shows it without MCP traffic."""
    # The kernel gives this port to no other connection while nothing listens.
    stub = Stub(free_port())
    sidecar = Sidecar(stub.port, logs, "health")
    try:
        wait_for("health", lambda: probe(sidecar.probe_port, "/health") == 200)
        stub.close()
        wait_for("the end to be noticed", lambda: probe(sidecar.probe_port, "/health") == 503)
        stub = Stub(stub.port)
        wait_for("the return to be noticed", lambda: probe(sidecar.probe_port, "/health") == 200)
        assert not stub.requests
    finally:
        sidecar.stop()
        stub.close()
