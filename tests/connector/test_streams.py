"""What a server sends unasked, through the bridge: it reaches its own client, in order and once, and the counters have it."""

import anyio
import pytest
from mcp import Client
from mcp.client.subscriptions import ResourceUpdated

import servers
from session import META, Modern, Session
from support.exchange import Ledger
from support.processes import wait_for

URI = "notes://today"
UPDATED, CHANGED = "notifications/resources/updated", "notifications/resources/list_changed"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
FILTER = {"notifications": {"resourceSubscriptions": [URI]}}


def ok(message: dict) -> dict:
    assert "result" in message, message
    return message["result"]


def methods(messages: list[dict]) -> list[str]:
    return [message["method"] for message in messages]


def test_changes_reach_the_stream_of_their_session(run) -> None:
    sidecar, ledger = run(servers.command("python-1.30.0")), Ledger()
    sessions = [Session(sidecar.port, ledger) for _ in range(2)]
    streams = [session.stream() for session in sessions]
    for session, stream in zip(sessions, streams):
        ok(session.begin("resources/subscribe", {"uri": URI}).answer())
        assert ok(session.call("change"))["content"][0]["text"] == "changed"
        stream.next(method=CHANGED)
        ok(session.begin("resources/unsubscribe", {"uri": URI}).answer())
    # Each stream has the messages of its own program only, whose call came last for the second one.
    assert [methods(stream.read) for stream in streams] == [[UPDATED, CHANGED]] * 2
    for stream in streams:
        stream.leave()
    assert [session.delete() for session in sessions] == [200, 200]
    sidecar.check(ledger)


def test_stream_is_resumed_without_loss(run) -> None:
    sidecar = run(servers.command("python-1.30.0"))
    session = Session(sidecar.port)
    stream = session.stream()
    session.call("change")
    stream.next(method=CHANGED)
    last = stream.events[0]
    stream.leave()
    # What came after the event `last` is sent again, and then what comes.
    resumed = session.stream(after=last)
    resumed.next(method=CHANGED)
    session.call("change")
    resumed.next(method=UPDATED)
    resumed.next(method=CHANGED)
    assert methods(resumed.read) == [CHANGED, UPDATED, CHANGED]
    resumed.leave()
    assert session.delete() == 200


def test_changes_without_a_stream_come_with_the_call(run) -> None:
    sidecar = run(servers.command("python-1.30.0"))
    session = Session(sidecar.port)
    *told, answer = session.start("change").finish()
    assert methods(told) == [UPDATED, CHANGED] and "result" in answer
    assert session.delete() == 200


def test_answer_of_a_broken_stream_is_resumed(run) -> None:
    sidecar = run(servers.command("python-1.30.0"))
    session = Session(sidecar.port)
    call = session.start("slow", milliseconds=200, token="t")
    progress = session.start("progress", token="p")
    progress.next(method="notifications/progress")
    last = progress.events[0]
    progress.leave()
    call.leave()
    resumed = session.stream(after=last)
    answer = resumed.next(id=progress_id(session))
    assert answer["result"]["content"][0]["text"] == "done"
    assert [message["params"]["progress"] for message in resumed.read if "method" in message] == [2, 3]
    resumed.leave()
    # A client that leaves does not cancel its call, and its session goes on.
    assert ok(session.call("echo", text="a"))["content"][0]["text"] == "a"
    assert session.delete() == 200


def progress_id(session: Session) -> int:
    """The id of the last request."""
    return session.next_id


def test_second_stream_takes_over_and_the_first_lives(run) -> None:
    sidecar = run(servers.command("python-1.30.0"))
    session = Session(sidecar.port)
    first, second = session.stream(), session.stream()
    session.call("change")
    second.next(method=CHANGED)
    second.leave()
    # Until the bridge knows that the client has left, it sends to the second stream. A call after Envoy's reset comes later.
    active = "cluster.upstream.upstream_rq_active: 1\n"
    wait_for("Envoy to close the second stream", lambda: sidecar.admin("/stats?filter=upstream_rq_active$").find(active) >= 0)
    ok(session.call("echo", text="a"))
    session.call("change")
    first.next(method=CHANGED)
    assert methods(first.read)[-2:] == [UPDATED, CHANGED]
    first.leave()
    assert session.delete() == 200


def test_server_requests_reach_the_session_of_their_call(run) -> None:
    """Two sessions ask at the same time; both programs number their requests from 0."""
    sidecar, ledger = run(servers.command("python-1.30.0")), Ledger()
    sessions = [Session(sidecar.port, ledger, sampling={}) for _ in range(2)]
    calls = [session.start("ask_model", text=text) for session, text in zip(sessions, "ab")]
    asked = [call.next(method="sampling/createMessage") for call in calls]
    assert [request["params"]["messages"][0]["content"]["text"] for request in asked] == ["a", "b"]
    for session, request, model in zip(sessions, asked, ("model-a", "model-b")):
        assert session.reply(request, {"role": "assistant", "model": model, "content": {"type": "text", "text": "x"}}) == 202
    answers = [call.answer() for call in calls]
    assert [ok(answer)["content"][0]["text"] for answer in answers] == ["model-a", "model-b"]
    # Without a call's stream, roots are asked for on the GET stream.
    session = Session(sidecar.port, ledger, roots={})
    stream, call = session.stream(), session.start("ask_roots")
    request = stream.next(method="roots/list")
    assert session.reply(request, {"roots": [{"uri": "file:///here"}]}) == 202
    assert ok(call.answer())["content"][0]["text"] == "file:///here"
    stream.leave()
    for each in (*sessions, session):
        assert each.delete() == 200
    sidecar.check(ledger)


def test_progress_comes_before_the_result_and_a_cancelled_call_ends(run) -> None:
    sidecar, ledger = run(servers.command("python-1.30.0")), Ledger()
    session = Session(sidecar.port, ledger)
    call = session.start("waits", token="t")
    assert call.next(method="notifications/progress")["params"]["progressToken"] == "t"
    assert session.notify("notifications/cancelled", requestId=session.next_id, reason="enough") == 202
    assert "error" in call.answer()
    reported = session.start("progress", token=7)
    assert [message.get("method", "answer") for message in reported.finish()] == ["notifications/progress"] * 3 + ["answer"]
    assert session.delete() == 200
    sidecar.check(ledger)


def test_subscriptions_with_the_same_id_are_apart(run) -> None:
    """2026-07-28: two clients of one program use the same ids and tokens."""
    sidecar, ledger = run(servers.command("python-2.3.0")), Ledger()
    clients = [Modern(sidecar.port, ledger) for _ in range(2)]
    listening = [clients[0].begin("subscriptions/listen", FILTER, identity=1)]
    listening.append(clients[1].begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, identity=1))
    for stream in listening:
        told = stream.next(method=ACKNOWLEDGED)
        assert told["params"]["_meta"][f"{META}subscriptionId"] == 1
    answers = [client.start("echo", text=text, identity="same") for client, text in zip(clients, "ab")]
    assert [(answer["id"], ok(answer)["content"][0]["text"]) for answer in (call.answer() for call in answers)] == [("same", "a"), ("same", "b")]
    ok(clients[1].call("change"))
    updated = listening[0].next(method=UPDATED)
    assert updated["params"]["uri"] == URI and updated["params"]["_meta"][f"{META}subscriptionId"] == 1
    # The other one gets a message of its own next, so it missed nothing that came before.
    assert methods(listening[1].read) == [ACKNOWLEDGED]
    # This is how a subscription ends.
    for stream in listening:
        stream.leave("ok")
    sidecar.check(ledger)


def test_tokens_of_two_clients_are_apart(run) -> None:
    sidecar, ledger = run(servers.command("rmcp-3.11.0")), Ledger()
    clients = [Modern(sidecar.port, ledger) for _ in range(2)]
    waiting = clients[0].start("waits", token="t", identity=1)
    assert waiting.next(method="notifications/progress")["params"]["progressToken"] == "t"
    reported = clients[1].start("progress", token="t", identity=1).finish()
    assert [message["params"]["progressToken"] for message in reported[:-1]] == ["t"] * 3
    assert reported[-1]["id"] == 1 and len(waiting.read) == 1
    waiting.leave()
    sidecar.check(ledger)


@pytest.mark.parametrize("name", ["python-2.3.0"])
def test_listen_of_an_sdk(name: str, run) -> None:
    sidecar = run(servers.command(name))

    async def listen() -> object:
        async with Client(f"http://127.0.0.1:{sidecar.port}/mcp") as client, Client(f"http://127.0.0.1:{sidecar.port}/mcp") as other:
            async with client.listen(resource_subscriptions=[URI]) as subscription:
                await other.call_tool("change")
                with anyio.fail_after(20):
                    return await anext(subscription)

    assert anyio.run(listen) == ResourceUpdated(uri=URI)
