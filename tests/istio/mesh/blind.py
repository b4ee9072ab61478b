"""Checks whether the alert MCPFilterBlind fires: runs the shipped rule with the series of a proxy, which continue to grow."""

import json
import subprocess
from pathlib import Path

import yaml
from support.peers import ROOT, get
from support.series import Series

REQUESTS, STREAMS = "envoy_http_downstream_rq_total", "mcp_filter_streams_total"
RULES = ROOT / "collector/rules/alerts.yml"
# One hour. In each interval every counted request is repeated thirty times.
INTERVAL, COUNT, TIMES = "10s", 360, 30


Samples = dict[Series, float]


def compared(samples: Samples, *families: str) -> Samples:
    return {entry: value for entry, value in samples.items() if entry[0] in families and value}


def alerts(samples: Samples, directory: Path) -> set[str]:
    """The instances for which it fires after an hour. promtool simulates the time."""
    found = compared(samples, REQUESTS, STREAMS)
    series = [{"series": written(entry), "values": f"0+{value * TIMES:g}x{COUNT}"} for entry, value in found.items()]
    instances = {dict(pairs)["instance"] for _, pairs in found}
    return {instance for instance in instances if fires(directory, series, instance)}


def written(entry: Series) -> str:
    """A series in the form of promtool's tests."""
    family, pairs = entry
    return family + "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in pairs) + "}"


def fires(directory: Path, series: list[dict], instance: str) -> bool:
    expression = f'count(ALERTS{{alertname="MCPFilterBlind", alertstate="firing", instance="{instance}"}}) or vector(0)'
    question = {"expr": expression, "eval_time": "1h", "exp_samples": [{"labels": "{}", "value": 1}]}
    tests = {
        "rule_files": [str(RULES)], "evaluation_interval": INTERVAL,
        "tests": [{"interval": INTERVAL, "input_series": series, "promql_expr_test": [question]}],
    }
    file = directory / "blind.yaml"
    file.write_text(yaml.safe_dump(tests))
    done = subprocess.run([get("promtool"), "test", "rules", file], capture_output=True, text=True, timeout=120)
    # promtool's output is one of two: the alert fires, or it does not. Any other output is an error of this test.
    assert done.returncode == 0 or "got:" in done.stderr + done.stdout, done.stdout + done.stderr
    return done.returncode == 0
