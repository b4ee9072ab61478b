"""Real clients against real servers through the sidecar, two sessions at once, on both workers.

A relay in front of Envoy keeps what the client sent and saw; the account is computed from that, and the
client's own list of what it did must agree with it.
"""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.expected import Expected
from support.peers import NODE, ROOT, clean_env, get
from support.relay import Relay
from support.sidecar import Sidecar

DRIVERS = Path(__file__).parent / "drivers"
SESSIONS = 2
INVALID_REQUEST = ("rpc -32700", "rpc -32600", "rpc -32601", "rpc -32602", "rpc -32002")


def call(tool: str, progress: bool = False, **arguments: object) -> dict:
    return {"method": "tools/call", "name": tool, "arguments": arguments, "progress": progress}


LISTS = [{"method": method} for method in ("tools/list", "resources/list", "resources/templates/list", "prompts/list")]
OURS = [
    *LISTS,
    call("echo", text="a"),
    call("echo", text="\u00e9 \u20ac \U0001f600 \" \\ \n"),
    call("big", size=200_000),
    call("slow", milliseconds=20),
    call("fails"),
    call("no-such-tool"),
    call("progress", progress=True),
    {"method": "resources/read", "name": "notes://today"},
    {"method": "resources/read", "name": "notes://nothing/here/at/all"},
    {"method": "prompts/get", "name": "summary", "arguments": {"topic": "tea"}},
    {"method": "prompts/get", "name": "no-such-prompt"},
]
REFUSED = [call("refused")]
EVERYTHING = [
    {"method": "ping"},
    *LISTS,
    call("echo", message="a"),
    call("get-sum", a=1, b=2),
    call("get-sum", a="one", b=2),
    call("get-tiny-image"),
    call("get-structured-content", location="New York"),
    call("no-such-tool"),
    call("trigger-long-running-operation", progress=True, duration=0.2, steps=2),
    {"method": "resources/read", "name": "demo://resource/dynamic/text/1"},
    {"method": "resources/read", "name": "demo://no/such"},
    {"method": "prompts/get", "name": "simple-prompt"},
    {"method": "prompts/get", "name": "no-such-prompt"},
]


@dataclass
class Pair:
    client: str
    server: str
    operations: list[dict]
    opening: str = "initialize"


PING = [{"method": "ping"}]
PAIRS = [
    Pair("typescript", "everything", EVERYTHING),
    Pair("python-old", "everything", EVERYTHING),
    Pair("python-new", "everything", EVERYTHING),
    Pair("python-old", "python-new", PING + OURS + REFUSED),
    Pair("python-new", "python-new", OURS + REFUSED, "server/discover"),
    Pair("python-new legacy", "python-new", PING + OURS + REFUSED),
    Pair("typescript", "python-new", PING + OURS + REFUSED),
    Pair("python-old", "python-old", PING + OURS),
    Pair("python-new", "python-old", PING + OURS),
    Pair("python-old", "python-old-json", PING + OURS),
    Pair("typescript", "python-old-json", PING + OURS),
    Pair("python-old", "rust", PING + OURS + REFUSED),
    Pair("python-new", "rust", OURS + REFUSED, "server/discover"),
    Pair("typescript", "rust", PING + OURS + REFUSED),
]


def command(client: str) -> list[str]:
    if client == "typescript":
        return ["node", str(NODE / "client.mjs")]
    if client == "python-old":
        return [get("python", "mcp-old"), str(DRIVERS / "client_old.py")]
    return [get("python", "e2e"), str(DRIVERS / "client_new.py")]


def drive(client: str, url: str, operations: list[dict]) -> list[dict]:
    mode = "legacy" if "legacy" in client else "auto"
    done = subprocess.run(
        [*command(client), url, str(SESSIONS), json.dumps(operations), mode],
        capture_output=True, text=True, timeout=60, env=clean_env(), cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def sidecars(peer, logs):
    """One sidecar per server, for all its clients."""
    running: dict[str, Sidecar] = {}

    def start(server: str) -> Sidecar:
        if server not in running:
            running[server] = Sidecar(peer(server).port, logs, f"sidecar-{server}", MCP_UPSTREAM_NAME=server)
        return running[server]

    yield start
    for sidecar in running.values():
        sidecar.stop()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.client} to {pair.server}")
def test_pair(pair: Pair, sidecars) -> None:
    sidecar = sidecars(pair.server)
    before = sidecar.accepted()
    relay = Relay(sidecar.port)
    seen = drive(pair.client, f"http://127.0.0.1:{relay.port}/mcp", pair.operations)
    ledger = relay.close()
    assert all(later > earlier for earlier, later in zip(before, sidecar.accepted())), "a worker served nothing"
    assert Counter(entry["method"] for entry in seen)[pair.opening] == SESSIONS
    assert_same_story(seen, ledger, sidecar)
    sidecar.check(ledger)


def assert_same_story(seen: list[dict], ledger, sidecar: Sidecar) -> None:
    """What the client says it did is what the account, made from the bytes, is about to expect."""
    account = Expected(sidecar.server_name)
    for exchange in ledger.exchanges:
        account.exchange(exchange)
    probes = Counter({entry: count for entry, count in account.operations.items() if entry[2] == "negotiation"})
    told = Counter((entry["method"], entry["name"], outcome_label(entry["outcome"])) for entry in seen)
    assert account.operations - probes == told
    progress = sum(entry.get("progress", 0) for entry in seen)
    passed = sum(
        count
        for (family, labels), count in account.totals.items()
        if family == "mcp_notifications_total"
        and {("method", "notifications/progress"), ("direction", "out")} <= set(labels)
    )
    assert passed == progress


def outcome_label(outcome: str) -> str:
    if outcome.startswith("rpc"):
        return "invalid_request" if outcome in INVALID_REQUEST else "rpc_error"
    return outcome
