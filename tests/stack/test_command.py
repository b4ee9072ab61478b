"""`make stack` itself: everything starts, and Prometheus says what the clients saw."""

import os
import subprocess
from pathlib import Path

from support.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("PORT", "PROBE_PORT", "ADMIN_PORT", "PROMETHEUS_PORT", "COLLECTOR_METRICS_PORT", "COLLECTOR_OWN_METRICS_PORT",
         "COLLECTOR_HEALTH_PORT", "COLLECTOR_OTLP_HTTP_PORT", "COLLECTOR_OTLP_GRPC_PORT")


def run(**settings: str) -> subprocess.CompletedProcess:
    environment = os.environ | {name: str(free_port()) for name in PORTS} | {"ONCE": "1"} | settings
    return subprocess.run([ROOT / "scripts/stack.sh"], env=environment, check=False, timeout=180, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_the_stack_starts_and_agrees_with_its_clients() -> None:
    done = run(OTEL_METRIC_EXPORT_INTERVAL="1000")
    assert done.returncode == 0, done.stdout
    rows = {line.split()[0]: line.split()[1:3] for line in done.stdout.splitlines() if line.startswith(("get_", "read_", "order_"))}
    # Three sessions each at two revisions, and what one of them calls: scripts/demo/session.py.
    assert rows == {"get_forecast": ["120", "0"], "get_radar": ["12", "0"], "order_report": ["12", "12"], "read_station": ["18", "18"]}
