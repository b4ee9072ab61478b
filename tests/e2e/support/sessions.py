"""Relations between HTTP exchanges: sessions, answers on other streams, server requests, cancellations.

It reads a complete scenario, so the order of overlapping exchanges does not matter: within a session each side uses an id once.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from . import messages
from .exchange import Exchange
from .messages import Part, id_key
from .reading import is_sse, response_parts

Key = tuple[bool, Any]


@dataclass
class Session:
    """One session, or one exchange without a session. Both sides number their requests independently."""

    transport: str
    revision: str = ""
    # The name that its `initialize` gives.
    client: object = None
    begun: bool = False
    ended: bool = False
    answers: dict[Key, tuple[Exchange, Part]] = field(default_factory=dict)
    requests: set[Key] = field(default_factory=set)
    given_up: set[Key] = field(default_factory=set)
    server_requests: dict[Key, str] = field(default_factory=dict)
    server_given_up: set[Key] = field(default_factory=set)
    client_answers: dict[Key, dict] = field(default_factory=dict)
    # If a server repeats its request on a resumed stream, the client responds again.
    repeated_client_answers: int = 0
    events: set[str] = field(default_factory=set)
    asked_aside: set[Key] = field(default_factory=set)


class Sessions:
    def __init__(self, exchanges: list[Exchange]) -> None:
        self.by_key: dict[Any, Session] = {}
        self.by_exchange: dict[int, Session] = {}
        self.parts_by_exchange: dict[int, list[Part]] = {}
        # A resumed stream repeats events of earlier streams, so the earlier ones are read first.
        for exchange in sorted(exchanges, key=lambda exchange: bool(exchange.request.get("last-event-id"))):
            key, transport = identify(exchange)
            session = self.by_key.setdefault(key, Session(transport))
            self.by_exchange[id(exchange)] = session
            self.parts_by_exchange[id(exchange)] = parts = new_parts(session, exchange)
            read_request(session, exchange)
            read_response(session, exchange, parts)
            session.ended = session.ended or ends(session, exchange)

    def parts(self, exchange: Exchange) -> list[Part]:
        """The messages of the response, without replayed ones."""
        return self.parts_by_exchange[id(exchange)]

    def transport(self, exchange: Exchange) -> str:
        return self.by_exchange[id(exchange)].transport

    def revision(self, exchange: Exchange) -> str:
        return exchange.request.get("mcp-protocol-version") or self.by_exchange[id(exchange)].revision

    def client(self, exchange: Exchange, request: dict) -> object:
        """The name of the client: its own, or that of the session. `None` if it is unknown."""
        own, session = client_of(request), self.by_exchange[id(exchange)]
        return own if own is not None or request["method"] == "initialize" or not session.begun else session.client

    def answer(self, exchange: Exchange, request: dict) -> Part | None:
        """The response to this request on another exchange of the session."""
        found = self.by_exchange[id(exchange)].answers.get(id_key(request["id"]))
        return found[1] if found and found[0] is not exchange else None

    def answers_another(self, exchange: Exchange, message: dict) -> bool:
        return id_key(message.get("id")) in self.by_exchange[id(exchange)].requests

    def given_up(self, exchange: Exchange, request: dict) -> bool:
        return id_key(request["id"]) in self.by_exchange[id(exchange)].given_up

    def asked_aside(self, exchange: Exchange, request: dict) -> bool:
        """Whether a server request came on the stream of HTTP+SSE while this operation was open. It may belong to any open
        operation, so the time that this one waited for the client is unknown."""
        return id_key(request["id"]) in self.by_exchange[id(exchange)].asked_aside

    def server_requests(self) -> list[tuple[str, str]]:
        """Method and status of every server request."""
        ended = []
        for session in self.by_key.values():
            for key, method in session.server_requests.items():
                ended.append((method, server_request_status(session, key)))
        return ended

    def repeated_client_answers(self) -> int:
        """Responses of clients to server requests that already had a response."""
        return sum(session.repeated_client_answers for session in self.by_key.values())

    def active(self) -> Counter[str]:
        """Sessions with an id whose start was seen and whose end was not, by transport."""
        return Counter(
            session.transport for key, session in self.by_key.items()
            if isinstance(key, str) and session.begun and not session.ended
        )

    def ended(self) -> int:
        """Sessions whose start and end were seen."""
        return sum(session.begun and session.ended for session in self.by_key.values())


def identify(exchange: Exchange) -> tuple[Any, str]:
    """The id of the session, and its transport. An exchange without a session is a session of its own here."""
    identity = exchange.request.get("mcp-session-id")
    if not identity and exchange.response and exchange.response.status < 300:
        identity = exchange.response.get("mcp-session-id")
    if identity:
        return identity, "streamable_http"
    stream = messages.endpoint(exchange.response_body) if is_sse(exchange) else ""
    legacy = messages.LEGACY_QUERY.search(stream or exchange.request.target)
    if legacy:
        return legacy.group(1), "http_sse"
    return id(exchange), "streamable_http"


def new_parts(session: Session, exchange: Exchange) -> list[Part]:
    parts = response_parts(exchange)
    if exchange.request.get("last-event-id"):
        parts = [part for part in parts if part.event not in session.events]
    session.events.update(part.event for part in parts if part.event)
    return parts


def read_request(session: Session, exchange: Exchange) -> None:
    if exchange.request.verb != "POST":
        return
    for message in (part.value for part in messages.split(exchange.request_body) if part.value is not None):
        if messages.is_request(message):
            session.requests.add(id_key(message["id"]))
            if message["method"] == "initialize":
                session.client = client_of(message)
        elif messages.is_answer(message):
            session.repeated_client_answers += id_key(message.get("id")) in session.client_answers
            session.client_answers[id_key(message.get("id"))] = message
        elif message["method"] == "notifications/cancelled":
            session.given_up.add(cancelled(message))


def read_response(session: Session, exchange: Exchange, parts: list[Part]) -> None:
    asked = False
    for part in parts:
        message = part.value
        if message is None:
            continue
        if messages.is_request(message):
            session.server_requests[id_key(message["id"])] = messages.method_label(message)
            asked = session.transport == "http_sse"
        elif messages.is_answer(message):
            # The servers of these tests send requests while they run a tool, or while no operation is open.
            if asked and is_tool_result(message):
                session.asked_aside.add(id_key(message.get("id")))
            asked = False
            session.answers.setdefault(id_key(message.get("id")), (exchange, part))
            greeting = message.get("result")
            if isinstance(greeting, dict) and "protocolVersion" in greeting and "capabilities" in greeting:
                session.begun, session.revision = True, str(greeting["protocolVersion"])
        elif message["method"] == "notifications/cancelled":
            session.server_given_up.add(cancelled(message))


def client_of(request: dict) -> str | None:
    """The name of the client that a request gives: in `_meta`, `initialize` first in `clientInfo`. Only a string is a name."""
    params = request.get("params")
    holder = params if isinstance(params, dict) else {}
    given = holder.get("clientInfo") if request["method"] == "initialize" else None
    meta = holder.get("_meta")
    infos = [given, meta.get("io.modelcontextprotocol/clientInfo") if isinstance(meta, dict) else None]
    names = [info["name"] for info in infos if isinstance(info, dict) and isinstance(info.get("name"), str)]
    return names[0] if names else None


def is_tool_result(message: dict) -> bool:
    return isinstance(message.get("result"), dict) and "content" in message["result"]


def cancelled(message: dict) -> Key:
    params = message.get("params")
    return id_key(params.get("requestId") if isinstance(params, dict) else None)


def ends(session: Session, exchange: Exchange) -> bool:
    """Whether the exchange ends its session: a successful DELETE, a 404, or the end of a stream of HTTP+SSE."""
    if session.transport == "http_sse":
        return exchange.request.verb == "GET"
    if exchange.response is None or not exchange.request.get("mcp-session-id"):
        return False
    status = exchange.response.status
    return status == 404 or (exchange.request.verb == "DELETE" and status < 300)


def server_request_status(session: Session, key: Key) -> str:
    if key in session.client_answers:
        return "error" if "error" in session.client_answers[key] else "ok"
    return "cancelled" if key in session.server_given_up else "lost"
