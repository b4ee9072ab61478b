"""How the collector and Prometheus start without containers: command lines, environment, configuration.

Shared by `make stack` and tests/stack. Starts nothing itself, and reads nothing but the files in collector/.
"""

import json
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTOR = ROOT / "collector"
# Four fifths of the limit: the garbage collector works harder before the limiter refuses data.
MEMORY_MIB = 600
GO_MEMORY_LIMIT = f"{MEMORY_MIB * 4 // 5}MiB"
# Where the collector listens: what it is for, and the variable that names the port.
COLLECTOR_PORTS = {
    "metrics": "COLLECTOR_METRICS_PORT",
    "own": "COLLECTOR_OWN_METRICS_PORT",
    "health": "COLLECTOR_HEALTH_PORT",
    "otlp_http": "COLLECTOR_OTLP_HTTP_PORT",
    "otlp_grpc": "COLLECTOR_OTLP_GRPC_PORT",
}


def collector_command(binary: str, *, sanitize: bool = True, export: bool = False, export_received: bool = False) -> list[str]:
    """The collector with its sanitizer, or with what stands in its place; with the export to an OTLP backend or without, and with
    metrics that others sent by OTLP in it or not."""
    files = ["collector.yaml", "sanitize.yaml" if sanitize else "sanitize-off.yaml"]
    if export:
        files.append("export-otlp.yaml")
    if export_received:
        files.append("export-otlp-metrics.yaml")
    return [binary, *(f"--config={COLLECTOR / file}" for file in files)]


def collector_environment(ports: dict[str, int], targets: list[str], interval_ms: int) -> dict[str, str]:
    """Ports by the names of COLLECTOR_PORTS; `targets` are the probe addresses of sidecars."""
    return {
        "GOMEMLIMIT": GO_MEMORY_LIMIT,
        "COLLECTOR_MEMORY_MIB": str(MEMORY_MIB),
        "MCP_SIDECAR_TARGETS": json.dumps(targets),
        "OTEL_METRIC_EXPORT_INTERVAL": str(interval_ms),
        **{variable: str(ports[name]) for name, variable in COLLECTOR_PORTS.items()},
    }


def prometheus_command(binary: str, config: Path, data: Path, port: int) -> list[str]:
    """One day of data, which is what a demo and a test need."""
    return [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=1d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]


def write_prometheus_config(directory: Path, ports: dict[str, int], interval_ms: int) -> Path:
    """collector/prometheus.yml with local addresses and this interval; the rules beside it are the repository's."""
    text = (COLLECTOR / "prometheus.yml").read_text(encoding="utf-8")
    for old, new in {
        "collector:8889": f"127.0.0.1:{ports['metrics']}",
        "collector:8888": f"127.0.0.1:{ports['own']}",
        "scrape_interval: 5s": f"scrape_interval: {interval_ms // 2}ms",
        "evaluation_interval: 10s": f"evaluation_interval: {interval_ms}ms",
    }.items():
        if old not in text:
            raise ValueError(f"collector/prometheus.yml has no {old!r}")
        text = text.replace(old, new)
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "prometheus.yml"
    config.write_text(text, encoding="utf-8")
    rules = directory / "rules"
    shutil.rmtree(rules, ignore_errors=True)
    rules.mkdir()
    for file in sorted((COLLECTOR / "rules").glob("*.yml")):
        shutil.copy(file, rules)
    return config


def base_environment() -> dict[str, str]:
    """Of this environment, what any program needs and nothing that would change what it does."""
    return {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
