"""Sessions up to 2025-11-25, each with a program of its own: no request of one touches the program of another."""

import json


from behaviour import PROGRAM, error, pid_of, text
from families import LAST, alive, descendants, gone, named, resident_kib
from servers import misbehaving
from session import Exchange, Session
from support.client import JSON, Connection
from support.exchange import Ledger
from support.sidecar import Sidecar


def test_one_program_serves_all_posts_of_a_session(misbehaving_sidecar: Sidecar, session: Session) -> None:
    pids = {pid_of(session) for _ in range(10)}
    assert len(pids) == 1
    other = Session(misbehaving_sidecar.port)
    assert pid_of(other) not in pids
    assert other.delete() == 200
    seen = json.loads(text(session.call("seen")))["methods"]
    assert seen.count("initialize") == 1 and seen.count("notifications/initialized") == 1


def test_program_ends_with_its_session(misbehaving_sidecar: Sidecar) -> None:
    session = Session(misbehaving_sidecar.port)
    pid = pid_of(session)
    open_call = session.start("never")
    assert session.delete() == 200
    gone({pid})
    assert "error" in open_call.answer()
    assert session.start("echo").status == 404


def test_stray_requests_touch_no_program(misbehaving_sidecar: Sidecar, session: Session) -> None:
    pid, before = pid_of(session), named(misbehaving_sidecar.process.pid, PROGRAM)
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    stray = [
        ("POST", [*JSON], ping, 400),
        ("POST", [*JSON, ("Mcp-Session-Id", "unknown")], ping, 404),
        ("POST", [*JSON, ("Mcp-Session-Id", session.identity), ("MCP-Protocol-Version", "1999-01-01")], ping, 400),
        ("POST", session.headers, b"no JSON", 400),
        ("POST", session.headers, b'{"jsonrpc":"2.0"}', 400),
        ("POST", [("Content-Type", "text/plain"), *session.headers[1:]], ping, 415),
        ("POST", [("Content-Type", "application/json"), ("Accept", "application/json"), *session.headers[2:]], ping, 406),
        ("GET", [("Accept", "text/event-stream"), ("Mcp-Session-Id", "unknown")], b"", 404),
        ("DELETE", [*JSON, ("Mcp-Session-Id", "unknown")], b"", 404),
        ("PUT", session.headers, ping, 405),
        ("POST", [*JSON, ("Origin", "http://evil.example")], ping, 403),
    ]
    for verb, headers, body, status in stray:
        exchange = Exchange(misbehaving_sidecar.port, Ledger(), verb, headers, body)
        assert exchange.status == status, (verb, headers, body, exchange.status)
        exchange.finish()
    for path in ("/.well-known/oauth-protected-resource", "/favicon.ico", "/message?sessionId=unknown"):
        exchange = Exchange(misbehaving_sidecar.port, Ledger(), "GET" if "message" not in path else "POST", JSON, target=path)
        assert exchange.status in (400, 404), path
        exchange.finish()
    assert named(misbehaving_sidecar.process.pid, PROGRAM) == before
    assert pid_of(session) == pid


def test_sessions_are_limited(run) -> None:
    sidecar = run(misbehaving(), MCP_STDIO_SESSIONS="2")
    first, second = Session(sidecar.port), Session(sidecar.port)
    refused = Session(sidecar.port)
    assert refused.status == 503 and refused.identity == "" and "MCP_STDIO_SESSIONS" in error(refused.greeting)
    assert len(named(sidecar.process.pid, PROGRAM)) == 2
    assert text(first.call("echo", text="a")) == "a"
    assert first.delete() == 200
    assert text(Session(sidecar.port).call("echo", text="b")) == "b"
    assert text(second.call("echo", text="c")) == "c"


def test_default_limit_is_32_sessions(run) -> None:
    sidecar = run(["sh", "-c", "read line; echo \"$line\" | sed -E 's/.*\"id\": ?([0-9]+).*/{\"jsonrpc\":\"2.0\",\"id\":\\1,\"result\":"
                   "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"serverInfo\":{\"name\":\"sh\",\"version\":\"1\"}}}/'; cat >/dev/null"])
    statuses = [Session(sidecar.port).status for _ in range(33)]
    assert statuses == [200] * 32 + [503]
    everything = descendants(sidecar.process.pid)
    assert len(everything) > 32
    sidecar.stop(LAST)
    assert not alive(everything)


def test_idle_session_ends_and_one_with_a_stream_does_not(run) -> None:
    # Each session gets its stream or call at once, because the start of the next one's program may take longer than the time.
    sidecar = run(misbehaving(), MCP_STDIO_IDLE_MS="3000")
    listening = Session(sidecar.port)
    stream = listening.stream()
    calling = Session(sidecar.port)
    call = calling.start("never")
    kept = {pid_of(listening), pid_of(calling)}
    # Its time begins last, so that of the others is over when it has ended.
    idle = Session(sidecar.port)
    gone({pid_of(idle)})
    assert idle.start("echo").status == 404
    assert alive(kept) == kept
    assert text(listening.call("echo", text="a")) == text(calling.call("echo", text="a")) == "a"
    stream.leave()
    call.leave()


def test_server_request_without_a_stream_comes_with_the_open_call(session: Session) -> None:
    call = session.start("roots")
    request = call.next(method="roots/list")
    assert session.reply(request, {"roots": []}) == 202
    assert json.loads(text(call.answer()))["result"] == {"roots": []}


def test_notifications_without_a_stream_wait_for_one(session: Session) -> None:
    assert text(session.call("later", seconds=0)) == "later"
    stream = session.stream()
    assert stream.next(method="notifications/message")["params"]["data"] == "later"
    stream.leave()


def test_duplicate_id_of_an_open_request_is_refused(session: Session) -> None:
    call = session.start("roots", identity="same")
    # The call is open until the client responds to the server's request.
    request = call.next(method="roots/list")
    assert session.start("echo", identity="same", text="a").status == 400
    assert session.reply(request, {"roots": []}) == 202
    assert json.loads(text(call.answer()))["result"] == {"roots": []}
    assert text(session.start("echo", identity="same", text="b").answer()) == "b"


def test_hundred_calls_are_answered_each_on_its_own(session: Session) -> None:
    calls = [session.start("slow", seconds=0.5) for _ in range(50)] + [session.start("echo", text=str(number)) for number in range(50)]
    answers = [call.answer() for call in calls]
    assert [text(answer) for answer in answers] == ["slow"] * 50 + [str(number) for number in range(50)]


def test_client_that_does_not_read_holds_up_nobody(misbehaving_sidecar: Sidecar) -> None:
    """What it does not read stays with its program: the memory of the sidecar is bounded."""
    stuck, other = Session(misbehaving_sidecar.port), Session(misbehaving_sidecar.port)
    before = resident_kib(misbehaving_sidecar.process.pid)
    stream = stuck.stream()
    # 400 MB, of which nothing is read.
    flood = stuck.start("notify", count=400, params={"level": "info", "data": "x" * 1_000_000})
    for number in range(20):
        assert text(other.call("echo", text=str(number))) == str(number)
    assert resident_kib(misbehaving_sidecar.process.pid) - before < 64 * 1024
    for exchange in (flood, stream):
        exchange.connection.close()
    assert stuck.delete() == 200
    assert other.delete() == 200


def test_program_that_does_not_read_holds_up_nobody(misbehaving_sidecar: Sidecar) -> None:
    stuck, other = Session(misbehaving_sidecar.port), Session(misbehaving_sidecar.port)
    assert text(stuck.call("stop_reading")) == "stopped"
    # More than a pipe takes. The response begins when the line was written, so only the request is sent.
    connection = Connection(misbehaving_sidecar.port)
    body = json.dumps({"jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "x" * 200_000}}})
    connection.send("POST", "/mcp", stuck.headers, body.encode())
    assert text(other.call("echo", text="a")) == "a"
    connection.close()
    assert stuck.delete() == 200
    assert other.delete() == 200
