"""Which metrics and labels there are, and whether an expression keeps to them.

The families come from the core's own tables; the rules' names from the recording rules. It does not tell whether a series exists: tests/stack asks a live Prometheus.
"""

import re
from dataclasses import dataclass
from typing import Iterator

import core_tables
import promql_parser
import yaml
from core_tables import ROOT

RULES = ROOT / "collector" / "rules"
# What the collector and Prometheus put on every series of a sidecar.
TARGET = frozenset({"job", "instance", "deployment_environment"})
OTHERS = {
    "up": TARGET,
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
    "envoy_http_downstream_rq_total": TARGET | {"envoy_http_conn_manager_prefix"},
}
# With `semconv`, the collector gives this one the names of OpenTelemetry's conventions.
RENAMED = {"mcp_server_operation_duration_seconds"}


@dataclass(frozen=True)
class Selector:
    """One vector selector of an expression."""

    metric: str
    labels: frozenset[str]
    text: str


def rules() -> list[dict]:
    """Every rule of every file, in order."""
    return [
        rule
        for file in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def families() -> dict[str, frozenset[str]]:
    """The series of each family as they are after the collector, with their labels."""
    known = dict(OTHERS)
    for family in core_tables.families().values():
        name = re.sub("_microseconds$", "_seconds", family.name)
        labels = TARGET | {label.name for label in family.labels}
        if name in RENAMED:
            continue
        if family.kind == "histogram":
            known |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            known[name] = labels
    return known


def vocabulary() -> dict[str, frozenset[str]]:
    """Families and recorded series. What a rule records has labels of what it is made from."""
    known = families()
    for rule in rules():
        if "record" in rule:
            found = [known.get(selector.metric, frozenset()) for selector in selectors(rule["expr"])]
            known[rule["record"]] = frozenset().union(*found)
    return known


def nodes(expression: str) -> Iterator[promql_parser.Expr]:
    found: list[promql_parser.Expr] = []
    # `append` gives None, which lets the walk go on.
    promql_parser.walk(promql_parser.parse(expression), found.append)
    return iter(found)


def selectors(expression: str) -> list[Selector]:
    """Every selector with the labels that it matches on."""
    return [
        Selector(node.name or "", frozenset(matcher.name for matcher in node.matchers.matchers), node.prettify())
        for node in nodes(expression)
        if isinstance(node, promql_parser.VectorSelector)
    ]


def grouping(expression: str) -> set[str]:
    """The labels that aggregations and vector matching name."""
    labels: set[str] = set()
    for node in nodes(expression):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            labels |= set(node.modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and node.modifier and node.modifier.matching:
            labels |= set(node.modifier.matching.labels)
    return labels


def problems(expression: str, known: dict[str, frozenset[str]]) -> list[str]:
    """One line for each name that does not exist."""
    try:
        used = selectors(expression)
    except ValueError as error:
        return [f"{expression}: {error}"]
    found, have = [], set()
    for selector in used:
        if selector.metric not in known:
            found.append(f"{selector.text}: no such metric")
            continue
        have |= known[selector.metric]
        found += [f"{selector.text}: it has no label {label}" for label in sorted(selector.labels - known[selector.metric])]
    found += [f"{expression}: nothing in it has the label {label}" for label in sorted(grouping(expression) - have)]
    return found
