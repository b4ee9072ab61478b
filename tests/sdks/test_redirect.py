"""A server at `/mcp/` that redirects `/mcp` by 307: the redirect is not counted as a failure, and the calls are counted."""

import pytest

from clients import command
from counts import after, alarms, operations
from support.matrix import LISTS, Row, call
from support.relay import Relay
from support.rows import drive

SERVER = "fastmcp-4.2.3-slash"
OPERATIONS = [*LISTS, call("echo", text="a"), call("fails", "tool_error")]
CLIENTS = ["python-1.30.0", "typescript-1.32.2", "go-sdk-1.8.0"]


@pytest.mark.parametrize("client", CLIENTS)
def test_redirected(client: str, sidecar_of) -> None:
    row = Row(client, SERVER, "2025-11-25", OPERATIONS, mode="legacy")
    sidecar = sidecar_of(SERVER)
    relay = Relay(sidecar.port)
    done = drive(row, relay.port, command)
    exchanges = relay.close().exchanges
    assert done.returncode == 0, done.stderr[-3000:]
    sent_on = [each for each in exchanges if each.response and each.response.status == 307 and each.request.verb == "POST"]
    # Every request of the sessions was redirected, and `notifications/initialized` too.
    requests = (len(OPERATIONS) + 1) * row.sessions
    assert requests <= len(sent_on)
    samples = after(sidecar, len(exchanges))
    ended = operations(samples)
    redirected = {method: ended.pop((method, end)) for method, end in list(ended) if end == "redirected"}
    methods = {"initialize", *(operation.method for operation in OPERATIONS)}
    assert set(redirected) <= methods | {"unseen"}
    # The server responds to the headers. If the response came before the body, a notification cannot be distinguished from a request.
    assert requests <= sum(redirected.values()) <= len(sent_on)
    assert sum(redirected.values()) - redirected.get("unseen", 0) <= requests
    assert ended == {**{(method, "ok"): row.sessions for method in methods}, ("tools/call", "tool_error"): row.sessions}
    assert alarms(samples) == {}
