"""How the collector and Prometheus start without containers: command lines, environment, configuration.

Shared by `make stack` and tests/stack. Starts nothing itself, and reads nothing but the files in collector/.
"""

import json
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTOR = ROOT / "collector"
# 80 % of the limit: the garbage collector runs more often before the limiter refuses data.
MEMORY_MIB = 600
GO_MEMORY_LIMIT = f"{MEMORY_MIB * 4 // 5}MiB"
# The collector's ports, and the variables that set them.
COLLECTOR_PORTS = {
    "metrics": "COLLECTOR_METRICS_PORT",
    "own": "COLLECTOR_OWN_METRICS_PORT",
    "health": "COLLECTOR_HEALTH_PORT",
    "otlp_http": "COLLECTOR_OTLP_HTTP_PORT",
    "otlp_grpc": "COLLECTOR_OTLP_GRPC_PORT",
}


def collector_command(binary: str, *, sanitize: bool = True, export: bool = False, export_received: bool = False) -> list[str]:
    """The collector's command: with the sanitizer or its replacement, with or without the export to an OTLP backend, and with or
    without the export of metrics from other OTLP senders."""
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
    """Prometheus' command; it keeps one day of data."""
    return [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=1d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]


def write_prometheus_config(directory: Path, ports: dict[str, int], interval_ms: int) -> Path:
    """collector/prometheus.yml with local addresses and this interval, and the repository's rules."""
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
    """The variables of this environment that every program needs; none that change a program's behaviour."""
    return {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
