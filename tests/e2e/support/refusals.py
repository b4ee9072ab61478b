"""Runs a client whose calls the rate limit refuses, and compares what its caller sees with the recorded bytes and the counters.

Each client calls until the bucket is empty, is refused, and calls another tool. A relay on each side of the sidecar records what the
client sent and what reached the server, so a client that repeats a call by itself is seen.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .clients import PACKAGES
from .exchange import Exchange, Ledger
from .peers import ROOT, clean_env
from .reading import is_refusal
from .relay import Relay
from .sidecar import Sidecar

# Seconds in which a token comes back: not within the test, so that slow calls are refused too. For a client that waits for it, all calls
# before the wait have to fit in.
DAY, INTERVAL = 86_400, 15
BURST = 2
# Seconds after the refused calls. A client that closes its connection because of them does so meanwhile.
PAUSE = 4
# After this time without an answer the drivers give a call up. Only calls without an answer wait so long.
PATIENCE = 8
CALL = {"call": "echo", "arguments": {"text": "a"}}
BATCH = {"batch": "echo", "arguments": {"text": "a"}}
# The rule does not cover its tool.
NEXT = {"call": "slow", "arguments": {"milliseconds": 0}}
OK = {"outcome": "ok"}
HANGS = {"outcome": "hangs"}

Shown = Callable[[Exchange], dict]
Command = Callable[[str], list[str]]


@dataclass(frozen=True)
class Row:
    """`shown` makes what the caller sees of a refused call, with `text` as a part of the text. `next` is what it sees of a call of
    another tool after that."""

    client: str
    server: str
    shown: Shown
    next: dict = field(default_factory=lambda: OK)
    transport: str = "streamable_http"
    mode: str = "legacy"
    # The driver's HTTP client waits for `retry-after`.
    waits: bool = False

    def __str__(self) -> str:
        return f"{self.client} to {self.server}, {self.mode}{', waits' if self.waits else ''}"

    def steps(self) -> list[dict]:
        """Only the TypeScript SDK can send a batch."""
        batch = [BATCH] if self.client in PACKAGES else []
        return [*[CALL] * BURST, CALL, *batch, {"wait": PAUSE}, NEXT]

    @property
    def interval(self) -> int:
        return INTERVAL if self.waits else DAY

    def rule(self) -> dict:
        calls = {"method": "tools/call", "tool": CALL["call"], "requests": 1, "interval_ms": self.interval * 1000}
        return {"name": "calls", **calls, "burst": BURST}

    def sent(self) -> list[dict]:
        """The steps that are a message to the server. A client that has closed its connection sends no more."""
        return [step for step in self.steps() if "wait" not in step][: None if self.next == OK else -1]


def drive(row: Row, port: int, command: Command) -> list[dict]:
    plan = {
        "package": PACKAGES.get(row.client),
        "url": f"http://127.0.0.1:{port}{'/sse' if row.transport == 'http_sse' else '/mcp'}",
        "transport": row.transport,
        "mode": row.mode,
        "patience": PATIENCE + INTERVAL if row.waits else PATIENCE,
        "waits": row.waits,
        "steps": row.steps(),
    }
    done = subprocess.run(
        [*command(row.client), json.dumps(plan)],
        capture_output=True, text=True, timeout=180, env=clean_env(), cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@dataclass
class Run:
    """What the caller saw, what the client sent, and what reached the server."""

    seen: list[dict]
    client: Ledger
    server: Ledger


def play(row: Row, server_port: int, command: Command, logs: Path) -> Run:
    """Runs the client through a sidecar of its own. The counters have to agree with what the client got."""
    name = "refused-" + "".join(character if character.isalnum() else "-" for character in str(row))
    file = logs / f"{name}.json"
    file.write_text(json.dumps({"rate_limit": {"rules": [row.rule()]}}))
    behind = Relay(server_port)
    sidecar = Sidecar(behind.port, logs, name, MCP_FILTER_CONFIG=str(file))
    before = Relay(sidecar.port)
    try:
        seen = drive(row, before.port, command)
        client = before.close()
        for exchange in calls(client):
            outcome = "limited" if is_refusal(exchange) else "allowed"
            covered = [request for request in requests(exchange) if request["params"]["name"] == CALL["call"]]
            sidecar.expected.rate_limited("calls", **{outcome: len(covered)})
        sidecar.check(client)
    finally:
        sidecar.stop()
        server = behind.close()
    return Run(seen, client, server)


def calls(ledger: Ledger) -> list[Exchange]:
    return [exchange for exchange in ledger.exchanges if b'"tools/call"' in exchange.request_body]


def requests(exchange: Exchange) -> list[dict]:
    message = json.loads(exchange.request_body)
    return message if isinstance(message, list) else [message]


def check(row: Row, server_port: int, command: Command, logs: Path) -> None:
    run = play(row, server_port, command, logs)
    made = calls(run.client)
    refused = sorted(filter(is_refusal, made), key=lambda exchange: len(requests(exchange)))
    for exchange in refused:
        check_answer(exchange, row.interval)
    wanted = [*[OK] * BURST, *(row.shown(exchange) for exchange in refused), row.next]
    same = [without_text(entry) for entry in run.seen] == [without_text(entry) for entry in wanted]
    assert same, f"{run.seen}, not {wanted}"
    wrong = [entry for entry, part in zip(run.seen, wanted) if part.get("text", "") not in entry.get("text", "")]
    assert not wrong, f"{wrong}, not {wanted}"
    # No client repeats a call by itself, and only the calls that were not refused reach the server.
    assert len(made) == len(row.sent()) + row.waits
    passed = sorted(exchange.request_body for exchange in made if exchange not in refused)
    assert passed == sorted(exchange.request_body for exchange in calls(run.server))


def without_text(entry: dict) -> dict:
    return {key: value for key, value in entry.items() if key != "text"}


def check_answer(exchange: Exchange, interval: int) -> None:
    """Each request of the message has an error with its id."""
    assert exchange.response.get("content-type") == "application/json"
    body = json.loads(exchange.response_body)
    answers = body if isinstance(body, list) else [body]
    assert [answer["id"] for answer in answers] == [request["id"] for request in requests(exchange)]
    waits = [answer["error"]["data"]["retryAfterMs"] for answer in answers]
    assert 0 < max(waits) <= BURST * interval * 1000
    assert exchange.response.get("retry-after") == str(-(-max(waits) // 1000))
    assert {answer["error"]["data"]["rule"] for answer in answers} == {"calls"}
