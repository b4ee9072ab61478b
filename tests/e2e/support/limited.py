"""Sidecars with a rate limit: one call of each tool passes in a day, so a test takes a tool of its own."""

import itertools
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import http1, http2
from .cases import rpc
from .client import DEADLINE, JSON, Connection
from .exchange import Ledger
from .http1 import Message
from .series import Series, series
from .sidecar import COUNT_DEADLINE, Sidecar
from .stub import Stub, Wire

DAY_MS = 86_400_000
TOOLS = (f"tool-{number}" for number in itertools.count())
RULE = {"name": "each", "method": "tools/call", "tool": "*", "requests": 1, "interval_ms": DAY_MS}
REFUSED = {"reason": "rate_limited", "rule": "each"}


def call(tool: str, request_id: object = 1, **params: object) -> bytes:
    return rpc("tools/call", {**params, "name": tool}, request_id)


def of_length(tool: str, length: int) -> bytes:
    """A call of this length, with the name at its end."""
    body = call(tool, 1, pad="x" * (length - len(call(tool, 1, pad=""))))
    assert len(body) == length
    return body


def config_file(logs: Path, name: str, **block: object) -> str:
    """The path of a filter configuration with this rate limit."""
    file = logs / f"{name}.json"
    file.write_text(json.dumps({"rate_limit": block}))
    return str(file)


class Limited(Sidecar):
    """A sidecar with a rate limit. `served` are the requests that reached the server."""

    def __init__(self, stub: Stub, logs: Path, name: str, **block: object) -> None:
        self.stub, self.path, self.ledger = stub, f"/{name}", Ledger()
        self.served: list[Message] = []
        stub.on(self.path, self.serve)
        config = config_file(logs, name, **{"rules": [RULE], **block})
        super().__init__(stub.port, logs, name, MCP_FILTER_CONFIG=config)

    def serve(self, request: Message, wire: Wire) -> None:
        self.served.append(request)
        ids = [message.get("id") for message in as_list(json.loads(request.body or b"{}"))] if is_plain(request) else [1]
        answers = [{"jsonrpc": "2.0", "id": identity, "result": {}} for identity in ids if identity is not None]
        wire.json(200, json.dumps(answers if len(answers) != 1 else answers[0]).encode())

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """The server answers 202 meanwhile, to any body."""
        self.stub.on(self.path, lambda request, wire: (self.served.append(request), wire.answer(202, b"")))
        try:
            yield
        finally:
            self.stub.on(self.path, self.serve)

    def connect(self) -> Connection:
        return Connection(self.port, self.ledger)

    def post(self, body: bytes | list[bytes], headers: http1.Headers = JSON) -> Message:
        with self.connect() as connection:
            connection.send("POST", self.path, headers, body)
            return connection.receive()

    def over_http2(self, pieces: list[bytes], *more: tuple[str, str], verb: str = "POST", trailers: http1.Headers = ()) -> Message:
        headers = [*((name.lower(), value) for name, value in JSON), *more]
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as wire:
            return http2.exchange(wire, self.ledger, verb, self.path, headers, pieces, trailers)

    def bodies(self) -> list[bytes]:
        """The bodies that reached the server since the last call."""
        served, self.served = self.served, []
        return [request.body for request in served]

    def unread(self) -> int:
        """The expected count of bodies that were not read."""
        entry = series("mcp_rate_limit_total", rule="each", outcome="unread", server_name=self.server_name)
        return self.expected.totals[entry]

    def take_ledger(self) -> Ledger:
        ledger, self.ledger = self.ledger, Ledger()
        return ledger

    def counts(self, **outcomes: int) -> None:
        """Compares the whole scrape with what the clients sent since the last call, and with these outcomes of the rule."""
        self.expected.rate_limited("each", **outcomes)
        self.check(self.take_ledger())


@contextmanager
def running(stub: Stub, logs: Path, name: str, **block: object) -> Iterator[Limited]:
    sidecar = Limited(stub, logs, name, **block)
    try:
        yield sidecar
    finally:
        sidecar.stop()


@contextmanager
def counting(sidecar: Sidecar, **outcomes: int) -> Iterator[None]:
    """Compares the outcomes of the rules with these, for traffic whose other counts are not specified."""
    before = outcomes_of(sidecar.samples())
    yield
    end = time.monotonic() + COUNT_DEADLINE
    while (found := outcomes_of(sidecar.settle()) - before) != outcomes and time.monotonic() < end:
        pass
    sidecar.check_log()
    assert found == outcomes, f"expected {outcomes}, got {dict(found)}"


def outcomes_of(samples: dict[Series, float]) -> Counter[str]:
    """The counts of all rules together."""
    found: Counter[str] = Counter()
    for (family, labels), value in samples.items():
        if family == "mcp_rate_limit_total":
            found[dict(labels)["outcome"]] += int(value)
    return found


def as_list(value: object) -> list:
    return value if isinstance(value, list) else [value]


def is_plain(request: Message) -> bool:
    return not request.head.get("content-encoding")


def error(request_id: str, message: str, wait: int) -> str:
    data = f'{{"reason":"rate_limited","rule":"each","retryAfterMs":{wait}}}'
    return f'{{"jsonrpc":"2.0","id":{request_id},"error":{{"code":-32000,"message":"{message}","data":{data}}}}}'


def assert_refused(answer: Message, *ids: str, batch: bool = False, unread: bool = False) -> None:
    """The answer is the refusal of these ids, to the byte."""
    assert answer.head.status == 429, answer.body
    text = answer.body.decode()
    wait = as_list(json.loads(text))[0]["error"]["data"]["retryAfterMs"]
    message = f"Rate limit each exceeded, retry in {wait} ms"
    if unread:
        message = "Rate limit: the request cannot be read, so it is refused"
    errors = ",".join(error(request_id, message, wait) for request_id in ids)
    assert text == (f"[{errors}]" if batch else errors)
    assert 0 < wait <= DAY_MS
    assert answer.head.all("retry-after") == [str(-(-wait // 1000))]
    assert answer.head.all("content-type") == ["application/json"]
    assert answer.head.all("content-length") == [str(len(answer.body))]
