"""A stand-in for Grafana: it checks the files that Grafana reads at its start, and serves /api/health.

It ends with a line on standard error when a file or a variable is missing, or the datasource does not answer. The folder of
provisioning is read as text, since the image has no YAML library: what is checked are the variables that it names.
"""

import json
import os
import re
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROVISIONING = Path("/etc/grafana/provisioning")
HOME = "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"


def problems() -> list[str]:
    """One line for each file or variable that is missing."""
    found = []
    for kind in ("datasources", "dashboards"):
        files = list((PROVISIONING / kind).glob("*.yaml"))
        if not files:
            found.append(f"{PROVISIONING / kind} has no file")
        for name in {name for file in files for name in re.findall(r"\$\{(\w+)\}", file.read_text())}:
            if not os.environ.get(name):
                found.append(f"{name} is not set")
    dashboards = {json.loads(file.read_text())["uid"] for file in Path(os.environ.get("MCP_DASHBOARDS", "/absent")).glob("*.json")}
    if len(dashboards) < 2:
        found.append(f"MCP_DASHBOARDS has {sorted(dashboards)}")
    if not Path(os.environ.get(HOME, "/absent")).is_file():
        found.append(f"{HOME} names no file")
    with urllib.request.urlopen(f"{os.environ.get('MCP_PROMETHEUS_URL')}/api/v1/status/buildinfo", timeout=10) as answer:
        if json.load(answer)["status"] != "success":
            found.append("MCP_PROMETHEUS_URL is no Prometheus")
    Path("/var/lib/grafana/written").touch()
    return found


class Health(BaseHTTPRequestHandler):
    """200 on /api/health, 404 elsewhere."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    do_HEAD = do_GET


wrong = problems()
if wrong:
    sys.exit("\n".join(wrong))
ThreadingHTTPServer(("", 3000), Health).serve_forever()
