"""Real clients of every protocol version with real programs on standard input and output, through `mcp-sidecar run -- COMMAND`.

`table.py` has what each pair does. A relay in front of Envoy records what the client sends and receives. The counts from those bytes
must agree with the table, with the client's own results, and with the scrape.
"""

import pytest

import servers
from families import descendants
from support.clients import command
from support.matrix import Row
from support.processes import wait_for
from support.rows import play
from support.sidecar import Sidecar
from support.suite import started_once
from table import TABLE

# All pairs of one server run in one process, which starts the sidecar once.
ROWS = [pytest.param(row, marks=pytest.mark.xdist_group(row.server), id=f"{row} {row.transport}") for row in TABLE]


@pytest.fixture(scope="module")
def sidecars(logs):
    """One sidecar for each server, with all its clients."""
    def start(name: str) -> Sidecar:
        return Sidecar(servers.command(name), logs, f"sidecar-{name}", MCP_UPSTREAM_NAME=name)

    with started_once(start) as get:
        yield get


@pytest.mark.parametrize("row", ROWS)
def test_pair(row: Row, sidecars) -> None:
    sidecar = sidecars(row.server)
    play(row, sidecar, command)
    # The sessions have ended, so their programs have too. Envoy and the program of 2026-07-28 remain.
    wait_for("the sessions' programs to end", lambda: len(descendants(sidecar.process.pid)) <= 2)
