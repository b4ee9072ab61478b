"""The plan of one exchange, which depends only on its number and the seed."""

import random
import threading
from dataclasses import dataclass, field

from support import http1
from support.http1 import Headers

from . import bodies

NUMBER = "X-Plan"
JSON = ("application/json", "application/json; charset=utf-8", "application/problem+json")
OTHER = ("text/plain", "text/html", "application/octet-stream", "application/x-www-form-urlencoded")
REQUEST_HEADERS = [
    ("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", "2025-11-25"),
    ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Session-Id", "A-b_C!~"), ("Mcp-Method", "tools/call"),
    ("Mcp-Name", "=?base64?YWRk?="), ("Last-Event-ID", "a::1"), ("Authorization", "Bearer s3cr3t"),
    ("Accept-Encoding", "gzip, deflate, br"), ("User-Agent", "Test/1.0 (odd; agent)"), ("X-Forwarded-For", "10.0.0.1"),
    ("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("X-lower-UPPER", "a  b"),
    ("X-Empty", ""), ("X-Latin", "caf\u00e9"), ("Origin", "https://app.example"), ("Cookie", "a=1; b=2"),
]  # fmt: skip
REMOVED = [("X-Envoy-Retry-On", "5xx"), ("x-envoy-max-retries", "3")]
RESPONSE_HEADERS = [
    ("Mcp-Session-Id", "s-1"), ("WWW-Authenticate", 'Bearer realm="x"'), ("Cache-Control", "no-cache, no-transform"),
    ("X-Accel-Buffering", "no"), ("Server", "Plan/1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-MiXeD", "Yes"),
    ("Date", "Mon, 01 Jan 2024 00:00:00 GMT"), ("Vary", "Accept-Encoding"), ("X-Empty", ""), ("Retry-After", "1"),
]  # fmt: skip
TRAILERS = [("X-Checksum", "abc"), ("X-Other", "d e")]
TARGETS = ("/plan", "/plan?sessionId=a", "/plan?session_id=b&x=%20", "/plan?", "/plan?q=a+b&q=/../", "/plan?" + "y" * 3000)
WHOLE, CLIENT_LEAVES, SERVER_RESETS = "whole", "the client leaves", "the server resets"


@dataclass
class Plan:
    """`broken_after`: the number of pieces, of the request and then of the response, after which one side leaves. A response
    that is `framed` by "close" ends with its connection."""

    number: int
    verb: str
    target: str
    request_headers: Headers
    request: list[bytes]
    request_chunked: bool
    request_trailers: Headers
    status: int
    response_headers: Headers
    response: list[bytes]
    framed: str
    response_trailers: Headers
    ending: str = WHOLE
    broken_after: int = 0
    # Some exchanges that break before the first piece of the response have response headers.
    head_comes_first: bool = False
    # Each side tells the other what has arrived. What the server received is kept for the comparison.
    request_seen: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    response_seen: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    served: threading.Event = field(default_factory=threading.Event)
    arrived: http1.Message | None = None
    failure: str = ""

    @property
    def breaks_in_request(self) -> bool:
        """Whether the client leaves before its request is complete."""
        return self.ending == CLIENT_LEAVES and self.broken_after < len(self.request)

    @property
    def response_pieces(self) -> int:
        """The number of pieces of the response that pass."""
        if self.ending == WHOLE:
            return len(self.response)
        return max(0, self.broken_after - len(self.request))

    @property
    def has_head(self) -> bool:
        """Whether the response headers pass before the exchange breaks."""
        least = len(self.request) + (not self.head_comes_first)
        return self.ending == WHOLE or self.broken_after >= least


def make(seed: str, number: int) -> Plan:
    chance = random.Random(f"{seed} {number}")
    verb = chance.choices(("POST", "GET", "DELETE", "PUT", "OPTIONS", "HEAD"), (70, 15, 5, 4, 3, 3))[0]
    request, kind = request_body(chance, verb)
    chunked = bool(request) and chance.random() < 0.6
    status = chance.choices((200, 202, 204, 304, 400, 401, 404, 500, 503), (75, 5, 3, 1, 5, 2, 4, 3, 2))[0]
    response, headers = response_body(chance, verb, status)
    framed = chance.choices(("chunked", "length", "close"), (6, 4, 1))[0] if status not in (204, 304) else "none"
    request_headers = sample(chance, REQUEST_HEADERS) + ([("Content-Type", kind)] if kind else []) + sample(chance, REMOVED, 0.1)
    plan = Plan(
        number, verb, chance.choice(TARGETS), [(NUMBER, str(number)), *request_headers], request, chunked,
        TRAILERS if chunked and chance.random() < 0.2 else [],
        status, [*headers, *sample(chance, RESPONSE_HEADERS)], response, framed,
        TRAILERS if framed == "chunked" and verb != "HEAD" and chance.random() < 0.2 else [],
    )  # fmt: skip
    if chance.random() < 0.15 and verb != "HEAD" and framed in ("chunked", "length"):
        break_it(chance, plan)
    return plan


def break_it(chance: random.Random, plan: Plan) -> None:
    """Breaks the exchange before the last piece, so that it is incomplete."""
    if not plan.response:
        plan.framed = "chunked"
    plan.head_comes_first = chance.random() < 0.5
    plan.ending = chance.choice((CLIENT_LEAVES, SERVER_RESETS))
    least = 0 if plan.ending == CLIENT_LEAVES else len(plan.request)
    plan.broken_after = chance.randrange(least, len(plan.request) + max(1, len(plan.response)))


def request_body(chance: random.Random, verb: str) -> tuple[list[bytes], str]:
    if verb not in ("POST", "PUT"):
        return [], ""
    kind = chance.choice(JSON) if chance.random() < 0.9 else chance.choice(OTHER)
    return bodies.cut(chance, bodies.document(chance)), kind


def response_body(chance: random.Random, verb: str, status: int) -> tuple[list[bytes], Headers]:
    if verb == "HEAD" or status in (204, 304):
        return [], []
    if chance.random() < 0.5:
        pieces = bodies.events(chance)
        if chance.random() < 0.3:
            pieces = bodies.cut(chance, b"".join(pieces))
        kind = chance.choice(("text/event-stream", "text/event-stream; charset=utf-8"))
    else:
        pieces = bodies.cut(chance, bodies.document(chance))
        kind = chance.choice(JSON) if chance.random() < 0.8 else chance.choice(OTHER)
    headers = [("Content-Type", kind)]
    if chance.random() < 0.15:
        coding, pieces = bodies.packed(chance, pieces)
        headers.append(("Content-Encoding", coding))
    return [piece for piece in pieces if piece], headers


def sample(chance: random.Random, lines: Headers, share: float = 0.3) -> Headers:
    """Some of the lines. A name occurs twice only if it may be repeated."""
    chosen: Headers = []
    for name, value in lines:
        if chance.random() < share and (name == "Set-Cookie" or name not in dict(chosen)):
            chosen.append((name, value))
    return chosen
