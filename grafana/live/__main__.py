"""`python grafana/live FILE [SECTION…]`: draws the dashboard, or some of its sections, from a running Prometheus.

PROMETHEUS names it (http://127.0.0.1:9090), RANGE_SECONDS how far back to look (900), SCRAPE_SECONDS the interval that
Grafana would be told (5), ROWS how many rows of each section's grid to draw (all).
"""

import os
import sys
import time
from pathlib import Path

import board
from answers import Source
from draw import draw

CAPTION = "drawn from the panels' own queries"


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    dashboard = board.load()
    titles = [row["title"] for row, _ in board.sections(dashboard)]
    if unknown := [title for title in arguments[1:] if title not in titles]:
        print(f"no section {', '.join(unknown)}; known are {', '.join(titles)}", file=sys.stderr)
        return 2
    source = Source(os.environ.get("PROMETHEUS") or "http://127.0.0.1:9090", dashboard, time.time(),
                    float(os.environ.get("RANGE_SECONDS") or 900), float(os.environ.get("SCRAPE_SECONDS") or 5))
    file = Path(arguments[0])
    empty = draw(dashboard, source, arguments[1:], int(os.environ.get("ROWS") or 1000), file, CAPTION)
    print(f"wrote {file} ({file.stat().st_size // 1000} kB); nothing to show in: {', '.join(empty) or 'no panel'}")
    return 0


sys.exit(main(sys.argv[1:]))
