"""Real clients of every protocol version with real servers through the sidecar, two sessions at a time, on both workers.

`support/matrix.py` has what each pair does and the expected outcomes. A relay in front of Envoy records what the client sends and
receives. The counts from those bytes must agree with the table, with the client's own results, and with the scrape.
"""

import pytest

from support.clients import command
from support.matrix import TABLE, Row
from support.rows import play
from support.sidecar import Sidecar
from support.suite import started_once


@pytest.fixture(scope="module")
def sidecars(peer, logs):
    """One sidecar for each server, with all its clients."""
    with started_once(lambda server: Sidecar(peer(server).port, logs, f"sidecar-{server}", MCP_UPSTREAM_NAME=server)) as start:
        yield start


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_row(row: Row, sidecars) -> None:
    sidecar = sidecars(row.server)
    before = sidecar.accepted()
    play(row, sidecar, command)
    assert all(later > earlier for earlier, later in zip(before, sidecar.accepted())), "a worker served nothing"
