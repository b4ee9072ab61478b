"""Writes grafana/dashboards/*.json: `python grafana/dashboard`. With `--check` it fails if the files differ from the code.

Each section is a module with a title and panels. A panel's id is 100 times the section's number plus the panel's position.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardCursorSync

import clients
import errors
import frame
import overview
import rate_limits
import request_analysis
import resources_and_prompts
import runbook_page
import sessions_and_streams
import sidecar_health
import tools

SECTIONS = [overview, request_analysis, tools, clients, resources_and_prompts, errors, rate_limits, sessions_and_streams,
            sidecar_health]
# Closed at first: a closed section sends no queries to Prometheus.
CLOSED = {resources_and_prompts, rate_limits, sessions_and_streams, sidecar_health}
FOLDER = Path(__file__).resolve().parents[1] / "dashboards"


def build() -> Dashboard:
    """The dashboard of the project."""
    board = (dashboard.Dashboard("MCP observability").uid("mcp-observability").tags(["mcp"]).readonly()
             .description("Traffic of MCP servers, as their sidecars measure it. Generated from grafana/dashboard.")
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
    _remove_members_of_old_schemas(built)
    return built


def _remove_members_of_old_schemas(board: Dashboard) -> None:
    """The builders are for Grafana 11.6 and write default values; the schema of Grafana 13 does not have these members."""
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
        print(f"dashboard: unknown arguments {' '.join(arguments)}; allowed: --check", file=sys.stderr)
        return 2
    stale = [file for file, text in files().items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        if arguments:
            print(f"{file.relative_to(FOLDER.parents[1])} differs from the code; run scripts/dashboard.sh", file=sys.stderr)
        else:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(files()[file], encoding="utf-8")
            print(f"wrote {file.relative_to(FOLDER.parents[1])}")
    return 1 if arguments and stale else 0


sys.exit(main(sys.argv[1:]))
