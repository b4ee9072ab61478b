"""Which operation a response ends, how an operation ended (status and error type), and how a GET for an event stream was answered.

This is a second implementation of docs/metrics.md, which does not use the filter.
"""

import re
from typing import Any

from .exchange import Exchange
from .messages import Part
from .reading import is_sse

INVALID_REQUEST_CODES = (-32700, -32600, -32601, -32602, -32002)
# These methods are never `negotiation`: a client that calls them knows the protocol version.
PAST_PROBING = ("tools/call", "resources/read", "prompts/get")
# The error types of HTTP statuses of 400 or more without JSON-RPC that are not `http_error`.
ERROR_TYPE_OF_STATUS = {401: "unauthorized", 403: "unauthorized"}


# === the operation that a response ends ===


def ended_by(message: dict, open_requests: list[dict]) -> list[dict]:
    """The requests that this response ends."""
    identity = message.get("id")
    matching = [request for request in open_requests if same_id(request["id"], identity)]
    matching = matching or [request for request in open_requests if same_number(request["id"], identity)]
    if matching or "error" not in message:
        return matching[:1]
    return open_requests[:] if identity is None or len(open_requests) == 1 else []


def same_id(one: Any, other: Any) -> bool:
    return isinstance(one, str) == isinstance(other, str) and one == other


def same_number(one: Any, other: Any) -> bool:
    """Whether one id is a number and the other the same number as a string. Clients accept "5" for 5, and 5 for "5"."""
    return any(isinstance(text, str) and re.fullmatch("0|[1-9][0-9]*", text) and number == int(text) and type(number) is not bool
               for text, number in ((one, other), (other, one)))


# === how it ended ===


def classify(request: dict, answer: dict) -> tuple[str, str]:
    if answer.get("error") is not None:
        code = answer["error"].get("code") if isinstance(answer["error"], dict) else None
        if request["method"] == "server/discover" or (code == -32022 and request["method"] not in PAST_PROBING):
            return "negotiation", ""
        if code == -32042:
            return "input_required", ""
        return "error", "invalid_request" if code in INVALID_REQUEST_CODES else "rpc_error"
    result = answer["result"] if isinstance(answer["result"], dict) else {}
    if result.get("resultType") == "input_required":
        return "input_required", ""
    if request["method"] == "tools/call":
        if result.get("resultType") == "task" or isinstance(result.get("task"), dict):
            return "accepted", ""
        if result.get("isError") is True:
            return "error", "tool_error"
    return "ok", ""


def without_answer(exchange: Exchange, request: dict) -> tuple[str, str]:
    """The outcome of an operation whose exchange ended without its response. If the server broke it, the test sets the cause."""
    if exchange.response is None or not exchange.complete:
        return "cancelled", ""
    status = exchange.response.status
    if answered_elsewhere(exchange, None):
        return "unknown", ""
    if 300 <= status < 400:
        return "redirected", ""
    if status < 400:
        return "error", "no_response"
    if request["method"] == "server/discover" or (request["method"] == "initialize" and status == 405):
        return "negotiation", ""
    return "error", ERROR_TYPE_OF_STATUS.get(status, "http_error")


def opened(exchange: Exchange) -> str:
    """The status of a GET for an event stream; empty if it is not counted."""
    if exchange.request.verb != "GET" or exchange.response is None:
        return ""
    status = exchange.response.status
    if 300 <= status < 400:
        return ""
    if status < 300 and is_sse(exchange):
        return "ok"
    return "unsupported" if status == 405 else "error"


def answered_elsewhere(exchange: Exchange, answer: Part | None) -> bool:
    """Whether the response comes on another exchange; then one exchange does not show the outcome and the duration."""
    return answer is None and exchange.response is not None and exchange.response.status == 202
