"""Runs a row of a table: its client against its server through a sidecar. Then compares table, client, recorded bytes and scrape."""

import json
import subprocess
from collections import Counter
from typing import Callable

from .clients import PACKAGES
from .exchange import Ledger
from .expected import Expected
from .matrix import Outcomes, Row, family_totals, outcomes, told
from .peers import ROOT, clean_env
from .relay import Relay
from .series import Series, pretty
from .sidecar import Sidecar

INVALID_REQUEST = ("rpc -32700", "rpc -32600", "rpc -32601", "rpc -32602", "rpc -32002")


def drive(
    row: Row, port: int, command: Callable[[str], list[str]], server: list[str] | None = None
) -> subprocess.CompletedProcess:
    """Runs the client, which prints what it did. With the command of a server the client starts it on standard input and output."""
    plan = {
        "package": PACKAGES.get(row.client),
        **({"command": server} if server else {"url": f"http://127.0.0.1:{port}{row.path()}"}),
        "transport": row.transport,
        "mode": row.mode,
        "sessions": row.sessions,
        "operations": [operation.plan() for operation in row.operations if operation.method != "driver"],
    }
    return subprocess.run(
        [*command(row.client), json.dumps(plan)],
        capture_output=True, text=True, timeout=180, env=clean_env(), cwd=ROOT,
    )


def play(row: Row, sidecar: Sidecar, command: Callable[[str], list[str]]) -> Ledger:
    """Checks that client, recorded bytes, table and scrape agree. Returns the bytes."""
    relay = Relay(sidecar.port)
    try:
        client = drive(row, relay.port, command)
    except subprocess.TimeoutExpired:
        # The next rows do not depend on this one.
        sidecar.adopt(relay.close())
        raise
    ledger = relay.close()
    # This comes first, so that the expected series of the sidecar are right for the next rows, even if this row fails.
    try:
        sidecar.check(ledger)
    except AssertionError as error:
        raise AssertionError(f"{error}\nwhat passed:\n{ledger.transcript()}") from None
    assert client.returncode == 0, client.stderr[-3000:]
    account = Expected(sidecar.server_name)
    account.ledger(ledger)
    lines = [
        *unequal(told(row), client_outcomes(client.stdout), "client"),
        *unequal(outcomes(row), account.operations, "bytes"),
        *differing(account, family_totals(row)),
    ]
    assert not lines, "\n".join([*lines, "what passed:", ledger.transcript()])
    return ledger


def unequal(table: Outcomes, found: Outcomes, where: str) -> list[str]:
    """The operations whose outcomes are not those of the table."""
    return [
        f"table {table[entry]}, {where} {found[entry]}: {' '.join(filter(None, entry))}"
        for entry in sorted(table.keys() | found.keys())
        if table[entry] != found[entry]
    ]


def client_outcomes(printed: str) -> Outcomes:
    seen = json.loads(printed.splitlines()[-1])
    return Counter((entry["method"], entry["name"], outcome_label(entry["outcome"])) for entry in seen)


def outcome_label(outcome: str) -> str:
    if outcome.startswith("rpc"):
        return "invalid_request" if outcome in INVALID_REQUEST else "rpc_error"
    return outcome


def differing(account: Expected, wanted: Counter[Series]) -> list[str]:
    """The series on which recorded bytes and table disagree, in the families that the table determines."""
    families = {family for family, _ in wanted} | {"mcp_server_requests_total", "mcp_sessions_total"}
    found: Counter[Series] = Counter()
    for (family, labels), count in account.totals.items():
        if family in families and decided((family, labels)):
            found[family, tuple(label for label in labels if label[0] != "client_name")] += count
    return [
        f"table {wanted[entry]}, bytes {found.get(entry, 0)}: {pretty(entry)}"
        for entry in sorted(wanted.keys() | found.keys())
        if wanted[entry] != found.get(entry, 0)
    ]


def decided(entry: Series) -> bool:
    """Whether the table determines a series. It does not determine notifications of the server, except requested progress."""
    labels = dict(entry[1])
    return labels.get("direction") != "out" or labels["method"] == "notifications/progress"
