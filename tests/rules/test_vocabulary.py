"""Rules and pages name only metrics, labels and label values that exist; each alert has its tests and its section in the
runbook, and each error type has a row there. No process is started."""

import re
from pathlib import Path

import pytest
import yaml

from core_tables import label_values
from vocabulary import ROOT, RULES, closed_sets, problems, rules, vocabulary

RUNBOOK = ROOT / "docs" / "runbook.md"
PAGES = (RUNBOOK, ROOT / "docs" / "metrics.md")
BLOCK = re.compile(r"^```promql\n(.*?)^```", re.DOTALL | re.MULTILINE)
# A selector within a sentence; in docs/metrics.md it may have the sidecar's unit.
INLINE = re.compile(r"`(mcp_\w+\{[^`]*\})`")
TABLE = re.compile(r"^\|.*\n(?:\|.*\n)+", re.MULTILINE)
# The words before a label value in the runbook's sentences, and the family and label that they mean.
WORDS = {
    "status": ("mcp_requests_total", "status"), "error type": ("mcp_requests_total", "error_type"),
    "method": ("mcp_requests_total", "method"), "stream opens": ("mcp_stream_opens_total", "status"),
}
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
KNOWN = vocabulary()
QUERIES = [
    pytest.param(query, id=f"{page.name}-{number}")
    for page in PAGES
    for text in [page.read_text(encoding="utf-8")]
    for number, query in enumerate(BLOCK.findall(text) + INLINE.findall(text.replace("_microseconds", "_seconds")), 1)
]


def unit_tests() -> list[dict]:
    return [
        test
        for file in sorted((RULES / "tests").glob("*.yml"))
        for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
    ]


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.get("alert") or rule["record"]) for rule in rules()])
def test_rule(rule: dict) -> None:
    assert problems(rule["expr"], KNOWN) == []


@pytest.mark.parametrize("query", QUERIES)
def test_query_of_a_page(query: str) -> None:
    assert problems(query, KNOWN) == []


def test_the_check_finds_what_is_wrong() -> None:
    wrong = {
        "mcp_request_total": "no such metric",
        'mcp_requests_total{tool_name="x"}': "no label tool_name",
        "sum by (tool) (mcp_tool_calls_total)": "the label tool",
        "up and on (server) mcp_filter_info": "the label server",
        "mcp_tool_duration_seconds": "no such metric",
        "sum(": "sum(",
        'mcp_requests_total{status="failed"}': "status has no value failed",
        'mcp_requests_total{error_type!~"timeout|broken"}': "error_type has no value broken",
        'mcp_stream_opens_total{status="cancelled"}': "status has no value cancelled",
        'method_error_type:mcp_requests_failed:increase5m{method="tools/run"}': "method has no value tools/run",
        'mcp_rate_limit_total{rule="any name",outcome="refused"}': "outcome has no value refused",
    }
    assert {query: any(says in line for line in problems(query, KNOWN)) for query, says in wrong.items()} == dict.fromkeys(wrong, True)


@pytest.mark.parametrize("name", ALERTS)
def test_alert_has_severity_annotations_and_runbook(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / path == RUNBOOK and anchor == name.lower()


@pytest.mark.parametrize("name", ALERTS)
def test_alert_has_a_section_in_the_runbook(name: str) -> None:
    sections = re.split(r"^## ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    [section] = [section for section in sections if section.startswith(f"{name}\n")]
    assert BLOCK.search(section)
    assert "*Harmless*" in section and "likely cause" in section.lower() and "what to do" in section.lower()


def test_runbook_has_no_section_of_a_removed_alert() -> None:
    titles = re.findall(r"^## (\w+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(titles) == set(ALERTS)


def error_types_with_a_row() -> set[str]:
    """The values in the first column of the runbook's tables of error types, and those of rows `error type ...`."""
    found = set()
    for table in TABLE.findall(RUNBOOK.read_text(encoding="utf-8")):
        head, _, *rows = (row.split(" | ")[0].strip("| ") for row in table.splitlines())
        for cell in rows:
            if head == "`error_type`" or cell.startswith("error type "):
                found |= set(re.findall(r"`(\w+)`", cell))
    return found


def test_every_error_type_has_a_row_in_the_runbook() -> None:
    assert error_types_with_a_row() == set(label_values()["ErrorType"])


@pytest.mark.parametrize("word", WORDS)
def test_sentences_of_the_runbook_name_values_that_exist(word: str) -> None:
    family, label = WORDS[word]
    found = set(re.findall(rf"\b{word} `([\w/]+)`", RUNBOOK.read_text(encoding="utf-8")))
    assert found and found <= closed_sets()[family][label]


@pytest.mark.parametrize("name", ALERTS)
def test_alert_is_tested_firing_and_silent(name: str) -> None:
    cases = [case for test in unit_tests() for case in test.get("alert_rule_test", ()) if case["alertname"] == name]
    silent = [case for test in unit_tests() for case in test.get("promql_expr_test", ())
              if "ALERTS" in case["expr"] and not case.get("exp_samples")]
    assert any(case["exp_alerts"] for case in cases)
    assert any(not case["exp_alerts"] for case in cases) or silent


def test_one_definition_of_the_error_ratio() -> None:
    """One recording rule excludes errors of the client for operations, and one for tool calls, which are another family."""
    excluding = [rule.get("record") for rule in rules() if "invalid_request" in rule["expr"]]
    assert excluding == ["method_error_type:mcp_requests_failed:increase5m", "tool_name:mcp_tool_calls_failed:increase10m"]


@pytest.mark.parametrize("name", ALERTS)
def test_single_event_leaves_the_window_before_the_alert_fires(name: str) -> None:
    """`for` is at least as long as the longest window; an event and a missing scrape have no window."""
    rule = ALERTS[name]
    recorded = {each["record"]: each["expr"] for each in rules() if "record" in each}
    text = rule["expr"]
    for record, expression in reversed(recorded.items()):
        text = text.replace(record, expression)
    windows = [int(number) for number in re.findall(r"\[(\d+)m\]", text)]
    if rule.get("for") is None:
        assert name == "MCPDefinitionChanged"
    elif windows:
        assert int(rule["for"].removesuffix("m")) >= max(windows)


def test_every_rule_file_is_one_that_prometheus_reads() -> None:
    """collector/prometheus.yml reads rules/*.yml, and promtool is given these."""
    assert {path.suffix for path in RULES.iterdir() if path.is_file()} == {".yml"}
    assert Path(RULES / "tests").is_dir()
