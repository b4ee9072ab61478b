"""Real clients of every revision against real servers through the sidecar, two sessions at once, on both workers.

`support/matrix.py` says what each pair does and what must come of it. A relay in front of Envoy keeps what the client
sent and saw; the account made from those bytes must agree with the table, the client's own list with both, and the
scrape with the account.
"""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from support.expected import Expected, Series, pretty
from support.matrix import SESSIONS, TABLE, Outcomes, Row, family_totals, outcomes, told
from support.peers import NODE, ROOT, clean_env, get
from support.relay import Relay
from support.sidecar import Sidecar

DRIVERS = Path(__file__).parent / "drivers"
INVALID_REQUEST = ("rpc -32700", "rpc -32600", "rpc -32601", "rpc -32602", "rpc -32002")
PACKAGES = {
    "typescript-1.10.1": "sdk-1-10-1",
    "typescript-1.12.3": "sdk-1-12-3",
    "typescript-1.24.0": "sdk-1-24-0",
    "typescript-1.32.2": "@modelcontextprotocol/sdk",
    "typescript-2.4.0": "@modelcontextprotocol/client",
}


def command(client: str) -> list[str]:
    return {
        "python-1.8.1": [get("python", "mcp-1-8"), str(DRIVERS / "client_old.py")],
        "python-1.30.0": [get("python", "mcp-old"), str(DRIVERS / "client_old.py")],
        "python-2.3.0": [get("python", "e2e"), str(DRIVERS / "client_new.py")],
        "rmcp-3.11.0": [get("rmcp-client")],
    }.get(client) or ["node", str(NODE / "client.mjs")]


def drive(row: Row, port: int) -> subprocess.CompletedProcess:
    """Runs the client, which prints what it did."""
    plan = {
        "package": PACKAGES.get(row.client),
        "url": f"http://127.0.0.1:{port}{row.path()}",
        "transport": row.transport,
        "mode": row.mode,
        "sessions": SESSIONS,
        "operations": [operation.plan() for operation in row.operations if operation.method != "driver"],
    }
    return subprocess.run(
        [*command(row.client), json.dumps(plan)],
        capture_output=True, text=True, timeout=60, env=clean_env(), cwd=ROOT,
    )


@pytest.fixture(scope="module")
def sidecars(peer, logs):
    """One sidecar per server, for all its clients."""
    running: dict[str, Sidecar] = {}

    def start(server: str) -> Sidecar:
        if server not in running:
            running[server] = Sidecar(peer(server).port, logs, f"sidecar-{server}", MCP_UPSTREAM_NAME=server)
        return running[server]

    yield start
    for sidecar in running.values():
        sidecar.stop()


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_row(row: Row, sidecars) -> None:
    sidecar = sidecars(row.server)
    before = sidecar.accepted()
    relay = Relay(sidecar.port)
    client = drive(row, relay.port)
    ledger = relay.close()
    # First, so that the account of the sidecar is right for the rows to come, whatever becomes of this one.
    sidecar.check(ledger)
    assert client.returncode == 0, client.stderr[-3000:]
    assert client_outcomes(client.stdout) == told(row)
    account = Expected(sidecar.server_name)
    account.ledger(ledger)
    assert account.operations == outcomes(row)
    assert differing(account, family_totals(row)) == []
    assert all(later > earlier for earlier, later in zip(before, sidecar.accepted())), "a worker served nothing"


def client_outcomes(printed: str) -> Outcomes:
    seen = json.loads(printed.splitlines()[-1])
    return Counter((entry["method"], entry["name"], outcome_label(entry["outcome"])) for entry in seen)


def outcome_label(outcome: str) -> str:
    if outcome.startswith("rpc"):
        return "invalid_request" if outcome in INVALID_REQUEST else "rpc_error"
    return outcome


def differing(account: Expected, wanted: Counter[Series]) -> list[str]:
    """Series on which the account of the bytes and the table do not agree, in the families that the table decides."""
    families = {family for family, _ in wanted} | {"mcp_server_requests_total", "mcp_sessions_total"}
    found = {entry: count for entry, count in account.totals.items() if entry[0] in families and decided(entry)}
    return [
        f"table {wanted[entry]}, bytes {found.get(entry, 0)}: {pretty(entry)}"
        for entry in sorted(wanted.keys() | found.keys())
        if wanted[entry] != found.get(entry, 0)
    ]


def decided(entry: Series) -> bool:
    """Notifications of the server are its own affair, but for the progress that its client asked for."""
    labels = dict(entry[1])
    return labels.get("direction") != "out" or labels["method"] == "notifications/progress"
