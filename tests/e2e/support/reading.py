"""Reads one recorded exchange: whether it is MCP, and the messages of the response."""

import zlib
from typing import Any

from . import messages
from .exchange import Exchange
from .messages import Part

REFUSAL = b'"data":{"reason":"rate_limited",'


def is_json(head: Any) -> bool:
    kind = messages.content_type(head)
    return kind == "application/json" or kind.endswith("+json")


def is_mcp(exchange: Exchange, known: list[dict]) -> bool:
    head = exchange.request
    accept = head.get("accept").lower()
    return bool(
        any(head.get(name) for name in messages.MCP_HEADERS)
        or any(
            message.get("method") in messages.METHODS and not message["method"].startswith("tasks/")
            for message in known
        )
        or ("application/json" in accept and "text/event-stream" in accept)
        or messages.LEGACY_QUERY.search(head.target)
    )


def is_sse(exchange: Exchange) -> bool:
    return exchange.response is not None and messages.content_type(exchange.response) == "text/event-stream"


def is_refusal(exchange: Exchange) -> bool:
    """Whether the response is that of the rate limit, which is no answer of the server."""
    return exchange.response is not None and exchange.response.status == 429 and REFUSAL in exchange.response_body


def response_parts(exchange: Exchange) -> list[Part]:
    if is_refusal(exchange):
        return []
    if exchange.response is None or not exchange.response_body.strip():
        return []
    if not (is_sse(exchange) or is_json(exchange.response)):
        return []
    body, unread = content(exchange)
    if is_sse(exchange):
        # Some servers send a priming event with an empty object, which is no message.
        told = [event for event in messages.events(body) if event.data != b"{}"]
        parts = [part for event in told for part in parts_of(event)]
    else:
        parts = messages.split(body) if body.strip() and not unread else []
    for part in parts:
        part.skipped = part.skipped and (exchange.skipped or part.skipped)
    return parts + ([Part(None, 0, unread)] if unread else [])


def parts_of(event: messages.Event) -> list[Part]:
    parts = messages.split(event.data)
    for part in parts:
        part.event = event.identity
    return parts


def content(exchange: Exchange) -> tuple[bytes, str]:
    """The readable part of the response body, and why the rest cannot be read."""
    coding, body = exchange.response.get("content-encoding").strip().lower(), exchange.response_body
    if coding in ("", "identity"):
        return body, ""
    if coding not in ("gzip", "x-gzip", "deflate"):
        return b"", "content_encoding"
    if exchange.skipped:
        return b"", exchange.skipped
    if coding != "deflate":
        return gunzip(body)
    return inflate(body, zlib.MAX_WBITS if body[:1] == b"\x78" else -zlib.MAX_WBITS)[:2]


def gunzip(body: bytes) -> tuple[bytes, str]:
    """Decodes all gzip members."""
    decoded, unread = b"", ""
    while body and not unread:
        member, unread, body = inflate(body, 16 + zlib.MAX_WBITS)
        decoded += member
    return decoded, unread


def inflate(body: bytes, wbits: int) -> tuple[bytes, str, bytes]:
    """As `content`, and the bytes after the content."""
    decoder = zlib.decompressobj(wbits)
    try:
        decoded = decoder.decompress(body)
    except zlib.error:
        return b"", "content_encoding", b""
    return decoded, "" if decoder.eof else "truncated", decoder.unused_data


def has_events(exchange: Exchange) -> bool:
    return is_sse(exchange) and any(messages.events(content(exchange)[0]))


def is_stream_of_mcp(exchange: Exchange) -> bool:
    """Whether a GET or DELETE is MCP."""
    if exchange.request.verb == "GET" and messages.is_well_known(exchange.request.target):
        return False
    if any(exchange.request.get(name) for name in messages.STREAM_HEADERS):
        return True
    return is_sse(exchange) and bool(messages.endpoint(exchange.response_body))
