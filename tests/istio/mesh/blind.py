"""Whether the alert MCPFilterBlind fires for what is shown: the shipped rule, given these very series, counting on."""

import json
import subprocess
from pathlib import Path

import yaml
from support.expected import Series
from support.peers import ROOT, get

REQUESTS, STREAMS = "envoy_http_downstream_rq_total", "mcp_filter_streams_total"
RULES = ROOT / "collector/rules/alerts.yml"
# An hour, in which every request that is counted comes again thirty times in each interval.
INTERVAL, COUNT, TIMES = "10s", 360, 30


Samples = dict[Series, float]


def compared(samples: Samples, *families: str) -> Samples:
    return {entry: value for entry, value in samples.items() if entry[0] in families and value}


def alerts(samples: Samples, directory: Path) -> set[str]:
    """The instances that it names after an hour. Time is promtool's, so nothing is waited for."""
    found = compared(samples, REQUESTS, STREAMS)
    series = [{"series": written(entry), "values": f"0+{value * TIMES:g}x{COUNT}"} for entry, value in found.items()]
    instances = {dict(pairs)["instance"] for _, pairs in found}
    return {instance for instance in instances if fires(directory, series, instance)}


def written(entry: Series) -> str:
    """A series as promtool reads it."""
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
    # It fires, or it was asked and does not; anything else is a mistake in the question.
    assert done.returncode == 0 or "got:" in done.stderr + done.stdout, done.stdout + done.stderr
    return done.returncode == 0
