"""The server: reads the request and sends the response piece by piece, or closes the connection where the plan says."""

from collections.abc import Iterator
from itertools import accumulate
from threading import Semaphore
from typing import BinaryIO

from support import http1
from support.stub import Wire

from .plan import NUMBER, SERVER_RESETS, WHOLE, Plan

DEADLINE = 30


class Server:
    """A handler of the stub, called after the headers, for all running plans."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}

    def __call__(self, head: http1.Head, source: BinaryIO, wire: Wire) -> None:
        plan = self.plans[head.get(NUMBER)]
        try:
            read(plan, head, source)
            if plan.breaks_in_request:
                wire.keep = False
            else:
                answer(plan, wire)
        except Exception as error:
            plan.failure = repr(error)
            raise
        finally:
            plan.served.set()


def read(plan: Plan, head: http1.Head, source: BinaryIO) -> None:
    plan.arrived = http1.Message(head)
    plan.request_seen.release()
    parts = http1.read_body(source, plan.arrived, bodiless=False, until_close=False)
    for _ in confirmed(parts, plan.request, plan.request_seen):
        pass


def confirmed(parts: Iterator[bytes], pieces: list[bytes], seen: Semaphore) -> Iterator[int]:
    """Reads the pieces, confirms each complete one to the client, and yields their number."""
    ends = list(accumulate(map(len, pieces)))
    arrived = whole = 0
    for part in parts:
        arrived += len(part)
        while whole < len(ends) and arrived >= ends[whole]:
            whole += 1
            seen.release()
            yield whole


def answer(plan: Plan, wire: Wire) -> None:
    if plan.has_head:
        wire.raw(http1.render(f"HTTP/1.1 {plan.status} Plan", head(plan)))
        await_client(plan)
        for piece in plan.response[: plan.response_pieces]:
            wire.raw(http1.chunk(piece) if plan.framed == "chunked" else piece)
            await_client(plan)
    if plan.ending == SERVER_RESETS:
        wire.reset()
    elif plan.ending != WHOLE:
        wire.until_gone()
    elif plan.framed == "close":
        wire.close()
    elif plan.framed == "chunked" and plan.verb != "HEAD":
        wire.end(plan.response_trailers)


def head(plan: Plan) -> http1.Headers:
    framing = {
        "chunked": [("Transfer-Encoding", "chunked")],
        "length": [("Content-Length", str(sum(map(len, plan.response))))],
        "close": [("Connection", "close")],
        "none": [],
    }
    return [*plan.response_headers, *framing[plan.framed]]


def await_client(plan: Plan) -> None:
    assert plan.response_seen.acquire(timeout=DEADLINE), "the client did not see it"
