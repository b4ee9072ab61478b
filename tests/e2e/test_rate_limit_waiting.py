"""Clients that send their headers and wait before they send a body, with a rate limit.

The filter lets the headers of a request go after 5 s if no held body ever came on its worker, because Envoy may keep the bodies back.
"""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from support import http1
from support.client import DEADLINE, JSON, Connection
from support.http1 import Head, Headers, Message, chunk, last_chunk
from support.limited import TOOLS, Limited, assert_refused, call, counting, of_length
from support.plain_envoy import PlainEnvoy, bootstrap_of, every
from support.processes import wait_for
from support.sidecar import WORKERS
from support.stub import Stub, Wire

FIELD = "allow_on_headers_stop_iteration"
TOO_LONG = 64 * 1024 + 1


class Watched(Limited):
    """A server that shows which headers reached it, before their bodies."""

    def __init__(self, stub: Stub, logs: Path, name: str, **block: object) -> None:
        self.arrived: list[Head] = []
        self.has_arrived = threading.Event()
        super().__init__(stub, logs, name, **block)
        stub.on_head(self.path, self.serve_head)

    def serve_head(self, head: Head, source: BinaryIO, wire: Wire) -> None:
        self.arrived.append(head)
        self.has_arrived.set()
        if head.get("expect"):
            wire.raw(http1.render("HTTP/1.1 100 Continue", []))
        request = Message(head)
        for _ in http1.read_body(source, request, bodiless=False, until_close=False):
            pass
        if request.complete:
            self.serve(request, wire)
        else:
            wire.close()

    def wait_for_headers(self, count: int) -> None:
        wait_for("the headers to be let go", lambda: len(self.arrived) == count)
        # A body that Envoy kept back would have come by now, because this needs another tick of the workers.
        self.settle()


@pytest.fixture
def watch(stub: Stub, logs: Path, request: pytest.FixtureRequest):
    """Starts a sidecar on which no held body ever came."""
    started: list[Watched] = []

    def start(**block: object) -> Watched:
        started.append(Watched(stub, logs, request.node.name.translate({ord("["): "-", ord("]"): None}), **block))
        return started[-1]

    yield start
    for sidecar in started:
        sidecar.stop()


def begin(connection: Connection, sidecar: Watched, body: bytes, *more: tuple[str, str], chunked: bool = False) -> None:
    """Sends the headers of a request with this body."""
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    connection.begin("POST", sidecar.path, [("Host", "x"), *JSON, *more, framing], body)


def finish(connection: Connection, body: bytes, chunked: bool = False) -> Message:
    """Sends the body in two parts, and reads the response."""
    parts = body[:9], body[9:]
    if chunked:
        parts = chunk(parts[0]), chunk(parts[1]) + last_chunk()
    for part in parts:
        connection.socket.sendall(part)
    return connection.receive()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_delayed_body_over_the_limit_is_refused_when_it_comes(chunked: bool, watch: Callable[..., Watched]) -> None:
    sidecar, tool = watch(), next(TOOLS)
    slow, other = sidecar.connections(sidecar.ledger)
    with slow, other:
        begin(slow, sidecar, call(tool), chunked=chunked)
        assert other.post(call(tool, 2), target=sidecar.path).head.status == 200
        sidecar.wait_for_headers(2)
        assert_refused(finish(slow, call(tool), chunked), "1")
    assert sidecar.bodies() == [call(tool, 2)]
    sidecar.counts(allowed=1, limited=1)


@pytest.mark.parametrize("unread", ["pass", "refuse"])
def test_delayed_body_within_the_limit_passes_whole(unread: str, watch: Callable[..., Watched]) -> None:
    sidecar, body = watch(unread=unread), call(next(TOOLS))
    slow, other = sidecar.connections(sidecar.ledger)
    with slow, other:
        begin(slow, sidecar, body)
        sidecar.wait_for_headers(1)
        assert finish(slow, body).head.status == 200
        assert_refused(other.post(body, target=sidecar.path), "1")
    assert sidecar.bodies() == [body]
    sidecar.counts(allowed=1, limited=1)


@pytest.mark.parametrize("unread", ["pass", "refuse"])
def test_delayed_body_that_is_too_long_is_unread(unread: str, watch: Callable[..., Watched]) -> None:
    sidecar, body = watch(unread=unread), of_length(next(TOOLS), TOO_LONG)
    slow, other = sidecar.connections()
    with counting(sidecar, unread=1), slow, other:
        begin(slow, sidecar, body, chunked=True)
        sidecar.wait_for_headers(1)
        assert finish(slow, body, chunked=True).head.status == (200 if unread == "pass" else 429)
    assert sidecar.bodies() == ([body] if unread == "pass" else [])


@pytest.mark.parametrize("unread", ["pass", "refuse"])
def test_other_calls_of_the_worker_are_limited_meanwhile(unread: str, watch: Callable[..., Watched]) -> None:
    sidecar, tool = watch(unread=unread), next(TOOLS)
    slow, _ = sidecar.connections(sidecar.ledger)
    same, _ = sidecar.connections(sidecar.ledger)
    begin(slow, sidecar, call(tool))
    sidecar.wait_for_headers(1)
    assert same.post(call(tool, 2), target=sidecar.path).head.status == 200
    for request_id in (3, 4):
        assert_refused(same.post(call(tool, request_id), target=sidecar.path), str(request_id))
    assert_refused(finish(slow, call(tool)), "1")
    assert_refused(same.post(call(tool, 5), target=sidecar.path), "5")
    assert sidecar.bodies() == [call(tool, 2)]
    sidecar.counts(allowed=1, limited=4)


def test_body_that_comes_as_soon_as_its_headers_are_let_go_is_limited(watch: Callable[..., Watched]) -> None:
    """A client can learn of it: a server that answers before it has the body answers now."""
    sidecar, tool = watch(), next(TOOLS)
    slow, other = sidecar.connections(sidecar.ledger)
    same, _ = sidecar.connections(sidecar.ledger)
    assert other.post(call(tool), target=sidecar.path).head.status == 200
    sidecar.has_arrived.clear()
    begin(slow, sidecar, call(tool, 2))
    assert sidecar.has_arrived.wait(DEADLINE)
    assert_refused(finish(slow, call(tool, 2)), "2")
    assert_refused(same.post(call(tool, 3), target=sidecar.path), "3")
    assert sidecar.bodies() == [call(tool)]
    sidecar.counts(allowed=1, limited=2)


def test_headers_stay_held_on_a_worker_on_which_a_body_came(watch: Callable[..., Watched]) -> None:
    sidecar, tool, other = watch(), next(TOOLS), next(TOOLS)
    one, two = sidecar.connections(sidecar.ledger)
    with one, two:
        assert one.post(call(tool), target=sidecar.path).head.status == 200
        begin(one, sidecar, call(tool, 2), ("X-Worker", "one"))
        begin(two, sidecar, call(other, 3), ("X-Worker", "two"))
        # Only those of the second worker.
        sidecar.wait_for_headers(2)
        assert [head.get("x-worker") for head in sidecar.arrived] == ["", "two"]
        assert_refused(finish(one, call(tool, 2)), "2")
        assert finish(two, call(other, 3)).head.status == 200
    assert sidecar.bodies() == [call(tool), call(other, 3)]
    sidecar.counts(allowed=2, limited=1)


def test_plugin_that_gets_no_bodies_lets_requests_pass(watch: Callable[..., Watched], logs: Path) -> None:
    base, body = watch(), call(next(TOOLS))
    bootstrap = bootstrap_of(base)
    for plugin in every(bootstrap, FIELD):
        del plugin[FIELD]
    envoy = PlainEnvoy(bootstrap, base.server_name, logs, "no-bodies")
    try:
        with counting(envoy, unread=2), Connection(envoy.port) as connection:
            for _ in range(2):
                assert connection.post(body, target=base.path).head.status == 200
        assert base.bodies() == [body, body]
        assert envoy.process.log().count(FIELD) == 1
    finally:
        envoy.stop()


def take_a_body(envoy: PlainEnvoy | Limited, server: Limited) -> None:
    """Sends a call through each worker, so that headers are not let go after 5 s."""
    with counting(envoy, allowed=WORKERS):
        for connection in envoy.connections():
            with connection:
                assert connection.post(call(next(TOOLS)), target=server.path).head.status == 200
    server.bodies()


def test_server_continues_a_held_request(watch: Callable[..., Watched], logs: Path) -> None:
    """With `proxy_100_continue` the client sends its body when the server says 100. Without it, Envoy says 100 itself."""
    base, body = watch(), call(next(TOOLS))
    bootstrap = bootstrap_of(base)
    (manager, *_) = every(bootstrap["static_resources"]["listeners"][0], "stat_prefix")
    manager["proxy_100_continue"] = True
    envoy = PlainEnvoy(bootstrap, base.server_name, logs, "continues")
    try:
        take_a_body(envoy, base)
        with counting(envoy, allowed=1, limited=1):
            for refused in (False, True):
                base.arrived.clear()
                with Connection(envoy.port) as connection:
                    begin(connection, base, body, ("Expect", "100-continue"))
                    assert http1.read_head(connection.source).status == 100
                    assert len(base.arrived) == 1
                    answer = finish(connection, body)
                if refused:
                    assert_refused(answer, "1")
                else:
                    assert answer.head.status == 200
        assert base.bodies() == [body]
    finally:
        envoy.stop()


def test_lines_of_json_that_are_not_mcp_are_not_held(stub: Stub, watch: Callable[..., Watched]) -> None:
    """The client of such a path sends a line and waits for the answer before it sends the next."""

    def answer_lines(head: Head, source: BinaryIO, wire: Wire) -> None:
        wire.begin("application/x-ndjson")
        for line in http1.read_body(source, Message(head), bodiless=False, until_close=False):
            wire.chunk(line)
        wire.end()

    stub.on_head("/lines", answer_lines)
    sidecar = watch()
    take_a_body(sidecar, sidecar)
    headers: Headers = [("Host", "x"), ("Content-Type", "application/x-ndjson"), ("Transfer-Encoding", "chunked")]
    lines = [json.dumps({"query": number}).encode() + b"\n" for number in range(3)]
    with counting(sidecar), sidecar.connect() as connection:
        connection.begin("POST", "/lines", headers, b"".join(lines), chunk(lines[0]))
        connection.head()
        answers = connection.pieces()
        assert next(answers) == lines[0]
        for line in lines[1:]:
            connection.socket.sendall(chunk(line))
            assert next(answers) == line
        connection.socket.sendall(last_chunk())
        assert list(answers) == []
