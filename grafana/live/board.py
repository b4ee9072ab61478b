"""Reads a dashboard's file as Grafana does: its panels, and their queries with the variables replaced.

It follows three rules of Grafana: closed rows contain their panels; a variable with all values selected is its `allValue`;
`$__rate_interval` is at least four scrapes. It draws nothing and sends no queries.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "dashboards/mcp-observability.json"
VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")


@dataclass(frozen=True)
class Target:
    """One query of a panel, with its variables."""

    expression: str
    legend: str
    reference: str
    instant: bool


def load(file: Path = FILE) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def sections(board: dict) -> Iterator[tuple[dict, list[dict]]]:
    """Each row with its panels, in their order on the screen."""
    row, panels = None, []
    for panel in board["panels"]:
        if panel["type"] != "row":
            panels.append(panel)
            continue
        if row:
            yield row, panels
        row, panels = panel, list(panel.get("panels") or [])
    if row:
        yield row, panels


def panels(board: dict) -> list[dict]:
    """All panels."""
    return [panel for _, found in sections(board) for panel in found]


def targets(panel: dict) -> list[Target]:
    return [Target(target["expr"], target.get("legendFormat", ""), target["refId"], bool(target.get("instant")))
            for target in panel.get("targets") or []]


def variables(board: dict) -> dict[str, str]:
    """The dashboard's variables with their values in a query when all values are selected."""
    return {variable["name"]: variable["allValue"]
            for variable in board["templating"]["list"] if variable["type"] == "query"}


def times(scrape_seconds: float, step_seconds: float, range_seconds: float) -> dict[str, str]:
    """Grafana's own variables, for a step of a graph and the datasource's scrape interval."""
    rate = max(step_seconds + scrape_seconds, 4 * scrape_seconds)
    return {"__rate_interval": f"{round(rate * 1000)}ms", "__interval": f"{round(step_seconds * 1000)}ms",
            "__range": f"{round(range_seconds)}s"}


def filled(expression: str, values: dict[str, str]) -> str:
    """An expression with its variables replaced. An unknown variable is an error."""
    return VARIABLE.sub(lambda found: values[found[1]], expression)


def chosen(values: list[str]) -> str:
    """Several selected values of one variable, as the Prometheus datasource writes them into a query."""
    escaped = [re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\\\1", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
