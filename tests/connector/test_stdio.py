"""The SDKs' own clients for standard input and output start a program directly, and `mcp-sidecar stdio -- PROGRAM`: the results are the
same, byte for byte.

Three taps (`programs/tap.py`) record lines: around the program that the client starts directly, around the sidecar, and around the
program behind the sidecar.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import servers
from lines import Record, differences, plain, without_ids
from servers import PROGRAMS
from support.clients import command
from support.matrix import ELICITATION, EVERYTHING, PYTHON_NEW_MODERN, PYTHON_OLD_ANY, RUST_MODERN, Row, told
from support.rows import client_outcomes, drive
from support.sidecar import environment
from table import ON_PIPES

ROWS = [pytest.param(replace(row, sessions=1), id=str(row)) for row in ON_PIPES]
MODERN = "2026-07-28"
# A request of the bridge itself has this client.
OWN = b'"name": "mcp-sidecar"'
CANCELLED = b"notifications/cancelled"


def tapped(folder: Path, command: list[str]) -> list[str]:
    folder.mkdir()
    return [sys.executable, str(PROGRAMS / "tap.py"), str(folder), *command]


def sidecar(*command: str, **settings: str) -> list[str]:
    """The command of a sidecar. SDKs do not pass their environment to servers, so the variables are part of the command."""
    variables = [f"{name}={value}" for name, value in environment(CONCURRENCY="1", **settings).items()]
    return ["env", *variables, os.environ["MCP_SIDECAR"], "stdio", *command]


def talk(row: Row, server: list[str]) -> None:
    """Runs the client, whose results must be those of the table."""
    done = drive(row, 0, command, server)
    assert done.returncode == 0, done.stderr[-3000:]
    assert client_outcomes(done.stdout) == told(row), done.stderr[-3000:]


@pytest.mark.parametrize("row", ROWS)
def test_results_are_those_of_the_program(row: Row, tmp_path: Path) -> None:
    program = servers.command(row.server)
    talk(row, tapped(tmp_path / "direct", program))
    talk(row, tapped(tmp_path / "outer", sidecar("--", *tapped(tmp_path / "inner", program))))
    direct, outer, inner = (Record(tmp_path / name) for name in ("direct", "outer", "inner"))

    # The client wrote and read the same lines as without the sidecar.
    assert not differences([*map(plain, direct.read)], [*map(plain, outer.read)], ("direct", "through"))
    assert not differences([*map(plain, direct.written)], [*map(plain, outer.written)], ("direct", "through"))

    assert direct.read and direct.written
    if row.revision != MODERN and not row.probes:
        # Between client and program no byte changed.
        assert inner.read == outer.read
        assert not differences(inner.written, outer.written, ("program", "client"))
        return
    # 2026-07-28: ids and tokens are replaced, and a cancellation is a closed response, which has no reason. A probe reaches the
    # program of this revision, the session another one; the bridge may ask that program itself.
    sent, arrived = ([without_ids(line) for line in lines if CANCELLED not in line] for lines in (outer.read, inner.read))
    asked = [line for line in arrived if OWN in line]
    assert not differences(sent, [line for line in arrived if line not in asked], ("client", "program"))
    assert sum(CANCELLED in line for line in outer.read) == sum(CANCELLED in line for line in inner.read)
    extra = differences([*map(without_ids, inner.written)], [*map(without_ids, outer.written)], ("program", "client"))
    assert len(extra) == len(asked) and all(line.startswith("only program") for line in extra), extra


REMOTE = [
    Row("typescript-1.32.2", "everything", "2025-11-25", EVERYTHING + ELICITATION, sessions=1),
    Row("python-1.30.0", "python-1.30.0-json", "2025-11-25", PYTHON_OLD_ANY, sessions=1),
    Row("typescript-2.4.0", "rmcp-3.11.0", "2026-07-28", RUST_MODERN, sessions=1),
    Row("python-2.3.0", "python-2.3.0", "2026-07-28", PYTHON_NEW_MODERN, sessions=1),
]


@pytest.mark.parametrize("row", REMOTE, ids=str)
def test_results_of_a_remote_server(row: Row, peer, tmp_path: Path) -> None:
    """`MCP_UPSTREAM_URL=… mcp-sidecar stdio`: the server has HTTP, and the client has standard input and output."""
    talk(row, tapped(tmp_path / "outer", sidecar(MCP_UPSTREAM_URL=peer(row.server).url)))
