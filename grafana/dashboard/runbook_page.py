"""docs/runbook.md as a dashboard of its own, one panel for each alert, so that the links of panels lead somewhere wherever
Grafana runs."""

import re
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, text
from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.text import TextMode

UID = "mcp-runbook"
FILE = Path(__file__).resolve().parents[2] / "docs/runbook.md"
LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")
# Of the grid's rows; what is longer scrolls.
HEIGHT = 12


def sections() -> dict[str, str]:
    """The runbook's sections by their headings, in its order. Its links lead to files beside it, so only their words stay."""
    _, *parts = re.split(r"^## ", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for part in parts:
        heading, _, body = part.partition("\n")
        found[heading.strip()] = LINK.sub(r"\1", body).strip()
    return found


def address(alert: str) -> str:
    """Where an alert's section is, alone on the page."""
    return f"/d/{UID}?viewPanel=panel-{list(sections()).index(alert) + 1}"


def build() -> Dashboard:
    board = (dashboard.Dashboard("MCP runbook").uid(UID).readonly().tags(["mcp"])
             .description("What each alert means and what to do, from docs/runbook.md.")
             .link(dashboard.DashboardLink("MCP observability").type("link").url("/d/mcp-observability")))
    for number, (heading, body) in enumerate(sections().items(), start=1):
        board.with_panel(text.Panel().id(number).title(heading).span(12).height(HEIGHT)
                         .mode(TextMode.MARKDOWN).content(body))
    return board.build()
