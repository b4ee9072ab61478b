"""docs/runbook.md as a separate dashboard with one panel per section. The panels' links lead to it, so they work in any
Grafana."""

import re
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, text
from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.text import TextMode

UID = "mcp-runbook"
FILE = Path(__file__).resolve().parents[2] / "docs/runbook.md"
LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")
# In rows of the grid; longer text scrolls.
HEIGHT = 12


def sections() -> dict[str, str]:
    """The runbook's sections by heading, in order. Links to other files are replaced by their text."""
    _, *parts = re.split(r"^## ", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for part in parts:
        heading, _, body = part.partition("\n")
        found[heading.strip()] = LINK.sub(r"\1", body).strip()
    return found


def address(alert: str) -> str:
    """The URL that shows only an alert's section."""
    return f"/d/{UID}?viewPanel=panel-{list(sections()).index(alert) + 1}"


def build() -> Dashboard:
    board = (dashboard.Dashboard("MCP runbook").uid(UID).readonly().tags(["mcp"])
             .description("What each alert means and what to do, from docs/runbook.md.")
             .link(dashboard.DashboardLink("MCP observability").type("link").url("/d/mcp-observability")))
    for number, (heading, body) in enumerate(sections().items(), start=1):
        board.with_panel(text.Panel().id(number).title(heading).span(12).height(HEIGHT)
                         .mode(TextMode.MARKDOWN).content(body))
    return board.build()
