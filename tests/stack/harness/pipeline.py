"""The collector and Prometheus, with the repository's own configuration, on free ports and a short interval."""

from collections.abc import Callable
from pathlib import Path

import parts
import prometheus
from support import scrape
from support.peers import get
from support.processes import Process, free_port, wait_for
from support.series import Series

from .http import answers

INTERVAL_MS = 1000
# The longest wait on a busy machine. The awaited conditions become true much earlier.
DEADLINE = 120.0


def await_equal(found: Callable[[], object], wanted: object) -> None:
    """Waits until a value is the wanted one. Fails with the last value.

    A value that was there may be away for a while: on a busy machine a scrape reaches its timeout, of half an interval in Prometheus,
    and all of its series are gone until the next one.
    """
    last: list[object] = []

    def reached() -> bool:
        last[:] = [found()]
        return last[0] == wanted

    try:
        wait_for(f"{wanted}", reached, DEADLINE)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {last[0]}") from None


class Collector:
    """Started and ready once the constructor returns."""

    def __init__(self, directory: Path, targets: list[str], *, sanitize: bool = True, backend: str = "",
                 export_received: bool = False, config: Path | None = None, interval_ms: int = INTERVAL_MS,
                 **environment: str) -> None:
        """`backend` receives what export-otlp.yaml sends; with `export_received` also metrics that came by OTLP. `config` is
        another file to merge, `environment` has the variables that collector.yaml reads."""
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.ports = {name: free_port() for name in parts.COLLECTOR_PORTS}
        self.command = parts.collector_command(get("collector"), sanitize=sanitize, export=bool(backend),
                                               export_received=export_received)
        if config:
            self.command.append(f"--config={config}")
        self.environment = parts.base_environment() | parts.collector_environment(self.ports, targets, interval_ms)
        if backend:
            self.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": backend, "COLLECTOR_STATE": str(directory / "queue")}
        self.environment |= environment
        self.log = directory / "collector.log"
        self.process: Process | None = None
        self.start()

    def start(self) -> None:
        self.process = Process(self.command, self.log, self.environment)
        wait_for("the collector to serve", lambda: answers(self.url("health")), process=self.process)

    def stop(self) -> None:
        self.process.stop()

    def url(self, port: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def page(self, port: str = "metrics") -> str:
        return scrape.fetch(self.url(port, "/metrics"))

    def samples(self, port: str = "metrics") -> dict[Series, float]:
        return scrape.parse(self.page(port))

    def own(self, name: str) -> float:
        """The sum of one of the collector's own metrics. A counter has its name on the page, to which `parse` adds `_total`."""
        return sum(number for (family, _), number in self.samples("own").items() if family in (name, f"{name}_total"))

    def log_lines(self, level: str) -> list[str]:
        """The lines of the log with a level. Lines of stack traces have none."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if f"\t{level}\t" in line]

    def errors(self) -> list[str]:
        """The errors in the log, except that a reader closed its connection: on a busy machine a scrape may reach its timeout."""
        return [line for line in self.log_lines("error") if not line.endswith(("write: broken pipe", "write: connection reset by peer"))]


class Prometheus:
    """Started and ready once the constructor returns."""

    def __init__(self, directory: Path, collector_ports: dict[str, int], interval_ms: int = INTERVAL_MS) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = parts.write_prometheus_config(directory, collector_ports, interval_ms)
        command = parts.prometheus_command(get("prometheus"), config, directory / "data", self.port)
        self.process = Process(command, directory / "prometheus.log", parts.base_environment())
        wait_for("Prometheus to serve", lambda: answers(f"{self.url}/-/ready"), process=self.process)

    def stop(self) -> None:
        self.process.stop()

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        return prometheus.query(self.url, expression)

    def value(self, expression: str) -> float | None:
        return prometheus.value(self.url, expression)

    def await_series(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Waits until an expression has series, and returns them. See `await_equal`."""
        return wait_for(expression, lambda: self.query(expression), DEADLINE)

    def await_value(self, expression: str, wanted: float | None) -> None:
        self.await_that(expression, lambda found: found == wanted)

    def await_that(self, expression: str, holds: Callable[[float | None], bool]) -> None:
        """Waits until an expression with at most one series has such a value. Fails with the last value."""
        seen: list[float | None] = []

        def reached() -> bool:
            seen[:] = [self.value(expression)]
            return holds(seen[0])

        try:
            wait_for(expression, reached, DEADLINE)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {seen[0]}") from None

    def targets(self) -> dict[str, str]:
        """The health of each target, by job."""
        active = prometheus.get(self.url, "targets")["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in active}


class Stack:
    """Collector and Prometheus before these scrape targets."""

    def __init__(self, directory: Path, targets: list[str], interval_ms: int = INTERVAL_MS, **settings) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.collector = Collector(directory / "collector", targets, interval_ms=interval_ms, **settings)
        try:
            self.prometheus = Prometheus(directory / "prometheus", self.collector.ports, interval_ms)
        except BaseException:
            self.collector.stop()
            raise

    def stop(self) -> None:
        self.prometheus.stop()
        self.collector.stop()
