"""A plugin that is replaced by one with another name leaves no state. A plugin that is replaced by one with the same name loses none."""

from contextlib import closing
from pathlib import Path

from support.cases import rpc
from support.client import JSON, Connection
from support.processes import wait_for
from support.sidecar import Sidecar
from support.stub import Stub
from truth.account import Account
from truth.envoy import FileListenerEnvoy

NAME = "upstream"
SESSION = ("Mcp-Session-Id", "one")
ANSWER = b'{"jsonrpc":"2.0","id":%d,"result":{"content":[]}}'


def ended(envoy: FileListenerEnvoy, name: str) -> dict[str, float]:
    """Ended operations by status, and the operations in flight."""
    found: dict[str, float] = {}
    for (family, labels), value in envoy.samples().items():
        fields = dict(labels)
        if fields.get("server_name") != name or not value:
            continue
        if family == "mcp_requests_total":
            found[fields["status"]] = found.get(fields["status"], 0) + value
        if family == "mcp_requests_in_flight":
            found["in flight"] = value
    return found


def ask(envoy: FileListenerEnvoy, number: int) -> None:
    """Starts an operation whose response comes on another stream."""
    with closing(Connection(envoy.port)) as connection:
        exchange = connection.post(rpc("tools/call", {"name": "a"}, id=number), [*JSON, SESSION], "/accepts")
        assert exchange.head.status == 202


def test_operations_stay_open_when_their_plugin_is_replaced(stub: Stub, logs: Path) -> None:
    stub.on("/accepts", lambda request, wire: wire.answer(202, b""))
    stub.on("/answers", lambda request, wire: (wire.begin("text/event-stream"), wire.event(ANSWER % 1), wire.end()))
    model = Sidecar(stub.port, logs, "replaced-model")
    try:
        drains = ("--drain-time-s", "2", "--drain-strategy", "immediate")
        envoy = FileListenerEnvoy(model, stub.port, Account(NAME), logs, "replaced", *drains)
    finally:
        model.stop()
    try:
        for number in (1, 2):
            ask(envoy, number)
        wait_for("operations to be in flight", lambda: ended(envoy, NAME) == {"in flight": 2})
        envoy.update({"limits": {"error_codes": 31}}, "")
        wait_for("the listener to be drained", lambda: envoy.draining() == 0)
        with closing(Connection(envoy.port)) as connection:
            connection.send("GET", "/answers", [SESSION])
            connection.receive()
        wait_for("the answer to be counted", lambda: ended(envoy, NAME) == {"in flight": 1, "ok": 1})
        envoy.update({"server_name": "another"}, "")
        wait_for("what waits to end", lambda: ended(envoy, NAME) == {"ok": 1, "unknown": 1})
        ask(envoy, 3)
        wait_for("the other name to be counted", lambda: ended(envoy, "another") == {"in flight": 1})
        envoy.check_log()
    finally:
        envoy.stop()
