"""An https server through a forward proxy (proxy.py): calls, streams and health checks, with and without a password."""

from pathlib import Path

import pytest

from support.cases import RESULT, rpc
from support.certificate import NAME, certify
from support.client import Connection
from support.peers import clean_env, get
from support.processes import Process, accepts, free_port, wait_for
from support.scrape import series
from support.sidecar import Sidecar, probe
from support.waiting_server import WaitingServer

USER = "agent:s3cret!word"
ENCODED_USER = "agent:s3cret%21word"
STREAM = [("Accept", "text/event-stream"), ("MCP-Protocol-Version", "2025-06-18")]


class Proxy:
    """A forward proxy, which accepts CONNECT when the constructor returns. If a user is given, it requires that user."""

    def __init__(self, logs: Path, name: str, user: str = "") -> None:
        self.port = free_port()
        command = [get("python", "proxy"), "-m", "proxy", "--hostname", "127.0.0.1", "--port", str(self.port)]
        command += ["--num-workers", "1", *(["--basic-auth", user] if user else [])]
        self.process = Process(command, logs / f"proxy-{name}.log", clean_env(HOME=str(logs)))
        wait_for("the proxy to listen", lambda: accepts(self.port), process=self.process)


@pytest.fixture(scope="module")
def server(logs: Path):
    certificate, context = certify(logs)
    server = WaitingServer(tls=context)
    server.certificate = certificate
    yield server
    server.close()


def through(proxy: Proxy, server: WaitingServer, logs: Path, name: str, user: str = "", **variables: str) -> Sidecar:
    return Sidecar(
        server.port,
        logs,
        f"through-proxy-{name}",
        MCP_UPSTREAM_URL=f"https://{NAME}:{server.port}/mcp",
        MCP_UPSTREAM_CA_FILE=str(server.certificate),
        HTTPS_PROXY=f"http://{user}127.0.0.1:{proxy.port}",
        **variables,
    )


@pytest.mark.parametrize("user", ["", USER], ids=["open", "password"])
def test_calls_streams_and_health(server: WaitingServer, logs: Path, user: str) -> None:
    name = "password" if user else "open"
    proxy = Proxy(logs, name, user)
    sidecar = through(proxy, server, logs, name, f"{ENCODED_USER}@" if user else "")
    try:
        with Connection(sidecar.port) as connection:
            answer = connection.post(rpc("ping"))
            assert (answer.head.status, answer.body) == (200, RESULT)
        with Connection(sidecar.port) as connection:
            connection.send("GET", "/stream", STREAM)
            assert connection.head().status == 200
            assert next(connection.pieces()) == b": begin\n\n"
        wait_for("the health check to pass", lambda: probe(sidecar.probe_port, "/health") == 200)
        counted = series("mcp_requests_total", method="ping", server_name="upstream", status="ok", error_type="")
        wait_for("the call to be counted", lambda: sidecar.samples().get(counted) == 1)
        # Its log has the requested name, which it resolved.
        wait_for("the proxy to tell", lambda: f"CONNECT {NAME}:{server.port}" in proxy.process.log())
        assert "s3cret" not in sidecar.process.log()
    finally:
        sidecar.stop()
        proxy.process.stop()


def test_server_in_no_proxy_is_reached_directly(server: WaitingServer, logs: Path) -> None:
    proxy = Proxy(logs, "direct")
    sidecar = through(proxy, server, logs, "direct", NO_PROXY=f"other.example,{NAME}")
    try:
        with Connection(sidecar.port) as connection:
            answer = connection.post(rpc("ping"))
            assert (answer.head.status, answer.body) == (200, RESULT)
        wait_for("the health check to pass", lambda: probe(sidecar.probe_port, "/health") == 200)
        assert "CONNECT" not in proxy.process.log()
    finally:
        sidecar.stop()
        proxy.process.stop()


def test_wrong_password_is_reported(server: WaitingServer, logs: Path) -> None:
    proxy = Proxy(logs, "wrong", USER)
    sidecar = through(proxy, server, logs, "wrong", "agent:hunter3@")
    try:
        with Connection(sidecar.port) as connection:
            answer = connection.post(rpc("ping"))
        assert answer.head.status == 503
        where = f"https://{NAME}:{server.port}/mcp (MCP_UPSTREAM_URL) through the proxy http://127.0.0.1:{proxy.port}"
        assert answer.body.decode().startswith(f"cannot connect to {where} (HTTPS_PROXY): ")
        told = f"HTTPS_PROXY: no connection through http://127.0.0.1:{proxy.port}: it answers 407"
        wait_for("it to be told", lambda: told in sidecar.process.log())
        assert probe(sidecar.probe_port, "/health") == 503
        assert "hunter3" not in sidecar.process.log()
    finally:
        sidecar.stop()
        proxy.process.stop()
