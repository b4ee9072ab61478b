"""Runs weather server, sidecar, collector, Prometheus, and clients that keep calling, without containers.

Prints the addresses and a table from Prometheus, and runs until Ctrl-C. `ONCE=1` ends after the table, with exit 1 if Prometheus'
counts differ from the clients'. Called by scripts/stack.sh, which builds the programs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "demo"))

import parts
import prometheus
from report import table
from stack import Process, StackError, answers, connects, end_on_signals, free_ports, start_sidecar, start_weather

DEFAULT_PORTS = {
    "mcp": ("PORT", 4000),
    "probe": ("PROBE_PORT", 9902),
    "admin": ("ADMIN_PORT", 9901),
    "prometheus": ("PROMETHEUS_PORT", 9090),
    "metrics": ("COLLECTOR_METRICS_PORT", 8889),
    "own": ("COLLECTOR_OWN_METRICS_PORT", 8888),
    "health": ("COLLECTOR_HEALTH_PORT", 13133),
    "otlp_http": ("COLLECTOR_OTLP_HTTP_PORT", 4318),
    "otlp_grpc": ("COLLECTOR_OTLP_GRPC_PORT", 4317),
}
INTERVAL_MS = 5000
CLIENT_SECONDS = 120
TABLE_SECONDS = 60
PAUSE_SECONDS = 2


def choose_ports() -> dict[str, int]:
    """The port in the environment; else the default, or a free port if the default is in use."""
    spare = free_ports(len(DEFAULT_PORTS))
    ports = {}
    for (name, (variable, default)), other in zip(DEFAULT_PORTS.items(), spare, strict=True):
        given = setting(variable, 1, 65535)
        # Otherwise the process that has the port would be taken for the part that starts now.
        if given and connects(given):
            raise StackError(f"{variable}: port {given} is in use; allowed: a free port")
        ports[name] = given or (other if connects(default) else default)
    return ports


def setting(variable: str, least: int, most: int) -> int | None:
    """A number in the environment, or the default."""
    text = os.environ.get(variable, "")
    if not text:
        return None
    if not text.isdecimal() or not least <= int(text) <= most:
        raise StackError(f"{variable}: {text!r} is not allowed; allowed: a number from {least} to {most}")
    return int(text)


class Stack:
    """All running parts, in the order of their start."""

    def __init__(self, state: Path, interval_ms: int, ports: dict[str, int]):
        self.state, self.interval_ms, self.ports = state, interval_ms, ports
        self.running: list[Process] = []

    def url(self, port: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def start(self) -> None:
        """Starts all parts; all are ready when this returns."""
        [upstream] = free_ports(1)
        filter_config = self.state / "filter.json"
        filter_config.write_text(json.dumps({"semconv": True, "labels": {"client_name": "tools"}}), encoding="utf-8")
        say("Starting the weather server")
        self.running.append(start_weather(upstream))
        say("Starting the sidecar")
        self.running.append(start_sidecar(
            upstream, self.ports["mcp"], self.ports["probe"], self.ports["admin"],
            MCP_FILTER_CONFIG=str(filter_config), OTEL_EXPORTER_OTLP_ENDPOINT=self.url("otlp_http")))
        say("Starting the collector")
        self.start_collector()
        say("Starting Prometheus")
        self.start_prometheus()

    def start_collector(self) -> None:
        targets = [f"127.0.0.1:{self.ports['probe']}"]
        environment = parts.collector_environment(self.ports, targets, self.interval_ms)
        endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
        if endpoint:
            environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "COLLECTOR_STATE": str(self.state / "queue")}
        command = parts.collector_command(os.environ["COLLECTOR_BIN"], export=bool(endpoint))
        self.serve("collector", command, environment, self.url("health"))

    def start_prometheus(self) -> None:
        config = parts.write_prometheus_config(self.state / "prometheus", self.ports, self.interval_ms)
        data = self.state / "prometheus/data"
        command = parts.prometheus_command(os.environ["PROMETHEUS_BIN"], config, data, self.ports["prometheus"])
        self.serve("prometheus", command, {}, self.url("prometheus", "/-/ready"))

    def serve(self, name: str, command: list[str], environment: dict[str, str], ready: str) -> None:
        """Starts one part, with a separate log, and waits until it is ready."""
        log = self.state / f"{name}.log"
        process = Process(name, command, environment, log)
        self.running.append(process)
        try:
            process.wait_until(lambda: answers(ready), "serving")
        except StackError as error:
            raise StackError(f"{error}\n{log.read_text(errors='replace')[-2000:]}") from error

    def stop(self) -> None:
        for process in reversed(self.running):
            process.stop()


def say(text: str) -> None:
    print(text, flush=True)


def run_clients(url: str) -> Counter:
    """One round of real clients with two protocol versions. Returns the number of calls by tool and status."""
    here = Path(__file__).resolve().parents[1] / "demo"
    calls: Counter = Counter()
    for python, program in ((os.environ["OLD_CLIENT_PYTHON"], "client_old.py"), (sys.executable, "client_new.py")):
        # In a separate session, so that Ctrl-C reaches only this program, which ends the client.
        done = subprocess.run([python, str(here / program), url], check=False, stdout=subprocess.PIPE,
                              timeout=CLIENT_SECONDS, text=True, start_new_session=True)
        if done.returncode:
            raise StackError(f"{program} ended with status {done.returncode}")
        for method, tool, status, _, count in json.loads(done.stdout)["operations"]:
            if method == "tools/call":
                calls[tool, status] += count
    return calls


def counted(base: str) -> Counter:
    """The same counts, from Prometheus."""
    found = prometheus.query(base, "sum by (tool_name, status) (mcp_tool_calls_total)")
    return Counter({(labels["tool_name"], labels["status"]): round(number) for labels, number in found if number})


def await_counts(base: str, expected: Counter, begun: float) -> None:
    """Waits until Prometheus' counts equal the clients'."""
    deadline = time.monotonic() + TABLE_SECONDS
    while (found := counted(base)) != expected:
        if time.monotonic() > deadline:
            raise StackError(f"Prometheus' counts differ from the clients': {dict(found)}, expected {dict(expected)}")
        time.sleep(0.2)
    say(f"  Prometheus has every call, {time.monotonic() - begun:.1f} s after the last")


def tools_table(base: str) -> str:
    """One row per tool, from Prometheus only."""
    def by_tool(expression: str) -> dict[str, float]:
        return {labels["tool_name"]: number for labels, number in prometheus.query(base, expression)}

    def quantile(share: float) -> dict[str, float]:
        return by_tool(f"histogram_quantile({share}, sum by (tool_name, le) (mcp_tool_duration_seconds_bucket))")

    calls = by_tool("sum by (tool_name) (mcp_tool_calls_total)")
    failed = by_tool('sum by (tool_name) (mcp_tool_calls_total{status="error"})')
    middle, late = quantile(0.5), quantile(0.95)
    size = by_tool("sum by (tool_name) (mcp_tool_result_bytes_sum) / sum by (tool_name) (mcp_tool_result_bytes_count)")
    rows = [[tool, f"{calls[tool]:.0f}", f"{failed.get(tool, 0):.0f}", f"{middle[tool] * 1000:.1f} ms",
             f"{late[tool] * 1000:.1f} ms", f"{size[tool] / 1000:.1f} kB"]
            for tool in sorted(calls) if calls[tool]]
    return table(["tool", "calls", "errors", "p50", "p95", "mean result"], rows, {1, 2, 3, 4, 5})


def show(stack: Stack) -> None:
    """Prints the addresses of all parts."""
    say(f"\nMCP server        {stack.url('mcp', '/mcp')}\n"
        f"sidecar           {stack.url('probe', '/metrics')}   /health  /ready\n"
        f"collector         {stack.url('metrics', '/metrics')}\n"
        f"  of itself       {stack.url('own', '/metrics')}\n"
        f"  OTLP            {stack.url('otlp_http')} (HTTP), 127.0.0.1:{stack.ports['otlp_grpc']} (gRPC)\n"
        f"Prometheus        {stack.url('prometheus')}/api/v1/query?query=mcp_requests_total\n"
        f"logs              {stack.state}\n")


def drive(stack: Stack) -> None:
    """One round and its table; then more rounds until Ctrl-C, unless ONCE is set."""
    say("Client sessions on two revisions of MCP")
    base = stack.url("prometheus")
    calls = run_clients(stack.url("mcp", "/mcp"))
    await_counts(base, calls, time.monotonic())
    say(f"\nTools, as Prometheus tells:\n\n{tools_table(base)}")
    show(stack)
    if os.environ.get("ONCE") == "1":
        return
    say("Clients keep calling until Ctrl-C")
    while True:
        run_clients(stack.url("mcp", "/mcp"))
        time.sleep(PAUSE_SECONDS)


def main() -> int:
    end_on_signals()
    try:
        interval_ms = setting("OTEL_METRIC_EXPORT_INTERVAL", 100, 600_000) or INTERVAL_MS
        ports = choose_ports()
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mcp-stack-") as state:
        stack = Stack(Path(state), interval_ms, ports)
        try:
            stack.start()
            drive(stack)
            return 0
        except (StackError, subprocess.TimeoutExpired, urllib.error.URLError, OSError) as error:
            print(f"stack: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            stack.stop()


sys.exit(main())
