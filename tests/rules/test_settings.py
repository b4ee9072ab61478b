"""docs/settings.md and the chart's schema have every setting of the filter, and the limits of the core. No process is started."""

import json
import re

from core_tables import ROOT, limits, tables

PAGE = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "k8s/helm/mcp-observability/values.schema.json").read_text(encoding="utf-8"))
FILTER = SCHEMA["$defs"]["filter"]


def leaves(schema: dict) -> set[str]:
    """The paths of all settings: `limits.tool_names`, `semconv`."""
    below = {name: leaves(each) if each.get("type") == "object" else set() for name, each in schema["properties"].items()}
    return {f"{name}.{leaf}" for name, each in below.items() for leaf in each} | {name for name, each in below.items() if not each}


def test_page_has_every_limit_with_its_default() -> None:
    rows = [row.split("|")[1:3] for row in PAGE.splitlines() if row.startswith("| `")]
    found = {name: int(default.strip(" `")) for names, default in rows for name in re.findall(r"`limits\.(\w+)`", names)}
    assert found == limits()


def test_schema_has_every_setting_of_the_page() -> None:
    """Without the name, which is `upstream.name` in the chart."""
    table = PAGE.partition("## Settings of the filter\n")[2].partition("\n## ")[0]
    documented = {name for line in table.splitlines() if line.startswith("| `") for name in re.findall(r"`([\w.]+)`", line.split("|")[1])}
    assert leaves(FILTER) == documented - {"server_name"}


def test_schema_has_every_limit_with_its_bounds() -> None:
    found = {}
    for name, of in FILTER["properties"]["limits"]["properties"].items():
        of = SCHEMA["$defs"][of["$ref"].rpartition("/")[2]] if "$ref" in of else of
        found[name] = (of["minimum"], of["maximum"])
    assert found == {name: (limit["least"], limit["most"]) for name, limit in tables()["limits"].items()}
