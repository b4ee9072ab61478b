"""A sidecar under test: the launcher with Envoy and the filter, two workers, and the expected series.

`expected` sums everything that the tests have sent since the start. So a series that appears late, or belongs to no exchange,
fails the next comparison at the latest.
"""

import json
import os
import re
import time
import urllib.request
from pathlib import Path

from . import scrape
from .client import Connection
from .exchange import Ledger
from .expected import Expected
from .peers import get
from .processes import Process, free_port, wait_for
from .series import Series

WORKERS = 2
# Only a test that fails waits so long.
COUNT_DEADLINE = 30.0
MOST_SPARE = 200
TRAP_SIGNS = ("panicked at", "Function: proxy_", "RuntimeError")
# A line of a program behind the bridge: its name and process id. A program in Python may have a RuntimeError of its own.
OF_A_PROGRAM = re.compile(r"\[[^\]]* \d+\] ")


class Sidecar:
    """It is ready when the constructor returns. The server is at a port, or a command on standard input and output. Settings are
    environment variables of the launcher."""

    def __init__(self, upstream: int | list[str], logs: Path, name: str = "sidecar", **settings: str) -> None:
        self.port, self.probe_port, self.admin_port = free_port(), free_port(), free_port()
        self.server_name = settings.get("MCP_UPSTREAM_NAME", "upstream")
        self.expected = Expected(self.server_name)
        own = {
            "PORT": str(self.port),
            "PROBE_PORT": str(self.probe_port),
            "ADMIN_PORT": str(self.admin_port),
            "CONCURRENCY": str(WORKERS),
        }
        command = upstream if isinstance(upstream, list) else []
        if not command:
            own["MCP_UPSTREAM_URL"] = f"http://127.0.0.1:{upstream}"
        self.process = launch(logs / f"{name}.log", command, **{**own, **settings})
        wait_for("the sidecar to be ready", self.ready, process=self.process)

    def ready(self) -> bool:
        return probe(self.probe_port, "/ready") == 200

    def stop(self, deadline: float = 5) -> None:
        self.process.stop(deadline)

    # Workers

    def admin(self, path: str) -> str:
        return scrape.fetch(f"http://127.0.0.1:{self.admin_port}{path}")

    def accepted(self) -> list[int]:
        """Connections that each worker has accepted on the MCP listener since the start."""
        stats = json.loads(self.admin(r"/stats?format=json&filter=^listener\..*worker_\d%2B\.downstream_cx_total$"))
        counts = {
            entry["name"].split("worker_")[1]: entry["value"]
            for entry in stats["stats"]
            if f"_{self.port}.worker_" in entry["name"]
        }
        return [counts[key] for key in sorted(counts)]

    def connections(self, ledger: Ledger | None = None) -> list[Connection]:
        """One connection on each worker."""
        found: dict[int, Connection] = {}
        spare = []
        while len(found) < WORKERS:
            assert len(spare) < MOST_SPARE, "one worker accepts everything"
            before = self.accepted()
            connection = Connection(self.port, ledger)
            after = wait_for("a worker to accept", lambda: grown(before, self.accepted()))
            worker = after[0]
            if worker in found:
                spare.append(connection)
            else:
                found[worker] = connection
        for connection in spare:
            connection.close()
        return [found[worker] for worker in sorted(found)]

    # The expected series

    def metrics(self) -> str:
        return scrape.fetch(f"http://127.0.0.1:{self.probe_port}/metrics")

    def samples(self) -> dict[Series, float]:
        return scrape.parse(self.metrics())

    def settle(self) -> dict[Series, float]:
        """Waits until both workers have flushed: sends one request that is not MCP to each, and waits until the scrape shows both."""
        for connection in self.connections():
            with connection:
                connection.send("GET", "/marker")
                connection.receive()
                self.expected.stream()
        wanted = self.expected.totals
        streams = next(entry for entry in wanted if entry[0] == "mcp_filter_streams_total")
        end = time.monotonic() + COUNT_DEADLINE
        while (samples := self.samples()).get(streams, 0) < wanted[streams] and time.monotonic() < end:
            time.sleep(0.05)
        return samples

    def flushed(self) -> dict[Series, float]:
        """The scrape after Envoy's next complete flush, which histograms need. A flush sets the uptime; the first one that is
        seen may have begun too early."""
        begun = self.uptime()
        wait_for("Envoy to flush its stats", lambda: self.uptime() >= begun + 2)
        return self.samples()

    def counted(self) -> dict[Series, float]:
        """The scrape with everything that was sent. The one that `settle` sees may be from within a worker's flush."""
        self.settle()
        return self.flushed()

    def uptime(self) -> int:
        return int(self.admin(r"/stats?filter=^server\.uptime$").rpartition(":")[2])

    def check(self, ledger: Ledger | None = None) -> dict[Series, float]:
        """Adds the ledger to the expected series, and compares the whole scrape with them."""
        if ledger:
            self.expected.ledger(ledger)
        end = time.monotonic() + COUNT_DEADLINE
        while scrape.differences(self.expected, samples := self.settle()) and time.monotonic() < end:
            pass
        self.check_log()
        if scrape.differences(self.expected, samples):
            samples = self.flushed()
        if lines := scrape.differences(self.expected, samples):
            # The next comparison does not depend on this one.
            scrape.take_over(self.expected, samples)
            raise AssertionError("series that are not as expected:\n" + "\n".join(lines))
        scrape.settle_doubt(self.expected, samples)
        return samples

    def adopt(self, ledger: Ledger) -> dict[Series, float]:
        """Makes the scrape the expected values, for traffic whose counts are not specified."""
        self.expected.stream(len(ledger.exchanges))
        samples = self.counted()
        scrape.take_over(self.expected, samples)
        self.check_log()
        return samples

    def check_log(self) -> None:
        log = self.process.log()
        own = [line for line in log.splitlines() if not OF_A_PROGRAM.match(line)]
        traps = [line for line in own if any(sign in line for sign in TRAP_SIGNS)]
        assert not traps, "the filter trapped:\n" + "\n".join(traps)
        assert self.process.running(), f"the sidecar exited:\n{log[-4000:]}"


def grown(before: list[int], after: list[int]) -> list[int]:
    """The workers that accepted more connections since."""
    pairs = zip(before or [0] * len(after), after)
    return [worker for worker, (earlier, later) in enumerate(pairs) if later > earlier]


def launch(log: Path, command: list[str] = [], **settings: str) -> Process:
    """Starts the launcher with these settings only, without the variables of this environment. With a command, its program is the
    server."""
    return Process([os.environ["MCP_SIDECAR"], "run", *(["--", *command] if command else [])], log, environment(**settings))


def environment(**settings: str) -> dict[str, str]:
    """The environment of a launcher."""
    return {
        "PATH": os.environ["PATH"],
        "ENVOY_BIN": get("envoy"),
        "MCP_FILTER_WASM": os.environ["MCP_FILTER_WASM"],
        "HOST": "127.0.0.1",
        "PROBE_HOST": "127.0.0.1",
        **settings,
    }


def probe(port: int, path: str) -> int:
    """The status of a probe path; 0 if there is no response."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
