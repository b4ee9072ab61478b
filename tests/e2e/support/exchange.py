"""One HTTP exchange as the client sent and received it; the expected series are computed from these."""

from dataclasses import dataclass

from .http1 import Head


@dataclass
class Exchange:
    """`cause` is (status, error_type) of operations that got no JSON-RPC answer, where the HTTP status
    alone does not tell: the test that made the event happen says it."""

    request: Head
    request_body: bytes
    response: Head | None = None
    response_body: bytes = b""
    complete: bool = False
    cause: tuple[str, str] | None = None
    # Why a document of the answer was passed on unread, where a plain parser cannot tell.
    skipped: str = ""


class Ledger:
    """Every exchange of a scenario, in no particular order."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def add(self, exchange: Exchange) -> Exchange:
        self.exchanges.append(exchange)
        return exchange

    def transcript(self) -> str:
        """All exchanges as text, to read when a test fails; long bodies are cut."""
        return "\n".join(transcript(exchange) for exchange in self.exchanges)


def transcript(exchange: Exchange) -> str:
    request, response = exchange.request, exchange.response
    shown = {name: value for name in ("mcp-session-id", "last-event-id") if (value := request.get(name))}
    status = response.status if response else "no response"
    end = "" if exchange.complete else ", cut"
    return (
        f"--- {request.verb} {request.target} {shown} -> {status}{end}\n"
        f"{exchange.request_body[:1000].decode(errors='replace')}\n"
        f">>> {exchange.response_body[:4000].decode(errors='replace')}"
    )
