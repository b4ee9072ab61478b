"""Writes the dashboards: `python grafana/dashboard` makes grafana/dashboards/*.json; `--check` fails where they differ.

Each section is a module with a title and its panels; a panel's id is its section's hundred and its place in it.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardCursorSync

import errors
import frame
import overview
import request_analysis
import resources_and_prompts
import runbook_page
import sessions_and_streams
import sidecar_health
import tools

SECTIONS = [overview, request_analysis, tools, resources_and_prompts, errors, sessions_and_streams, sidecar_health]
# Closed at first: a closed section asks Prometheus nothing.
CLOSED = {resources_and_prompts, sessions_and_streams, sidecar_health}
FOLDER = Path(__file__).resolve().parents[1] / "dashboards"


def build() -> Dashboard:
    """The dashboard of the project."""
    board = (dashboard.Dashboard("MCP observability").uid("mcp-observability").tags(["mcp"]).readonly()
             .description("What MCP servers do, as the sidecar in front of them saw it. Generated from grafana/dashboard.")
             .tooltip(DashboardCursorSync.CROSSHAIR).time("now-1h", "now").refresh("30s").timezone("browser")
             .variables(frame.variables()).links(frame.links()))
    for number, section in enumerate(SECTIONS, start=1):
        row = dashboard.Row(section.TITLE).id(number * 100).collapsed(section in CLOSED)
        panels = [panel.id(number * 100 + place) for place, panel in enumerate(section.panels(), start=1)]
        if section in CLOSED:
            for panel in panels:
                row.with_panel(panel)
        board.with_row(row)
        if section not in CLOSED:
            for panel in panels:
                board.with_panel(panel)
    built = board.build()
    built.annotations.list_val = frame.annotations()
    _leave_out_what_newer_schemas_dropped(built)
    return built


def _leave_out_what_newer_schemas_dropped(board: Dashboard) -> None:
    """The builders know Grafana 11.6 and write their defaults out; the schema of 13 has these members no longer."""
    for variable in board.templating.list_val:
        variable.auto = variable.auto_min = variable.auto_count = None
    for one in board.panels:
        for panel in getattr(one, "panels", [one]):
            if panel.type_val == "table":
                panel.options.footer = None


def files() -> dict[Path, str]:
    boards = {"mcp-observability": build(), "mcp-runbook": runbook_page.build()}
    return {FOLDER / f"{name}.json": json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
            for name, board in boards.items()}


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(f"dashboard: unknown arguments {' '.join(arguments)}; known is --check", file=sys.stderr)
        return 2
    stale = [file for file, text in files().items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        if arguments:
            print(f"{file.relative_to(FOLDER.parents[1])} is not what the code makes; run scripts/dashboard.sh", file=sys.stderr)
        else:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(files()[file], encoding="utf-8")
            print(f"wrote {file.relative_to(FOLDER.parents[1])}")
    return 1 if arguments and stale else 0


sys.exit(main(sys.argv[1:]))
