"""Real clients of every revision against real servers through the sidecar, two sessions at once, on both workers.

`support/matrix.py` says what each pair does and what must come of it. A relay in front of Envoy keeps what the client
sent and saw; the account made from those bytes must agree with the table, the client's own list with both, and the
scrape with the account.
"""

import pytest

from support.clients import command
from support.matrix import TABLE, Row
from support.rows import play
from support.sidecar import Sidecar
from support.suite import started_once


@pytest.fixture(scope="module")
def sidecars(peer, logs):
    """One sidecar per server, for all its clients."""
    with started_once(lambda server: Sidecar(peer(server).port, logs, f"sidecar-{server}", MCP_UPSTREAM_NAME=server)) as start:
        yield start


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_row(row: Row, sidecars) -> None:
    sidecar = sidecars(row.server)
    before = sidecar.accepted()
    play(row, sidecar, command)
    assert all(later > earlier for earlier, later in zip(before, sidecar.accepted())), "a worker served nothing"
