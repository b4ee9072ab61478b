"""Runs weather server, sidecar, collector, Prometheus, and clients that keep calling, without containers.

Prints tables from Prometheus and from the audit log and the addresses, and runs until Ctrl-C. `ONCE=1` ends after the tables, with
exit 1 if Prometheus' counts differ from the clients'. Called by scripts/stack.sh, which builds the programs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "demo"))

import parts
import prometheus
import tables
import who
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


def setting_of_state() -> str:
    """The directory that the user names for all files; empty if they are deleted at the end."""
    return os.environ.get("STACK_STATE", "")


@contextmanager
def state_directory() -> Iterator[Path]:
    """The directory of all files. Old files in it would change the counts of the audit log."""
    if not (given := setting_of_state()):
        with tempfile.TemporaryDirectory(prefix="mcp-stack-") as state:
            yield Path(state)
        return
    state = Path(given).resolve()
    try:
        state.mkdir(parents=True, exist_ok=True)
        used = any(state.iterdir())
    except OSError as error:
        raise StackError(f"STACK_STATE: {error}") from error
    if used:
        raise StackError(f"STACK_STATE: {given!r} is not empty; allowed: a new or an empty directory")
    yield state


class Stack:
    """All running parts, in the order of their start."""

    def __init__(self, state: Path, interval_ms: int, ports: dict[str, int]):
        self.state, self.interval_ms, self.ports = state, interval_ms, ports
        self.running: list[Process] = []
        self.audit, self.spans = state / "audit.jsonl", state / "spans.jsonl"

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
            MCP_FILTER_CONFIG=str(filter_config), OTEL_EXPORTER_OTLP_ENDPOINT=self.url("otlp_http"),
            MCP_AUDIT_LOG=str(self.audit), MCP_IDENTITY_HEADER="x-forwarded-user", MCP_IDENTITY_FORM="plain"))
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
        if not endpoint:
            environment |= {"SPANS_FILE": str(self.spans)}
            command.append(f"--config={Path(__file__).with_name('spans-to-file.yaml')}")
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
    """One round of real clients with two protocol versions. Returns the number of operations by method, tool and status."""
    here = Path(__file__).resolve().parents[1] / "demo"
    made: Counter = Counter()
    for python, program in ((os.environ["OLD_CLIENT_PYTHON"], "client_old.py"), (sys.executable, "client_new.py")):
        # In a separate session, so that Ctrl-C reaches only this program, which ends the client.
        done = subprocess.run([python, str(here / program), url], check=False, stdout=subprocess.PIPE,
                              timeout=CLIENT_SECONDS, text=True, start_new_session=True)
        if done.returncode:
            raise StackError(f"{program} ended with status {done.returncode}")
        for method, subject, status, _, count in json.loads(done.stdout)["operations"]:
            made[method, subject, status] += count
    return made


def tool_calls(made: Counter) -> Counter:
    """The number of tool calls by tool and status."""
    return Counter({(subject, status): count for (method, subject, status), count in made.items() if method == "tools/call"})


def counted(base: str, family: str) -> Counter:
    """The same counts, from a family in Prometheus."""
    found = prometheus.query(base, f"sum by (tool_name, status) ({family})")
    return Counter({(labels["tool_name"], labels["status"]): round(number) for labels, number in found if number})


def measured(base: str, expected: Counter) -> bool:
    """Whether the histograms of the tables have every call. Envoy shows a call in them up to a second after it counts it."""
    calls: Counter = Counter()
    for (tool, _), count in expected.items():
        calls[tool] += count
    return all({labels["tool_name"]: round(number) for labels, number in prometheus.query(base, f"sum by (tool_name) ({family}) > 0")} == calls
               for family in ("mcp_tool_duration_seconds_count", "mcp_tool_result_bytes_count"))


def await_counts(base: str, expected: Counter, begun: float) -> None:
    """Waits until Prometheus' counts equal the clients'."""
    deadline = time.monotonic() + TABLE_SECONDS
    while any((found := counted(base, family)) != expected for family in ("mcp_tool_calls_total", "mcp_client_tool_calls_total")) \
            or not measured(base, expected):
        if time.monotonic() > deadline:
            raise StackError(f"Prometheus' counts differ from the clients': {dict(found)}, expected {dict(expected)}")
        time.sleep(0.2)
    say(f"  Prometheus has every call, {time.monotonic() - begun:.1f} s after the last")


def show(stack: Stack) -> None:
    """Prints the addresses of all parts."""
    say(f"\nMCP server        {stack.url('mcp', '/mcp')}\n"
        f"sidecar           {stack.url('probe', '/metrics')}   /health  /ready\n"
        f"collector         {stack.url('metrics', '/metrics')}\n"
        f"  of itself       {stack.url('own', '/metrics')}\n"
        f"  OTLP            {stack.url('otlp_http')} (HTTP), 127.0.0.1:{stack.ports['otlp_grpc']} (gRPC)\n"
        f"Prometheus        {stack.url('prometheus')}/api/v1/query?query=mcp_requests_total")


def show_files(stack: Stack) -> None:
    """Prints where the files are, unless they end with this program."""
    kept, once = setting_of_state(), os.environ.get("ONCE") == "1"
    if kept or not once:
        say(f"audit log         {stack.audit}\n"
            f"spans             {os.environ.get('OTEL_EXPORTER_OTLP_ENDPOINT') or stack.spans}\n"
            f"logs              {stack.state}")
    if not kept:
        say("The audit log and all other files are deleted at the end. STACK_STATE=DIRECTORY keeps them.")


def show_users(stack: Stack, expected: int) -> None:
    """Which user did what. Waits until the audit log has every operation, and the trace of a call that failed is there."""
    deadline = time.monotonic() + TABLE_SECONDS
    with_spans = not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    while True:
        found = who.operations(stack.audit)
        failed = who.failed_call(found, stack.spans)
        if len(found) == expected and (failed or not with_spans):
            break
        if time.monotonic() > deadline:
            raise StackError(f"the audit log has {len(found)} operations, the clients made {expected}; a failed call with its span: {failed}")
        time.sleep(0.2)
    say(f"\nUsers, as the audit log tells:\n\n{who.users(found)}\n")
    if failed:
        say(f"A failed call in the audit log and in its trace (the collector hashes the user):\n\n{failed}\n")


def drive(stack: Stack) -> None:
    """One round and its tables; then more rounds until Ctrl-C, unless ONCE is set."""
    say("Client sessions on two revisions of MCP")
    base = stack.url("prometheus")
    made = run_clients(stack.url("mcp", "/mcp"))
    await_counts(base, tool_calls(made), time.monotonic())
    say(f"\nTools, as Prometheus tells:\n\n{tables.tools(base)}")
    say(f"\nTool calls of each client, as Prometheus tells:\n\n{tables.clients(base)}")
    show_users(stack, sum(made.values()))
    once = os.environ.get("ONCE") == "1"
    if not once:
        show(stack)
    show_files(stack)
    if once:
        return
    say("\nClients keep calling until Ctrl-C")
    while True:
        run_clients(stack.url("mcp", "/mcp"))
        time.sleep(PAUSE_SECONDS)


def run(stack: Stack) -> int:
    """Runs all parts to the end. Returns the exit status."""
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


def main() -> int:
    end_on_signals()
    try:
        interval_ms = setting("OTEL_METRIC_EXPORT_INTERVAL", 100, 600_000) or INTERVAL_MS
        ports = choose_ports()
        with state_directory() as state:
            return run(Stack(state, interval_ms, ports))
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 2


sys.exit(main())
