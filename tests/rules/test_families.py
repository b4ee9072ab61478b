"""Every family is in all places that CONTRIBUTING.md lists. A failure names the places where it is missing. No process is started."""

import re
from pathlib import Path

import pytest

from core_tables import ROOT, Family, families, label_values, limits

FAMILIES = families()
# The collector gives this family the names of OpenTelemetry's conventions.
JOINT = "mcp_server_operation_duration_microseconds"
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
    "the table of docs/fleet.md: scripts/fleet-tables.sh": in_files(ROOT / "docs" / "fleet.md") | {JOINT},
    "a panel: grafana/dashboard, then scripts/dashboard.sh":
        names("\n".join(re.findall(r'"expr": "(.*)"', DASHBOARD.read_text(encoding="utf-8")))) | {JOINT},
    "a count that does not use the filter: tests/e2e": in_files(*(ROOT / "tests" / "e2e").rglob("*.py")),
}


def undocumented(family: Family) -> list[str]:
    values = [value for label in family.labels if label.name not in NOT_LISTED for value in label.values if value]
    missing = [value for value in values if f"`{value}`" not in METRICS or f"`{value}` | reserved" in METRICS]
    return [f"the meaning of `{value}` in docs/metrics.md" for value in missing]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_family_is_everywhere(family: Family) -> None:
    missing = [place for place, found in PLACES.items() if family.name not in found] + undocumented(family)
    assert not missing, f"{family.name} is missing in\n" + "\n".join(missing)


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
])
def test_file_with_a_list_of_its_own_has_every_value(values: str, file: str) -> None:
    words = set(re.findall(r"[\w/]+", (ROOT / file).read_text(encoding="utf-8")))
    assert set(label_values()[values]) - words == set(), file


def test_readme_has_every_limit_with_its_default() -> None:
    rows = [row.split("|")[1:3] for row in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if row.startswith("| `")]
    found = {name: int(default.strip(" `")) for names, default in rows for name in re.findall(r"`limits\.(\w+)`", names)}
    assert found == limits()
