"""`make stack`: all parts start, and Prometheus' counts equal the clients'."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from support.processes import free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("PORT", "PROBE_PORT", "ADMIN_PORT", "PROMETHEUS_PORT", "COLLECTOR_METRICS_PORT", "COLLECTOR_OWN_METRICS_PORT",
         "COLLECTOR_HEALTH_PORT", "COLLECTOR_OTLP_HTTP_PORT", "COLLECTOR_OTLP_GRPC_PORT")


def environment(**settings: str) -> dict[str, str]:
    return os.environ | {name: str(free_port()) for name in PORTS} | settings


def run(**settings: str) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "scripts/stack.sh"], env=environment(ONCE="1", **settings), check=False, timeout=400, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_the_stack_starts_and_agrees_with_its_clients(tmp_path: Path) -> None:
    done = run(OTEL_METRIC_EXPORT_INTERVAL="1000", STACK_STATE=str(tmp_path / "state"))
    assert done.returncode == 0, done.stdout
    rows = {line.split()[0]: line.split()[1:3] for line in done.stdout.splitlines() if line.startswith(("get_", "read_", "order_"))}
    # Three sessions in each of two protocol versions. scripts/demo/session.py has the calls of a session.
    assert rows == {"get_forecast": ["120", "0"], "get_radar": ["12", "0"], "order_report": ["12", "12"], "read_station": ["30", "30"]}
    # The columns of the tools are in alphabetical order.
    assert "field-agent                 2            20          2             2            15            2     40%" in done.stdout
    # The user of this client, and its failed operations. The resource of an unknown city is one of them.
    assert "cleo  field-agent           54      18  order_report 2, read_station 15, resources/read 1" in done.stdout
    kept = [str(tmp_path / "state" / name) for name in ("audit.jsonl", "spans.jsonl")]
    assert all(Path(name).stat().st_size for name in kept), done.stdout
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith(("audit log   ", "spans  "))] == kept
    assert "/api/v1/query" not in done.stdout, "the address of a part that ended"


def test_state_of_an_earlier_run_is_not_counted_again(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_text("{}\n")
    done = run(STACK_STATE=str(tmp_path))
    assert done.returncode == 2, done.stdout
    assert done.stdout.splitlines()[-1] == f"stack: STACK_STATE: '{tmp_path}' is not empty; allowed: a new or an empty directory"


def test_port_in_use_is_not_taken_for_a_part_of_the_stack() -> None:
    """Otherwise another process that uses the port would be used as the sidecar, and the table would show its traffic."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run(PROBE_PORT=port, OTEL_METRIC_EXPORT_INTERVAL="1000")
    assert done.returncode == 2, done.stdout
    assert done.stdout.splitlines()[-1] == f"stack: PROBE_PORT: port {port} is in use; allowed: a free port"


@pytest.mark.parametrize(("name", "value"), [("PROMETHEUS_PORT", "web"), ("PORT", "65536"), ("OTEL_METRIC_EXPORT_INTERVAL", "5s")])
def test_a_bad_setting_is_named(name: str, value: str) -> None:
    done = run(**{name: value})
    assert done.returncode == 2, done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"stack: {name}: '{value}' is not allowed; allowed: a number from ")


def children(mark: str) -> list[str]:
    """The command lines of the processes with this variable in their environment."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.parametrize(("line", "number"), [("Starting the sidecar", signal.SIGINT), ("Clients keep calling", signal.SIGHUP)])
def test_any_end_stops_all_parts(tmp_path: Path, line: str, number: int) -> None:
    """A signal during the start, a closed terminal, and a second signal."""
    output = tmp_path / "output"
    with output.open("wb") as file:
        running = subprocess.Popen([ROOT / "scripts/stack.sh"], stdout=file, stderr=file, start_new_session=True,
                                   env=environment(TMPDIR=str(tmp_path), OTEL_METRIC_EXPORT_INTERVAL="1000"))
    try:
        wait_for(line, lambda: line in output.read_text(errors="replace"), 120)
        assert len(children(str(tmp_path))) > 1
        for one in (number, signal.SIGTERM, signal.SIGINT):
            running.send_signal(one)
        assert running.wait(120) == 130, output.read_text(errors="replace")
        wait_for("the children to be gone", lambda: children(str(tmp_path)) == [])
    finally:
        running.kill()
