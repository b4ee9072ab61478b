"""Reads JSON-RPC messages from complete bodies. The filter reads them from chunks; this is an independent implementation."""

import json
import re
from dataclasses import dataclass
from typing import Any, Iterator

WHITESPACE = " \t\r\n"
MCP_HEADERS = ("mcp-session-id", "mcp-protocol-version", "mcp-method")
STREAM_HEADERS = ("mcp-session-id", "mcp-protocol-version", "last-event-id")
LEGACY_QUERY = re.compile(r"[?&](?:sessionId|session_id|sessionid)=([^&#]*)")
REVISIONS = ("2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
REQUEST_METHODS = (
    "initialize ping server/discover tools/list tools/call resources/list resources/templates/list resources/read "
    "resources/subscribe resources/unsubscribe prompts/list prompts/get completion/complete logging/setLevel "
    "subscriptions/listen sampling/createMessage roots/list elicitation/create "
    "tasks/get tasks/cancel tasks/result tasks/list tasks/update"
).split()
NOTIFICATION_METHODS = (
    "notifications/initialized notifications/cancelled notifications/progress notifications/message "
    "notifications/resources/updated notifications/resources/list_changed notifications/tools/list_changed "
    "notifications/prompts/list_changed notifications/roots/list_changed notifications/elicitation/complete "
    "notifications/tasks notifications/tasks/status notifications/subscriptions/acknowledged"
).split()
METHODS = frozenset(REQUEST_METHODS + NOTIFICATION_METHODS)


@dataclass
class Part:
    """One JSON-RPC message, or a document that is not one (`skipped` is the reason)."""

    value: dict[str, Any] | None
    size: int
    skipped: str = ""
    # The id of the event with the message, if it has one.
    event: str = ""
    # The text of the document; empty for an element of a batch.
    text: str = ""


def reject_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def split(body: bytes) -> list[Part]:
    """Every message of a JSON body; a batch gives its elements."""
    # Bytes that are not UTF-8 become lone surrogates, which valid text cannot contain.
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    decoder = json.JSONDecoder(parse_constant=reject_constant)
    parts: list[Part] = []
    at = 0
    while True:
        while at < len(text) and text[at] in WHITESPACE:
            at += 1
        if at == len(text):
            break
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            parts.append(Part(None, 0, "invalid_json"))
            return parts
        parts.extend(take_apart(value, text[at:end]))
        at = end
    return parts or [Part(None, 0, "not_json_rpc")]


def take_apart(value: Any, text: str) -> Iterator[Part]:
    for member, own in members(value, text):
        if is_json_rpc(member):
            yield Part(member, bytes_of(own), text="" if isinstance(value, list) else text)
        else:
            yield Part(None, bytes_of(own), "not_json_rpc")


def members(value: Any, text: str) -> Iterator[tuple[Any, str]]:
    """The elements of a batch, each with its own text; a document that is no batch is its only member."""
    if not isinstance(value, list) or not value:
        yield value, text
        return
    decoder, at = json.JSONDecoder(), 1
    for _ in value:
        while text[at] in WHITESPACE + ",":
            at += 1
        member, end = decoder.raw_decode(text, at)
        yield member, text[at:end]
        at = end


def bytes_of(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def is_json_rpc(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("jsonrpc") == "2.0"
        and any(member in value for member in ("method", "result", "error"))
    )


@dataclass
class Event:
    """One server-sent event as a client dispatches it."""

    name: str
    data: bytes
    identity: str


def all_events(body: bytes) -> Iterator[Event]:
    """Every event that a client dispatches. An event without its blank line is dropped."""
    lines = re.split(rb"\r\n|\n|\r", body.removeprefix(b"\xef\xbb\xbf"))
    name, data, identity = b"", [], b""
    for line in lines[:-1]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value
        elif field == b"data":
            data.append(value)
        elif field == b"id":
            identity = value
        elif not line:
            if any(data):
                yield Event(name.decode(), b"\n".join(data), identity.decode())
            name, data, identity = b"", [], b""


def events(body: bytes) -> Iterator[Event]:
    """The events that carry messages."""
    return (event for event in all_events(body) if event.name in ("", "message"))


def endpoint(body: bytes) -> str:
    """The address in the `endpoint` event of an HTTP+SSE stream; empty if the first event is another one."""
    first = next(all_events(body), None)
    return first.data.decode() if first and first.name == "endpoint" else ""


def is_request(message: dict[str, Any]) -> bool:
    return "method" in message and valid_id(message.get("id"))


def is_notification(message: dict[str, Any]) -> bool:
    return "method" in message and not valid_id(message.get("id"))


def is_answer(message: dict[str, Any]) -> bool:
    return "method" not in message and ("result" in message or "error" in message)


def valid_id(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def id_key(value: Any) -> tuple[bool, Any]:
    """An id in a form that can be compared: `1` differs from `"1"`."""
    return isinstance(value, str), value


def method_label(message: dict[str, Any]) -> str:
    return message["method"] if message["method"] in METHODS else "other"


def content_type(head: Any) -> str:
    """The media type. Of several lines the first counts."""
    first = next(iter(head.all("content-type")), "")
    return re.split("[;,]", first)[0].strip().lower()


def is_well_known(target: str) -> bool:
    """Whether the path is that of a document that describes the host (RFC 8615)."""
    return ".well-known" in target.partition("?")[0].split("/")
