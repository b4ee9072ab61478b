"""What the collector costs: CPU and memory while it scrapes sidecars every 10 s and Prometheus scrapes it.

    scripts/bench-collector.sh                20 sidecars of 500 series, 20 of 9,000, 200 of 1,056
    SECONDS_EACH=300 scripts/bench-collector.sh 200x1056

The sidecars are pages of the shape that Envoy gives: per tool two histograms and two counters, and as many lines of
Envoy's own as a real one shows. Every scrape finds other values. Prints one row per size.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "rules"), str(HERE.parents[1] / "scripts/pipeline")]

from core_tables import families
from harness.fleet import Fleet
from harness.pipeline import Stack
from support.processes import wait_for

# Sidecars and series of each.
SIZES = ("20x500", "20x9000", "200x1056")
INTERVAL_MS = 10_000
ENVOY_LINES = 1400
SERIES_PER_TOOL = 33
DURATIONS = families()["mcp_tool_duration_microseconds"].bounds
SIZES_OF_RESULTS = families()["mcp_tool_result_bytes"].bounds
PAGES = 4
SERVER = "server_name"


def histogram(name: str, labels: str, bounds: tuple[int, ...], count: int) -> list[str]:
    lines = [f'{name}_bucket{{{labels},le="{bound}"}} {min(count, number * count // 5)}' for number, bound in enumerate(bounds)]
    return [*lines, f'{name}_bucket{{{labels},le="+Inf"}} {count}', f"{name}_sum{{{labels}}} {count * 2500}",
            f"{name}_count{{{labels}}} {count}"]


def page(series: int, turn: int) -> str:
    """One scrape of any sidecar; `turn` moves every value."""
    tools = [f'tool_name="tool_{number}",server_name="{SERVER}"' for number in range(series // SERIES_PER_TOOL)]
    lines = ["# TYPE mcp_tool_duration_microseconds histogram"]
    for number, labels in enumerate(tools):
        lines += histogram("mcp_tool_duration_microseconds", labels, DURATIONS, 1000 * turn + number)
    lines.append("# TYPE mcp_tool_result_bytes histogram")
    for number, labels in enumerate(tools):
        lines += histogram("mcp_tool_result_bytes", labels, SIZES_OF_RESULTS, 1000 * turn + number)
    lines.append("# TYPE mcp_tool_calls_total counter")
    for number, labels in enumerate(tools):
        lines.append(f'mcp_tool_calls_total{{{labels},status="ok",error_type=""}} {1000 * turn + number}')
        lines.append(f'mcp_tool_calls_total{{{labels},status="error",error_type="tool_error"}} {turn}')
    for number in range(ENVOY_LINES):
        lines += [f"# TYPE envoy_other_{number} gauge", f'envoy_other_{number}{{envoy_cluster_name="{SERVER}"}} {turn}']
    return "\n".join(lines) + "\n"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int, name: str) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024


def limit() -> dict[str, str]:
    """Another limit than the default, to try."""
    mib = os.environ.get("COLLECTOR_MEMORY_MIB")
    return {"COLLECTOR_MEMORY_MIB": mib, "GOMEMLIMIT": f"{int(mib) * 4 // 5}MiB"} if mib else {}


def moving(sidecars: int, series: int) -> Fleet:
    """Sidecars that show other values in every interval, each under a name of its own."""
    turns = [page(series, turn) for turn in range(1, PAGES + 1)]

    def now(number: int) -> bytes:
        turn = int(time.monotonic()) // (INTERVAL_MS // 1000) % PAGES
        return turns[turn].replace(f'"{SERVER}"', f'"server_{number}"').encode()

    return Fleet(sidecars, now)


def measure(sidecars: int, series: int, seconds: int) -> str:
    fleet = moving(sidecars, series)
    with tempfile.TemporaryDirectory(prefix="mcp-bench-") as directory:
        stack = Stack(Path(directory), fleet.addresses, INTERVAL_MS, **limit())
        try:
            collector = stack.collector
            pid = collector.process.pid
            wait_for("two scrapes of each", lambda: min(fleet.scrapes) >= 2, 60)
            begun, spent = time.monotonic(), cpu_seconds(pid)
            resident = []
            while time.monotonic() < begun + seconds:
                time.sleep(1)
                resident.append(memory_mib(pid, "VmRSS"))
            share = (cpu_seconds(pid) - spent) / (time.monotonic() - begun)
            passed = stack.prometheus.value("count({__name__=~'mcp_.*'}) or vector(0)")
            down = stack.prometheus.value("count(up == 0) or vector(0)")
            refused = collector.own("otelcol_processor_memory_limiter_refused_metric_points")
            slowest = stack.prometheus.value("max(scrape_duration_seconds{job='collector'}) or vector(0)")
            return (f"| {sidecars} x {series} | {passed:.0f} | {share * 100:.1f} % | {sum(resident) / len(resident):.0f} MiB "
                    f"| {memory_mib(pid, 'VmHWM'):.0f} MiB | {slowest:.2f} s | {down:.0f} | {refused:.0f} "
                    f"| {memory_mib(stack.prometheus.process.pid, 'VmRSS'):.0f} MiB |")
        finally:
            stack.stop()
            fleet.close()


def main() -> None:
    seconds = int(os.environ.get("SECONDS_EACH") or 60)
    print("| sidecars x series | series in Prometheus | CPU of one core | memory, mean | memory, peak | page for Prometheus | targets down | points refused | memory of Prometheus |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size in sys.argv[1:] or SIZES:
        sidecars, _, series = size.partition("x")
        print(measure(int(sidecars), int(series), seconds), flush=True)


main()
