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
