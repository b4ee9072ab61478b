"""The metrics, labels and label values that exist, and whether an expression uses only these.

Families and values come from the core's tables, the names of recorded series from the recording rules. Whether a series has
samples is not checked here: tests/stack queries a running Prometheus.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import core_tables
import promql_parser
import yaml
from core_tables import ROOT

RULES = ROOT / "collector" / "rules"
# Labels that the collector and Prometheus add to every series of a sidecar.
TARGET = frozenset({"job", "instance", "deployment_environment"})
OTHERS = {
    "up": TARGET,
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
    "envoy_http_downstream_rq_total": TARGET | {"envoy_http_conn_manager_prefix"},
}
# The collector gives this family the names of OpenTelemetry's conventions.
RENAMED = {"mcp_server_operation_duration_seconds"}


@dataclass(frozen=True)
class Selector:
    """One vector selector of an expression."""

    metric: str
    matchers: tuple[promql_parser.Matcher, ...]
    text: str

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(matcher.name for matcher in self.matchers)


def rules() -> list[dict]:
    """Every rule of every file, in order."""
    return [
        rule
        for file in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def series_of(family: core_tables.Family) -> tuple[str, ...]:
    """The names of a family's series after the collector."""
    name = re.sub("_microseconds$", "_seconds", family.name)
    if name in RENAMED:
        return ()
    return (f"{name}_bucket", f"{name}_sum", f"{name}_count") if family.kind == "histogram" else (name,)


def families() -> dict[str, frozenset[str]]:
    """The series of each family after the collector, with their labels."""
    known = dict(OTHERS)
    for family in core_tables.families().values():
        labels = TARGET | {label.name for label in family.labels}
        known |= {name: labels | {"le"} if name.endswith("_bucket") else labels for name in series_of(family)}
    return known


def vocabulary() -> dict[str, frozenset[str]]:
    """Families and recorded series. A recorded series has labels of the series that its rule reads."""
    known = families()
    for rule in rules():
        if "record" in rule:
            found = [known.get(selector.metric, frozenset()) for selector in selectors(rule["expr"])]
            known[rule["record"]] = frozenset().union(*found)
    return known


@cache
def closed_sets() -> dict[str, dict[str, frozenset[str]]]:
    """The labels of each series whose values are all in the core's tables, with these values."""
    sets: dict[str, dict[str, frozenset[str]]] = {}
    for family in core_tables.families().values():
        # The names of rules are in the configuration.
        closed = {label.name: frozenset(label.values) for label in family.labels if label.budget is None and label.values}
        sets |= dict.fromkeys(series_of(family), closed)
    for rule in rules():
        if "record" in rule:
            merged: dict[str, frozenset[str]] = {}
            for selector in selectors(rule["expr"]):
                for label, values in sets.get(selector.metric, {}).items():
                    merged[label] = merged.get(label, frozenset()) | values
            sets[rule["record"]] = merged
    return sets


def unknown_values(selector: Selector) -> list[str]:
    """The values, and the alternatives of regular expressions, that no series can have."""
    found = []
    for matcher in selector.matchers:
        values = closed_sets().get(selector.metric, {}).get(matcher.name)
        if values is None:
            continue
        is_pattern = matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe)
        parts = matcher.value.split("|") if is_pattern and "(" not in matcher.value else [matcher.value]
        for part in parts:
            pattern = re.compile(part if is_pattern else re.escape(part))
            if not any(pattern.fullmatch(value) for value in values):
                found.append(f"{matcher.name} has no value {part}")
    return found


def nodes(expression: str) -> Iterator[promql_parser.Expr]:
    found: list[promql_parser.Expr] = []
    # `append` returns None, so the walk continues.
    promql_parser.walk(promql_parser.parse(expression), found.append)
    return iter(found)


def selectors(expression: str) -> list[Selector]:
    """Every selector with its matchers."""
    return [
        Selector(node.name or "", tuple(node.matchers.matchers), node.prettify())
        for node in nodes(expression)
        if isinstance(node, promql_parser.VectorSelector)
    ]


def grouping(expression: str) -> set[str]:
    """The labels in the `by`, `without`, `on` and `ignoring` clauses."""
    labels: set[str] = set()
    for node in nodes(expression):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            labels |= set(node.modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and node.modifier and node.modifier.matching:
            labels |= set(node.modifier.matching.labels)
    return labels


def problems(expression: str, known: dict[str, frozenset[str]]) -> list[str]:
    """One line for each metric, label or label value that does not exist."""
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
        found += [f"{selector.text}: {problem}" for problem in unknown_values(selector)]
    found += [f"{expression}: nothing in it has the label {label}" for label in sorted(grouping(expression) - have)]
    return found
