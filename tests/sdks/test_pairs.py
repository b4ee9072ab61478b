"""SDKs and gateways beyond those of `make test`: what their clients get is the same without the sidecar and with it, and is counted.

`table.py` says what each pair does. Beside what `support/rows.py` holds against each other, no counter may tell of a fault
that was none.
"""

import pytest

import transcript
from clients import command
from support.matrix import Row
from support.relay import Relay
from support.rows import drive, play
from table import TABLE

ALARMS = ("mcp_unmatched_responses_total", "mcp_parse_skipped_total", "mcp_requests_in_flight", "mcp_labels_overflowed_total")


def identity(row: Row) -> str:
    return f"{row}{' ' + row.endpoint if row.endpoint else ''}{', ' + row.transport if row.transport == 'http_sse' else ''}"


@pytest.mark.parametrize("row", TABLE, ids=identity)
def test_pair(row: Row, server, sidecars) -> None:
    relay = Relay(server(row.server).port)
    alone = drive(row, relay.port, command)
    direct = relay.close()
    assert alone.returncode == 0, alone.stderr[-3000:]
    sidecar = sidecars(row.server)
    through = play(row, sidecar, command)
    assert transcript.of(direct)
    assert not (lines := transcript.differences(direct, through)), "\n\n".join(lines)
    assert false_alarms(sidecar.samples()) == {}


def false_alarms(samples: dict) -> dict:
    """Series that only a fault may raise: none of these pairs has one."""
    return {entry: value for entry, value in samples.items() if value and is_alarm(entry[0], dict(entry[1]))}


def is_alarm(family: str, labels: dict[str, str]) -> bool:
    if family == "mcp_requests_total":
        return labels["status"] == "unknown" or labels["error_type"] in ("no_response", "http_error", "reset", "timeout")
    return family in ALARMS
