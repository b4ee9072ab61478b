"""Runs a plan as the client, and compares both directions with what was sent."""

from collections import Counter

from support.headers import comparable
from support.http1 import Head, Headers

from .client import AUTHORITY, DEADLINE, Client
from .plan import CLIENT_LEAVES, WHOLE, Plan
from .server import confirmed
from .server import head as sent_head

# For verbs that may have a body, Envoy adds the length of an empty one. So the client sends it too.
WITH_BODY = ("POST", "PUT", "OPTIONS")


def play(plan: Plan, client: Client) -> None:
    """Sends each piece after the other side has received the one before."""
    fields = [*plan.request_headers, *length(plan)]
    bodiless = not plan.request and not plan.request_chunked
    client.begin(plan.verb, plan.target, fields, plan.request_chunked, bodiless)
    await_server(plan)
    for number, piece in enumerate(plan.request):
        if plan.breaks_in_request and number == plan.broken_after:
            break
        client.piece(piece)
        await_server(plan)
    if plan.breaks_in_request:
        client.leave()
    else:
        client.finish(plan.request_trailers)
        receive(plan, client)
    assert plan.served.wait(DEADLINE), "the server did not come to its end"
    assert not plan.failure, plan.failure
    compare_request(plan, client.lower)


def await_server(plan: Plan) -> None:
    assert plan.request_seen.acquire(timeout=DEADLINE), f"the server did not see it {plan.failure}"


def length(plan: Plan) -> Headers:
    if plan.request_chunked or plan.verb not in WITH_BODY:
        return []
    return [("Content-Length", str(sum(map(len, plan.request))))]


def receive(plan: Plan, client: Client) -> None:
    if not plan.has_head:
        if plan.ending == CLIENT_LEAVES:
            client.leave()
        else:
            # There is no response of the server, so Envoy sends its own.
            assert client.head().status == 503
            assert sum(map(len, client.pieces())) > 0
        return
    compare_response_head(plan, client.head(), client.lower)
    plan.response_seen.release()
    if plan.ending == CLIENT_LEAVES and plan.response_pieces == 0:
        client.leave()
        return
    for whole in confirmed(client.pieces(), plan.response, plan.response_seen):
        if plan.ending == CLIENT_LEAVES and whole == plan.response_pieces:
            client.leave()
            break
    message = client.message
    assert message.body == b"".join(plan.response[: plan.response_pieces]), "another body of the response"
    assert message.complete == (plan.ending == WHOLE), "another end of the response"
    assert lower(message.trailers) == lower(plan.response_trailers if plan.ending == WHOLE else [])


# === the comparison ===


def compare_request(plan: Plan, lowered: bool) -> None:
    arrived = plan.arrived
    assert arrived.head.start == f"{plan.verb} {plan.target} HTTP/1.1"
    kept = [line for line in plan.request_headers if not line[0].lower().startswith("x-envoy-")]
    sent = [("Host", AUTHORITY), *kept, *length(plan), ("x-forwarded-proto", "http")]
    assert same(arrived.head.headers, sent, lowered) == {}, "other headers of the request"
    pieces = plan.request[: plan.broken_after] if plan.breaks_in_request else plan.request
    assert arrived.body == b"".join(pieces), "another body of the request"
    assert arrived.complete == (not plan.breaks_in_request), "another end of the request"
    assert lower(arrived.trailers) == lower([] if plan.breaks_in_request else plan.request_trailers)


def compare_response_head(plan: Plan, head: Head, lowered: bool) -> None:
    assert head.start == (f"HTTP/2 {plan.status}" if lowered else f"HTTP/1.1 {plan.status} Plan")
    sent = sent_head(plan)
    dates = [line for line in head.headers if line[0].lower() == "date"]
    if not any(name == "Date" for name, _ in sent):
        assert len(dates) == 1, "a date is added where absent"
        head = Head(head.start, [line for line in head.headers if line not in dates])
    assert same(head.headers, sent, lowered) == {}, "other headers of the response"


def same(one: Headers, other: Headers, lowered: bool) -> dict[tuple[str, str], int]:
    """The lines that differ, and how often each occurs more on one side."""
    difference: Counter = comparable(one, lower=lowered)
    difference.subtract(comparable(other, lower=lowered))
    return {line: count for line, count in difference.items() if count}


def lower(trailers: Headers) -> Headers:
    """Envoy's case formatter does not reach trailers."""
    return [(name.lower(), value) for name, value in trailers]
