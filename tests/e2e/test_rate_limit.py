"""The rate limit: what a held request is to the client and to the server, and what is counted. Two workers."""

import json
from pathlib import Path

import pytest

from support.cases import rpc
from support.client import JSON, Connection
from support.expected import series
from support.http1 import Message
from support.sidecar import Sidecar
from support.stub import Stub, Wire

ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'


def call(tool: str, request_id: object = 1, **arguments: object) -> bytes:
    return rpc("tools/call", {"name": tool, "arguments": arguments}, request_id)


def rule(name: str, **fields: object) -> dict:
    """A rule of one request a day, so that a bucket stays empty during the tests."""
    return {"name": name, "method": "tools/call", "requests": 1, "interval_ms": 86_400_000, **fields}


class Limited(Sidecar):
    """A sidecar with a rate limit. `served` are the requests that reached the server."""

    def __init__(self, stub: Stub, logs: Path, name: str, block: dict, **config: object) -> None:
        self.served: list[Message] = []
        stub.on("/mcp", self.serve)
        file = logs / f"{name}.json"
        file.write_text(json.dumps({"rate_limit": block, **config}))
        super().__init__(stub.port, logs, name, MCP_FILTER_CONFIG=str(file))

    def serve(self, request: Message, wire: Wire) -> None:
        self.served.append(request)
        wire.json(200, ANSWER)

    def outcomes(self) -> dict[tuple[str, str], int]:
        """The counts of rules that are not zero, by rule and outcome."""
        samples = self.counted()
        self.check_log()
        found = {}
        for (family, labels), value in samples.items():
            if family == "mcp_rate_limit_total" and value:
                labels = dict(labels)
                found[labels["rule"], labels["outcome"]] = int(value)
        return found


@pytest.fixture
def limited(stub: Stub, logs: Path, request: pytest.FixtureRequest):
    """Starts a sidecar with these rules and other fields of the block."""
    started = []

    def start(rules: list[dict], config: dict | None = None, **block: object) -> Limited:
        name = f"limited-{request.node.name.replace('/', '-')}-{len(started)}"
        started.append(Limited(stub, logs, name, {"rules": rules, **block}, **(config or {})))
        return started[-1]

    yield start
    for sidecar in started:
        sidecar.stop()


def refusal(request_id: str, name: str, wait: int) -> str:
    """The error that answers a request over the limit; the id is JSON text."""
    return (
        f'{{"jsonrpc":"2.0","id":{request_id},"error":{{"code":-32000,'
        f'"message":"Rate limit {name} exceeded, retry in {wait} ms",'
        f'"data":{{"reason":"rate_limited","rule":"{name}","retryAfterMs":{wait}}}}}}}'
    )


def check_refused(answer: Message, name: str, ids: list[str], batch: bool = False) -> None:
    """The answer is exactly the refusal, of these ids."""
    assert answer.head.status == 429, answer.body
    assert answer.head.all("content-type") == ["application/json"]
    text = answer.body.decode()
    first = json.loads(text)[0] if batch else json.loads(text)
    wait = first["error"]["data"]["retryAfterMs"]
    errors = ",".join(refusal(request_id, name, wait) for request_id in ids)
    assert text == (f"[{errors}]" if batch else errors)
    assert answer.head.all("retry-after") == [str(-(-wait // 1000))]


def test_call_over_the_limit_gets_429_and_does_not_reach_the_server(limited) -> None:
    """The workers share the bucket."""
    sidecar = limited([rule("expensive", tool="analyse")])
    one, other = sidecar.connections()
    with one, other:
        assert one.post(call("analyse", 1)).body == ANSWER
        check_refused(other.post(call("analyse", 7)), "expensive", ["7"])
        assert other.post(call("other", 8)).body == ANSWER
        check_refused(one.post(call("analyse", 9)), "expensive", ["9"])
    assert sidecar.outcomes() == {("expensive", "allowed"): 1, ("expensive", "limited"): 2}
    assert [request.body for request in sidecar.served] == [call("analyse", 1), call("other", 8)]
    samples = sidecar.counted()
    labels = {"method": "tools/call", "server_name": "upstream"}
    assert samples[series("mcp_requests_total", status="error", error_type="rate_limited", **labels)] == 2
    assert samples[series("mcp_requests_in_flight", server_name="upstream")] == 0
