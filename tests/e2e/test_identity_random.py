"""Thousands of random exchanges through Envoy with the filter: all bytes arrive unchanged, and chunk by chunk.

`identity/` derives each exchange from its number. Each chunk is sent after the other side has confirmed the one before, so a byte
that is held back stops the exchange.
"""

import os
import threading
import time
from itertools import count

import pytest

from identity.client import Client, Http1Client, Http2Client
from identity.plan import make
from identity.play import play
from identity.server import Server
from support import scrape
from support.series import series
from support.sidecar import Sidecar
from support.stub import Stub

SEED = os.environ.get("IDENTITY_SEED", "1")
AT_ONCE = 8
# The share of exchanges that are the last one of their connection.
LAST = 20


def run(stub: Stub, sidecar: Sidecar, seed: str, exchanges: int) -> None:
    server = Server()
    stub.on_head("/plan", server)
    numbers = count()
    failures: list[str] = []

    def worker(client: Client) -> None:
        while not failures and (number := next(numbers)) < exchanges:
            plan = make(seed, number)
            server.plans[str(number)] = plan
            try:
                play(plan, client)
            except Exception as error:
                failures.append(f"exchange {number} of seed {seed!r} by {type(client).__name__}: {error!r}")
            del server.plans[str(number)]
            if number % LAST == 0:
                client.close()
        client.close()

    begun = time.monotonic()
    clients: list[Client] = [(Http1Client, Http2Client)[index % 2](sidecar.port) for index in range(AT_ONCE)]
    threads = [threading.Thread(target=worker, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{exchanges} exchanges in {time.monotonic() - begun:.0f} s")
    assert not failures, "\n".join(failures)
    check_account(sidecar, exchanges)


def check_account(sidecar: Sidecar, exchanges: int) -> None:
    """The filter saw every exchange, did not trap, and has none open."""
    sidecar.expected.stream(exchanges)
    samples = sidecar.counted()
    streams = series("mcp_filter_streams_total", server_name=sidecar.server_name)
    assert samples[streams] == sidecar.expected.totals[streams]
    # Other tests check the counts. Operations whose response may come on another stream stay in flight.
    scrape.take_over(sidecar.expected, sidecar.flushed())
    waiting = series("mcp_requests_in_flight", server_name=sidecar.server_name)
    sidecar.expected.gauges[waiting] = samples[waiting]
    sidecar.check()


def test_random_exchanges(stub: Stub, stub_sidecar: Sidecar) -> None:
    run(stub, stub_sidecar, SEED, 400)


@pytest.mark.soak
def test_random_exchanges_for_long(stub: Stub, stub_sidecar: Sidecar) -> None:
    run(stub, stub_sidecar, f"{SEED} long", 10_000)
