"""More SDKs and gateways than `make test` has: clients receive the same with and without the sidecar, and operations are counted.

`table.py` has what each pair does. In addition to the comparisons of `support/rows.py`, no counter may report a failure that did not
happen.
"""

import pytest

import transcript
from clients import command
from counts import alarms, operations
from support.matrix import Row
from support.relay import Relay
from support.rows import drive, play
from table import TABLE

# Outcomes that none of these pairs has.
NEVER = ("unknown", "no_response", "http_error", "reset", "timeout")


def identity(row: Row) -> str:
    return f"{row}{' ' + row.endpoint if row.endpoint else ''}{', ' + row.transport if row.transport == 'http_sse' else ''}"


# All pairs of one server run in one process, which starts the server once.
ROWS = [pytest.param(row, marks=pytest.mark.xdist_group(row.server), id=identity(row)) for row in TABLE]


@pytest.mark.parametrize("row", ROWS)
def test_pair(row: Row, server, sidecars) -> None:
    relay = Relay(server(row.server).port)
    alone = drive(row, relay.port, command)
    direct = relay.close()
    assert alone.returncode == 0, alone.stderr[-3000:]
    sidecar = sidecars(row.server)
    through = play(row, sidecar, command)
    assert transcript.of(direct)
    assert not (lines := transcript.differences(direct, through)), "\n\n".join(lines)
    samples = sidecar.samples()
    assert alarms(samples) == {}
    assert [end for end in operations(samples) if end[1] in NEVER] == []
