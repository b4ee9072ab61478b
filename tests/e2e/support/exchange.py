"""One HTTP exchange as the client sent and received it. The expected series are computed from exchanges."""

from dataclasses import dataclass

from .http1 import Head


@dataclass
class Exchange:
    """`cause` is (status, error_type) of operations without a JSON-RPC response, if the HTTP status does not determine it. The
    test that causes the event sets it."""

    request: Head
    request_body: bytes
    response: Head | None = None
    response_body: bytes = b""
    complete: bool = False
    cause: tuple[str, str] | None = None
    # The reason why a document of the response is skipped, if the parser of the tests cannot find it.
    skipped: str = ""


class Ledger:
    """Every exchange of a scenario, in no particular order."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def add(self, exchange: Exchange) -> Exchange:
        self.exchanges.append(exchange)
        return exchange

    def transcript(self) -> str:
        """All exchanges as text, for failed tests. Long bodies are cut."""
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
