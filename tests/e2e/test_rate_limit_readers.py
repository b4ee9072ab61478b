"""Requests that a server may read in another way than the filter. None of them gets a call past a rate limit without a count."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cases import rpc
from support.client import JSON
from support.http1 import Headers
from support.limited import DAY_MS, RULE, TOOLS, Limited, assert_refused, call, counting, running
from support.stub import Stub

KIND, ACCEPT = JSON


def of_type(content_type: str) -> Headers:
    return [("Content-Type", content_type), ACCEPT]


# === character sets ===


@pytest.mark.parametrize("content_type", [
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    'Application/JSON; Charset="Utf-8"',
    "application/json; charset=us-ascii",
    'application/json ; charset="US-ASCII"',
    "application/json; profile=x; charset=utf-8",
])
def test_character_sets_of_json_are_read(content_type: str, strict: Limited) -> None:
    body, headers = call(next(TOOLS)), of_type(content_type)
    with counting(strict, allowed=1, limited=1):
        assert strict.post(body, headers).head.status == 200
        assert_refused(strict.post(body, headers), "1")
    assert strict.bodies() == [body]


@pytest.mark.parametrize("content_type", [
    "application/json; charset=utf-7",
    "application/json;CHARSET=UTF-7",
    'application/json; charset="utf-7"',
    "application/json; charset=utf-16le",
    "application/json; charset=iso-8859-1",
    "application/json; charset=utf-8; charset=utf-7",
    "application/json; charset=utf-7; charset=utf-8",
    'application/json; charset="utf-8"; charset="utf-16"',
])
def test_other_character_sets_are_unread(content_type: str, limited: Limited, strict: Limited) -> None:
    body, headers = call(next(TOOLS)), of_type(content_type)
    with counting(limited, allowed=1, unread=1):
        assert limited.post(body).head.status == 200
        assert limited.post(body, headers).head.status == 200
    assert limited.bodies() == [body, body]
    with counting(strict, unread=1):
        assert strict.post(body, headers).head.status == 429
    assert strict.bodies() == []


def test_text_in_utf_7_is_unread(limited: Limited, strict: Limited) -> None:
    """Its bytes are no JSON, or other JSON than its text."""
    body = call(next(TOOLS)).replace(b"{", b"+AHs-")
    assert body.decode("utf-7").startswith("{")
    headers = of_type("application/json; charset=utf-7")
    with limited.accepting(), counting(limited, unread=1):
        assert limited.post(body, headers).head.status == 202
    assert limited.bodies() == [body]
    with counting(strict, unread=1):
        assert strict.post(body, headers).head.status == 429
    assert strict.bodies() == []


# === members that are there twice ===


def first(members: bytes) -> Callable[[bytes], bytes]:
    """Puts members in front of those of the message."""
    return lambda body: body.replace(b"{", b"{" + members + b", ", 1)


TWICE: dict[str, Callable[[bytes], bytes]] = {
    "method": first(b'"method": "ping"'),
    "escaped method": first(b'"\\u006dethod": "ping"'),
    "params": first(b'"params": {"name": "harmless"}'),
    "name": lambda body: body.replace(b'"name"', b'"name": "harmless", "name"'),
    "jsonrpc": first(b'"jsonrpc": "1.0"'),
    "id": first(b'"id": 99'),
    "same method": first(b'"method": "tools/call"'),
}


@pytest.mark.parametrize("member", TWICE)
@pytest.mark.parametrize("batch", [False, True], ids=["one", "batch"])
def test_last_of_two_members_is_limited_and_counts_as_unread_if_it_passes(
    batch: bool, member: str, limited: Limited, strict: Limited
) -> None:
    plain = call(next(TOOLS))
    body = TWICE[member](plain)
    if batch:
        body = b"[" + body + b"]"
    with counting(limited, allowed=1, unread=1, limited=1):
        assert limited.post(body).head.status == 200
        assert_refused(limited.post(body), "1", batch=batch)
    assert limited.bodies() == [body]
    with counting(strict, unread=1, allowed=1):
        assert_refused(strict.post(body), "1", batch=batch, unread=True)
        # The refused request took no token.
        assert strict.post(plain).head.status == 200
    assert strict.bodies() == [plain]


def test_call_of_which_the_last_method_is_not_limited_is_unread(limited: Limited, strict: Limited) -> None:
    body = first(b'"method": "tools/call"')(call(next(TOOLS)).replace(b"tools/call", b"ping"))
    with counting(limited, unread=2):
        for _ in range(2):
            assert limited.post(body).head.status == 200
    assert limited.bodies() == [body, body]
    with counting(strict, unread=1):
        assert_refused(strict.post(body), "1", unread=True)
    assert strict.bodies() == []


def test_members_twice_in_the_arguments_do_not_matter(strict: Limited) -> None:
    arguments = b'"arguments": {"name": 1, "name": 2, "method": 1, "method": 2, "id": 1, "id": 2}, '
    body = call(next(TOOLS)).replace(b'"name"', arguments + b'"name"')
    with counting(strict, allowed=1, limited=1):
        assert strict.post(body).head.status == 200
        assert_refused(strict.post(body), "1")
    assert strict.bodies() == [body]


# === values that are no strings ===


@pytest.mark.parametrize("value", ["7", '["tools/call"]', '{"tools/call": 1}', "true"])
def test_method_that_is_no_string_is_unread(value: str, limited: Limited, strict: Limited) -> None:
    body = call(next(TOOLS)).replace(b'"tools/call"', value.encode())
    with counting(limited, unread=2):
        for _ in range(2):
            assert limited.post(body).head.status == 200
    assert limited.bodies() == [body, body]
    with counting(strict, unread=1):
        assert strict.post(body).head.status == 429
    assert strict.bodies() == []


@pytest.mark.parametrize("value", ["7", '["analyse"]', '{"analyse": 1}', "true"])
def test_name_that_is_no_string_is_unread(value: str, strict: Limited) -> None:
    """Its call is also one without a name, which the rule covers."""
    body = rpc("tools/call", {"name": json.loads(value)}, 1)
    with counting(strict, unread=1):
        assert_refused(strict.post(body), "1", unread=True)
    assert strict.bodies() == []


def test_name_that_is_no_string_passes_and_counts(limited: Limited) -> None:
    body = rpc("tools/call", {"name": 7}, 1)
    with counting(limited, allowed=1, unread=1):
        assert limited.post(body).head.status == 200
    assert limited.bodies() == [body]


# === headers ===


@pytest.mark.parametrize("verb", ["post", "Post", "pOST"])
def test_post_in_any_case_is_limited(verb: str, limited: Limited) -> None:
    """HTTP/2 has no rule for the case of `:method`, and some servers take `post` as POST."""
    body = call(next(TOOLS))
    with counting(limited, allowed=1, limited=2):
        assert limited.over_http2([body], verb=verb).head.status == 200
        assert_refused(limited.over_http2([body], verb=verb), "1")
        assert_refused(limited.over_http2([body]), "1")
    assert limited.bodies() == [body]


def test_rule_for_results_of_tasks_needs_no_header_of_mcp(stub: Stub, logs: Path) -> None:
    rule = {"name": "each", "method": "tasks/result", "requests": 1, "interval_ms": DAY_MS}
    with running(stub, logs, "readers-tasks", rules=[rule]) as sidecar:
        body = rpc("tasks/result", {"taskId": "t"}, 1)
        with counting(sidecar, allowed=1, limited=2):
            assert sidecar.post(body, [KIND]).head.status == 200
            assert_refused(sidecar.post(body, [KIND]), "1")
            assert_refused(sidecar.post(body, [KIND, ("Accept", "*/*")]), "1")
        assert sidecar.bodies() == [body]


@pytest.fixture(scope="module")
def per_session(stub: Stub, logs: Path):
    with running(stub, logs, "readers-session", rules=[{**RULE, "per": "session"}]) as sidecar:
        yield sidecar


def test_blanks_around_a_session_id_do_not_matter(per_session: Limited) -> None:
    body = call(next(TOOLS))
    with counting(per_session, allowed=2, limited=4):
        assert per_session.over_http2([body], ("mcp-session-id", "abc ")).head.status == 200
        for spelling in ("abc", " abc", "  abc", "\tabc "):
            assert_refused(per_session.over_http2([body], ("mcp-session-id", spelling)), "1")
        assert per_session.over_http2([body], ("mcp-session-id", "a bc")).head.status == 200
    assert per_session.bodies() == [body, body]


@pytest.mark.parametrize("empty", ["", " ", " \t "])
def test_empty_session_id_is_no_session(empty: str, per_session: Limited) -> None:
    body = call(next(TOOLS))
    with counting(per_session, allowed=1, limited=2):
        assert per_session.over_http2([body]).head.status == 200
        assert_refused(per_session.over_http2([body], ("mcp-session-id", empty)), "1")
        assert_refused(per_session.post(body, [*JSON, ("Mcp-Session-Id", empty)]), "1")
    assert per_session.bodies() == [body]
