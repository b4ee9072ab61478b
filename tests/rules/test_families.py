"""Every family is in all places that CONTRIBUTING.md lists. A failure names the places where it is missing. No process is started."""

import re
from pathlib import Path

import pytest

from core_tables import ROOT, Family, families, label_values
from support.census import COUNTED

FAMILIES = families()
# The collector gives this family the names of OpenTelemetry's conventions.
SEMCONV = "mcp_server_operation_duration_microseconds"
# Labels whose values docs/metrics.md does not list: methods and versions are those of MCP, the others need no explanation.
NOT_LISTED = {"method", "protocol_version", "direction", "label", "filter_version"}
DASHBOARD = ROOT / "grafana" / "dashboards" / "mcp-observability.json"
METRICS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def names(text: str) -> set[str]:
    """The families in a text, with their names in the sidecar."""
    found = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\bmcp_[a-z_]+", text)}
    return found | {re.sub("_seconds$", "_microseconds", name) for name in found}


def in_files(*files: Path) -> set[str]:
    return names("\n".join(file.read_text(encoding="utf-8") for file in files))


PLACES = {
    "the table of docs/metrics.md: cargo run -p mcp-observe --example document": names(METRICS.split("<!-- end of families -->")[0]),
    "the table of docs/fleet.md: scripts/fleet-tables.sh": in_files(ROOT / "docs" / "fleet.md") | {SEMCONV},
    "a panel: grafana/dashboard, then scripts/dashboard.sh":
        names("\n".join(re.findall(r'"expr": "(.*)"', DASHBOARD.read_text(encoding="utf-8")))) | {SEMCONV},
}
E2E = ROOT / "tests" / "e2e"
# The counts that do not use the filter: their files in `tests/e2e`, and the counters and histograms that they do not need to count.
OF_BUDGET = {"mcp_labels_overflowed_total"}  # Only tests of label budgets cause them, and name them.
OF_SETTING = {SEMCONV}  # Only test_settings.py turns it on.
COUNTS = {
    "support/expected*.py": OF_BUDGET | OF_SETTING | {
        "mcp_client_tool_calls_total",  # Only with a setting, which `truth` has.
        "mcp_tasks_total",  # No scenario that it computes has tasks.
    },
    # Beside what it does not compare (`COUNTED`): no exchange that it is used for causes these.
    "support/census.py": OF_BUDGET | {
        "mcp_client_tool_calls_total", "mcp_list_changes_total", "mcp_parse_skipped_total", "mcp_rate_limit_total",
    },
    "truth/*.py": OF_BUDGET | OF_SETTING | {"mcp_rate_limit_total"},  # Its filter has no rules.
}


def uncounted() -> dict[str, set[str]]:
    """The counters and histograms that each count lacks, by its place."""
    found = {}
    for place, without in COUNTS.items():
        needed = {name for name, family in FAMILIES.items() if family.kind != "gauge" and name not in without}
        if place == "support/census.py":
            needed = {name for name in needed if COUNTED.fullmatch(name) or COUNTED.fullmatch(f"{name}_count")}
        found[place] = needed - in_files(*E2E.glob(place))
    return found


def undocumented(family: Family) -> list[str]:
    values = [value for label in family.labels if label.name not in NOT_LISTED for value in label.values if value]
    missing = [value for value in values if f"`{value}`" not in METRICS]
    return [f"the meaning of `{value}` in docs/metrics.md" for value in missing]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_family_is_everywhere(family: Family) -> None:
    missing = [place for place, found in PLACES.items() if family.name not in found] + undocumented(family)
    assert not missing, f"{family.name} is missing in\n" + "\n".join(missing)


def test_every_gauge_is_compared_by_an_end_to_end_test() -> None:
    named = in_files(*E2E.rglob("*.py"))
    assert {name for name, family in FAMILIES.items() if family.kind == "gauge"} - named == set()


@pytest.mark.parametrize("place", COUNTS)
def test_count_that_does_not_use_the_filter_has_every_family(place: str) -> None:
    missing = uncounted()[place]
    assert not missing, f"tests/e2e/{place} does not count {sorted(missing)}"


@pytest.mark.parametrize("place", COUNTS)
def test_family_that_a_count_does_not_need_is_not_counted(place: str) -> None:
    """Otherwise the exception is out of date."""
    counted = in_files(*E2E.glob(place))
    assert COUNTS[place] <= FAMILIES.keys() and counted & COUNTS[place] == set()


def test_page_has_the_bounds() -> None:
    """Durations in seconds, sizes in bytes."""
    page = " ".join(METRICS.split())
    for family in FAMILIES.values():
        in_microseconds = family.name.endswith("_microseconds")
        bounds = [f"{bound / 1e6:g}" if in_microseconds else str(bound) for bound in family.bounds]
        assert " ".join(bounds) in page, family.name


@pytest.mark.parametrize(("values", "file"), [
    ("KnownMethod", "tests/e2e/support/messages.py"),
    ("ErrorType", "grafana/dashboard/queries.py"),
    ("ErrorType", "tests/e2e/test_outcomes.py"),
    ("ErrorType", "tests/loadtest/src/outcome.rs"),
])
def test_file_with_a_list_of_its_own_has_every_value(values: str, file: str) -> None:
    words = set(re.findall(r"[\w/]+", (ROOT / file).read_text(encoding="utf-8")))
    assert set(label_values()[values]) - words == set(), file
