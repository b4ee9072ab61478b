"""Operations that Envoy itself ends (no upstream, timeout, overload) are counted on both workers."""

import socket
import threading

import pytest

from support import http1
from support.cases import CALL, RESULT, answers, held_stream
from support.client import JSON, Connection
from support.exchange import Ledger
from support.plain_envoy import PlainEnvoy, bootstrap_of, every
from support.scrape import operations
from support.sidecar import WORKERS, Sidecar
from support.stub import Stub, Wire

# The stub answers the other requests at once; on a busy machine it may wait for a CPU before.
TIMEOUT_MS = "3000"


def test_connection_refused(logs) -> None:
    # Bound but not listening: no other process can take the port, and connections to it are refused.
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        sidecar = Sidecar(reserved.getsockname()[1], logs, "refused")
        try:
            ledger = Ledger()
            for connection in sidecar.connections(ledger):
                with connection:
                    response = connection.post(CALL, cause=("error", "upstream_unavailable"))
                    assert response.head.status == 503
            samples = sidecar.check(ledger)
            assert operations(samples, "status", "error_type") == {("error", "upstream_unavailable"): WORKERS}
        finally:
            sidecar.stop()


@pytest.fixture
def impatient(stub: Stub, logs):
    sidecar = Sidecar(stub.port, logs, "impatient", MCP_UPSTREAM_TIMEOUT_MS=TIMEOUT_MS)
    yield sidecar
    sidecar.stop()


def test_timeout_is_for_response_headers_only(stub: Stub, impatient: Sidecar) -> None:
    """A response that has begun is not cut while another request times out."""
    go_on = threading.Event()
    stub.on("/never", lambda request, wire: wire.until_gone())
    stub.on("/long", held_stream(go_on))
    ledger = Ledger()
    running = impatient.connections(ledger)
    pieces = []
    for connection in running:
        connection.send("POST", "/long", JSON, CALL)
        connection.head()
        pieces.append(connection.pieces())
        next(pieces[-1])
    for connection in impatient.connections(ledger):
        with connection:
            assert connection.post(CALL, target="/never", cause=("error", "timeout")).head.status == 504
    go_on.set()
    for connection, rest in zip(running, pieces):
        assert RESULT in b"".join(rest)
        connection.close()
    samples = impatient.check(ledger)
    assert operations(samples, "status", "error_type") == {("error", "timeout"): WORKERS, ("ok", ""): WORKERS}


def test_late_request_body_is_no_timeout(stub: Stub, impatient: Sidecar) -> None:
    """The timeout begins when the request is complete."""
    stub.on("/late", answers(200, RESULT))
    stub.on("/never", lambda request, wire: wire.until_gone())
    ledger = Ledger()
    slow = impatient.connections(ledger)
    for connection in slow:
        length = ("Content-Length", str(len(CALL)))
        connection.begin("POST", "/late", [("Host", "x"), *JSON, length], CALL)
        connection.socket.sendall(CALL[:10])
    # Another request that times out shows that the time has passed.
    with Connection(impatient.port, ledger) as connection:
        assert connection.post(CALL, target="/never", cause=("error", "timeout")).head.status == 504
    for connection in slow:
        with connection:
            connection.socket.sendall(CALL[10:])
            assert connection.receive().body == RESULT
    impatient.check(ledger)


def crowded(model: Sidecar, logs) -> PlainEnvoy:
    """The bootstrap of the launcher with a limit of one request."""
    bootstrap = bootstrap_of(model)
    for cluster in every(bootstrap, "circuit_breakers"):
        cluster["circuit_breakers"]["thresholds"] = [{"max_requests": 1}]
    return PlainEnvoy(bootstrap, model.server_name, logs, "crowded")


def test_overload(stub: Stub, stub_sidecar: Sidecar, logs) -> None:
    sidecar = crowded(stub_sidecar, logs)
    try:
        arrived, go_on = threading.Semaphore(0), threading.Event()

        def occupy(_: http1.Message, wire: Wire) -> None:
            arrived.release()
            assert go_on.wait(20)
            wire.json(200, RESULT)

        stub.on("/occupy", occupy)
        ledger = Ledger()
        with Connection(sidecar.port, ledger) as first:
            first.send("POST", "/occupy", JSON, CALL)
            assert arrived.acquire(timeout=20)
            for connection in sidecar.connections(ledger):
                with connection:
                    response = connection.post(CALL, cause=("error", "overload"))
                    assert response.head.status == 503
            go_on.set()
            first.receive()
        samples = sidecar.check(ledger)
        assert operations(samples, "status", "error_type") == {("error", "overload"): WORKERS, ("ok", ""): 1}
    finally:
        sidecar.stop()
