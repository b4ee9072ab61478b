"""What a client received, without the parts that differ between two runs of the same session."""

import re
from collections import Counter

from support import messages
from support.exchange import Exchange, Ledger
from support.http1 import HOP_BY_HOP
from support.reading import is_sse

# Values that servers generate: ids of sessions, events and tasks, dates, and the ports that tests choose.
MADE_UP = [
    (re.compile(rb"^(id|retry): ?.*$", re.M), rb"\1: N"),
    (re.compile(rb"(session_?id=)[A-Za-z0-9_-]+", re.I), rb"\1S"),
    (re.compile(rb"\d+:\d+:\d+ [AP]M"), rb"T"),
    (re.compile(rb"127\.0\.0\.1:\d+|localhost:\d+"), rb"HOST"),
]
# What server-everything logs when it has the client's roots. Behind supergateway, which puts each message of the server on the stream
# of the oldest request without a response, it is on the next request's stream, or on the session's if it comes before.
ROOTS_LOGGED = re.compile(rb"event: message\r?\n(?:id: ?[^\n]*\n)?data: [^\n]*\"Roots updated: [^\n]*\n\r?\n")
# The tool whose calls are cancelled. Its server may respond in time or not.
GIVEN_UP = b'"waits"'
VALUES = {"mcp-session-id": "S", "date": "D", "content-length": "L"}
# Headers that depend on how Envoy frames the body, or that Envoy adds if the server has no date.
FRAMING = ("date", *HOP_BY_HOP)


def of(ledger: Ledger) -> Counter[str]:
    """All entries, without order, because the streams of a session overlap."""
    return Counter(entry for exchange in ledger.exchanges for entry in entries(exchange))


def entries(exchange: Exchange) -> list[str]:
    """The entries of an exchange, whether the client waited for its end after the response or not. Of a stream only the
    responses are compared, because the place where it was cut and the other messages before it depend on timing, as server requests
    do. A request that the client left before its response began, such as that for a second stream at the end, is not compared: whether
    the response comes first depends on timing. What the client itself got is compared with the table."""
    if exchange.response is None:
        return []
    answers = [line for line in exchange.response_body.splitlines() if line.startswith(b"data:") and is_answer(line[5:])]
    if exchange.request.verb == "GET":
        return [without_made_up(line) for line in answers]
    if GIVEN_UP in exchange.request_body or is_answer(exchange.request_body) or (is_sse(exchange) and not answers):
        return []
    return [told(exchange)]


def is_answer(text: bytes) -> bool:
    return any(part.value is not None and messages.is_answer(part.value) for part in messages.split(text))


def told(exchange: Exchange) -> str:
    response = exchange.response
    # Whether a client reads the rest of the body after "Accepted" depends on timing too.
    body = b"" if response.status == 202 else ROOTS_LOGGED.sub(b"", exchange.response_body).rstrip()
    headers = [
        f"{name}: {VALUES.get(name.lower(), value)}"
        for name, value in response.headers
        if name.lower() not in FRAMING
    ]
    # The order of headers is kept.
    return "\n".join([
        without_made_up(exchange.request.start.encode()),
        without_made_up(exchange.request_body),
        response.start,
        *headers,
        without_made_up(body),
    ])


def without_made_up(body: bytes) -> str:
    for pattern, replacement in MADE_UP:
        body = pattern.sub(replacement, body)
    return body.decode("utf-8", "backslashreplace")


def differences(direct: Ledger, through: Ledger) -> list[str]:
    """One line for each exchange that only one of the two runs has."""
    one, other = of(direct), of(through)
    return [f"only direct:\n{entry}" for entry in (one - other)] + [f"only through:\n{entry}" for entry in (other - one)]

