"""2026-07-28 has no sessions: one program serves all clients."""

import json


from behaviour import error, pid_of, text
from servers import misbehaving
from session import Modern, Session
from support.processes import wait_for


def test_initialize_never_reaches_the_shared_program(run) -> None:
    sidecar = run(misbehaving())
    client = Modern(sidecar.port)
    pid = pid_of(client)
    session = Session(sidecar.port)
    assert pid_of(session) != pid
    refused = client.begin("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
    assert refused.status == 404 and refused.answer()["error"]["code"] == -32601
    assert "initialize" not in json.loads(text(client.call("seen")))["methods"]


def test_shared_program_that_ended_is_started_again(run) -> None:
    sidecar = run(misbehaving())
    clients = [Modern(sidecar.port) for _ in range(2)]
    pid = pid_of(clients[0])
    waiting = clients[1].start("never", token="t")
    assert "status 3" in error(clients[0].call("exit", status=3))
    assert "status 3" in error(waiting.answer())
    assert pid_of(clients[0]) != pid


def test_closed_response_cancels_in_the_shared_program(run) -> None:
    sidecar = run(misbehaving())
    client = Modern(sidecar.port)
    call = client.start("progress", token="t", steps=2, seconds=1)
    call.next(method="notifications/progress")
    call.leave()
    wait_for("the cancellation", lambda: json.loads(text(client.call("seen")))["cancelled"])


def test_late_answer_of_the_shared_program_goes_to_no_other_client(run) -> None:
    sidecar = run(misbehaving())
    clients = [Modern(sidecar.port) for _ in range(2)]
    call = clients[0].start("progress", token="t", identity=1, steps=2, seconds=0.5)
    call.next(method="notifications/progress")
    call.leave()
    slow = clients[1].start("slow", identity=1, seconds=1.5)
    assert [message["id"] for message in slow.messages()] == [1]
    assert text(slow.read[0]) == "slow"
