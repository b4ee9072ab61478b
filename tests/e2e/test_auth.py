"""An OAuth-protected server behind the filter: the flow is the same as without the filter, and the token appears in no output.

The server publishes its public address, so both runs use a relay on the same port. It leads to the server or to Envoy, and
records the bytes.
"""

import json
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support import http1
from support.cases import CALL, rpc
from support.client import JSON, Connection
from support.exchange import Exchange, Ledger
from support.peers import PEERS, ROOT, clean_env, get
from support.plain_envoy import PlainEnvoy, bootstrap_of, log_accesses, set_plugin_configuration
from support.processes import Process, accepts, free_port, wait_for
from support.relay import Relay
from support.series import series
from support.sidecar import Sidecar

DRIVER = Path(__file__).parent / "drivers" / "client_auth.py"
NARROW = "canary-narrow-token"
WRONG = "canary-wrong-token"
CANARY = "canary-"
KEYS = (
    "method tool prompt resource status error_type error_code protocol_version transport request_id session"
).split()
STATES = " ".join(f"%FILTER_STATE(wasm.mcp.{key}:PLAIN)%" for key in KEYS)
# `date` differs between runs, and Envoy adds it if the server sends none.
NOT_COMPARED = (*http1.HOP_BY_HOP, "date")


class Run:
    """One run of the flow: what the client sent and received, and its token."""

    def __init__(self, logs: Path, name: str, public_port: int, envoy=None) -> None:
        port = free_port()
        # If the response came before the body, the filter would not see the method; tests/sdks/test_server_down.py has that.
        program = [get("python", "e2e"), str(PEERS / "mcp_auth.py"), str(port), f"http://127.0.0.1:{public_port}", "whole"]
        self.envoy = None
        self.server = Process(program, logs / f"auth-{name}.log", clean_env())
        try:
            wait_for("the server to listen", lambda: accepts(port), process=self.server)
            self.envoy = envoy(port) if envoy else None
            self.relay = Relay(self.envoy.port if self.envoy else port, public_port)
            self.token = flow(public_port)
            by_hand(public_port)
            self.ledger: Ledger = self.relay.close()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self.envoy:
            self.envoy.stop()
        self.server.stop()


def flow(port: int) -> str:
    """The flow of a real client: refusal, discovery, registration, log-in, token, calls."""
    done = subprocess.run(
        [get("python", "e2e"), str(DRIVER), f"http://127.0.0.1:{port}/mcp"],
        capture_output=True, text=True, timeout=180, env=clean_env(), cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()[-1]


def by_hand(port: int) -> None:
    """Calls that the server refuses: without a token, with an unknown one, with one that lacks the scope."""
    for token, status in ((None, 401), (WRONG, 401), (NARROW, 403)):
        headers = [*JSON, ("Authorization", f"Bearer {token}")] if token else JSON
        with Connection(port) as connection:
            answer = connection.post(CALL, headers)
            assert answer.head.status == status
            assert "resource_metadata=" in answer.head.get("www-authenticate")


@pytest.fixture(scope="module")
def runs(logs: Path):
    """The same flow without Envoy, with an Envoy whose access log has all filter state, and with one whose log has the token."""
    public_port = free_port()

    def envoy(upstream_port: int) -> PlainEnvoy:
        sidecar = Sidecar(upstream_port, logs, "auth-sidecar")
        bootstrap = bootstrap_of(sidecar)
        sidecar.stop()
        set_plugin_configuration(bootstrap, json.dumps({"filter_state": True}))
        log_accesses(bootstrap, logs / "auth-access.log", STATES)
        log_accesses(bootstrap, logs / "auth-control.log", f"{STATES} %REQ(AUTHORIZATION)%")
        return PlainEnvoy(bootstrap, "upstream", logs, "auth-envoy")

    direct = Run(logs, "direct", public_port)
    direct.stop()
    through = Run(logs, "through", public_port, envoy)
    yield direct, through
    through.stop()


def test_the_flow_is_the_same(runs) -> None:
    direct, through = (comparable(run.ledger.exchanges) for run in runs)
    assert len(direct) > 10
    assert through == direct


def test_the_flow_is_counted(runs) -> None:
    _, through = runs
    through.envoy.expected.gauges[series("mcp_upstream_available", server_name="upstream")] = 1
    samples = through.envoy.check(through.ledger)
    refused = {"server_name": "upstream", "status": "error", "error_type": "unauthorized"}
    assert samples[series("mcp_requests_total", method="initialize", **refused)] == 1
    assert samples[series("mcp_requests_total", method="tools/call", **refused)] == 3


def test_discovery_is_not_counted(runs) -> None:
    """Compares with the ledger, and checks directly: only streams are counted, and the registration as a POST with other JSON."""
    _, through = runs
    paths = {urlsplit(exchange.request.target).path for exchange in through.ledger.exchanges}
    assert {"/authorize", "/register", "/token", "/mcp"} < paths
    assert sum(path.startswith("/.well-known/oauth-") for path in paths) >= 2
    shown = [line for line in through.envoy.metrics().splitlines() if line.startswith("mcp_")]
    assert [line for line in shown if any(name in line for name in ("well-known", '"/', "register"))] == []


def test_token_is_in_no_output(runs, logs: Path) -> None:
    _, through = runs
    envoy = through.envoy
    accesses = wait_for("the access log", lambda: whole(logs / "auth-access.log", len(through.ledger.exchanges)))
    assert "tools/call" in accesses and "unauthorized" in accesses, "the log has the filter state"
    places = {
        "Envoy's log": envoy.process.log(),
        "the scrape": envoy.metrics(),
        "all stats": envoy.admin("/stats"),
        "the access log": accesses,
    }
    assert [place for place, text in places.items() if CANARY in text] == []


def test_the_search_finds_a_token_that_is_there(runs, logs: Path) -> None:
    """The same search finds the token where it was put on purpose: in an access log with the header, and in a tool's name."""
    _, through = runs
    control = wait_for("the access log", lambda: whole(logs / "auth-control.log", len(through.ledger.exchanges)))
    assert [token for token in (through.token, NARROW, WRONG) if token not in control] == []
    ledger = Ledger()
    with Connection(through.envoy.port, ledger) as connection:
        connection.post(rpc("tools/call", {"name": through.token, "arguments": {}}))
    through.envoy.check(ledger)
    assert through.token in through.envoy.metrics()


def whole(log: Path, lines: int) -> str:
    """Waits until the text has this many lines, and returns it."""
    text = log.read_text()
    return text if text.count("\n") >= lines else ""


# === the parts of an exchange that must be equal ===


def comparable(exchanges: list[Exchange]) -> list[tuple]:
    """Every exchange, with names for the values that each run generates, in an order that does not depend on time."""
    names = made_up(exchanges)
    return sorted(
        (
            exchange.request.start,
            named(exchange.request_body, names),
            exchange.response.start,
            tuple((name, named(value, names)) for name, value in exchange.response.headers if keep(name)),
            named(exchange.response_body, names),
        )
        for exchange in (named_request(exchange, names) for exchange in exchanges)
    )


def named_request(exchange: Exchange, names: dict[str, str]) -> Exchange:
    exchange.request.start = named(exchange.request.start, names)
    return exchange


def keep(header: str) -> bool:
    return header.lower() not in NOT_COMPARED


def made_up(exchanges: list[Exchange]) -> dict[str, str]:
    """The values that client and server generate in each run, with their names."""
    names = {}
    for exchange in exchanges:
        session = exchange.response.get("mcp-session-id")
        if session:
            names[session] = "SESSION"
        url = urlsplit(exchange.request.target)
        if url.path == "/authorize":
            query = parse_qs(url.query)
            names |= {query[field][0]: field for field in ("state", "code_challenge")}
        elif url.path == "/token":
            names[parse_qs(exchange.request_body.decode())["code_verifier"][0]] = "code_verifier"
        elif url.path == "/register":
            registered = json.loads(exchange.response_body)
            fields = ("client_id", "client_secret", "client_id_issued_at")
            names |= {str(registered[field]): field for field in fields if registered.get(field)}
    return names


def named(text: str | bytes, names: dict[str, str]) -> str:
    text = text.decode() if isinstance(text, bytes) else text
    for value, name in names.items():
        text = text.replace(value, name)
    return text
