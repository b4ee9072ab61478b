"""CPU of one sidecar per small call: with metrics alone, with filter state, with the audit log, and with spans and logs by OTLP.

Called by scripts/bench-telemetry.sh. The sidecars take turns; each ratio is to the sidecar with metrics alone in the same round. The
calls come one after the other on one connection, so the ratios are lower bounds for a busy sidecar.
"""

import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts/demo"))

from report import table
from stack import Process, connects, free_ports

CALLS, WARM_UP = 1000, 500
CALL = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "get_weather", "arguments": {"city": "x" * 100}}})
ANSWER = json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"content": [{"type": "text", "text": "y" * 100}]}}).encode()
HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream",
           "mcp-session-id": "abcdef0123456789", "mcp-protocol-version": "2025-11-25"}


class Server(BaseHTTPRequestHandler):
    """The MCP server and the OTLP receiver."""

    protocol_version = "HTTP/1.1"
    # A response is one packet, so no call waits for an acknowledgement.
    wbufsize = 65536
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = ANSWER if self.path == "/mcp" else b""
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Sidecar:
    def __init__(self, upstream: str, settings: dict[str, str]) -> None:
        port, probe, admin = free_ports(3)
        environment = {"MCP_UPSTREAM_URL": upstream, "HOST": "127.0.0.1", "CONCURRENCY": "1", "PORT": str(port),
                       "PROBE_PORT": str(probe), "ADMIN_PORT": str(admin), "ENVOY_BIN": os.environ["ENVOY_BIN"],
                       "MCP_FILTER_WASM": os.environ["MCP_FILTER_WASM"], **settings}
        self.process = Process("mcp-sidecar", [os.environ["MCP_SIDECAR"], "run"], environment, Path(os.devnull))
        self.process.wait_until(lambda: connects(port), "it serves")
        children = Path(f"/proc/{self.process.child.pid}/task/{self.process.child.pid}/children")
        [self.envoy] = [int(pid) for pid in children.read_text().split()]
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def cpu(self) -> int:
        """Nanoseconds of all threads of Envoy."""
        tasks = Path(f"/proc/{self.envoy}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

    def call(self, times: int) -> float:
        """Microseconds of CPU per call."""
        before = self.cpu()
        for _ in range(times):
            self.connection.request("POST", "/mcp", CALL, HEADERS)
            if self.connection.getresponse().read() != ANSWER:
                raise SystemExit("a response is wrong")
        return (self.cpu() - before) / times / 1000


def variants(directory: Path, receiver: str) -> dict[str, dict[str, str]]:
    filter_state = directory / "filter.json"
    filter_state.write_text('{"filter_state": true}', encoding="utf-8")
    otlp = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver}
    return {
        "metrics alone": {},
        "filter state": {"MCP_FILTER_CONFIG": str(filter_state)},
        "audit log": {"MCP_AUDIT_LOG": str(directory / "audit.jsonl")},
        "spans and logs by OTLP": otlp,
        "the same, a tenth sampled": otlp | {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
    }


def main() -> None:
    rounds = int(os.environ.get("ROUNDS", "10"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    with tempfile.TemporaryDirectory() as directory:
        sidecars = {name: Sidecar(address, settings) for name, settings in variants(Path(directory), address).items()}
        try:
            for sidecar in sidecars.values():
                sidecar.call(WARM_UP)
            times: dict[str, list[float]] = {name: [] for name in sidecars}
            for number in range(rounds):
                print(f"round {number + 1} of {rounds}", flush=True)
                for name, sidecar in sidecars.items():
                    times[name].append(sidecar.call(CALLS))
        finally:
            for sidecar in sidecars.values():
                sidecar.process.stop()
    rows = []
    for name, of in times.items():
        ratios = [each / base for each, base in zip(of, times["metrics alone"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        rows.append([name, f"{statistics.median(of):.0f}", f"{middle:.2f} ({low:.2f}-{high:.2f})"])
    print(table(["sidecar", "us per call", "to metrics alone"], rows, {1, 2}))


main()
