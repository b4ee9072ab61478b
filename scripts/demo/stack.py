"""An example's server and the sidecar in front of it, as child processes. Standard library only."""

import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The longest start, on a busy machine.
START_SECONDS = 90
# The sidecar drains for up to 30 s before it exits.
STOP_SECONDS = 35
# Below the ports that systems choose for connections and for listeners without a port, so that no other program takes one by chance.
PORTS = range(16_000, 30_000)


class StackError(Exception):
    """A failure, with a message for the user."""


def end_on_signals() -> None:
    """SIGHUP and SIGTERM end this program as Ctrl-C does. Later signals are ignored, so that it can end its children."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    # nohup ignores SIGHUP; keep that.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def end(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, end)


def free_ports(count: int) -> list[int]:
    """Different free ports. They are used seconds later."""
    ports: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(ports) == count:
            return ports
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
    raise StackError(f"fewer than {count} ports from {PORTS.start} to {PORTS.stop} are free")


class Process:
    """A child in a separate session, so that Ctrl-C does not reach it; `stop` ends it after its clients."""

    def __init__(self, name: str, command: list[str], settings: dict[str, str], log: Path | None = None):
        self.name = name
        environment = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        output = log.open("ab") if log else None
        self.child = subprocess.Popen(command, env=environment | settings, stdout=output,
                                      stderr=subprocess.STDOUT if output else None, start_new_session=True)
        if output:
            output.close()

    def wait_until(self, ready, what: str) -> None:
        """Waits until `ready()` is true; fails if the process exits before or the wait times out."""
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self.child.poll() is not None:
                raise StackError(f"{self.name} ended with status {self.child.returncode} before {what}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name}: {what} took more than {START_SECONDS} s")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends the process: first SIGTERM, then SIGKILL."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()


def connects(port: int) -> bool:
    """Whether a local port accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def start_server(name: str, command: list[str], port: int, settings: dict[str, str]) -> Process:
    """A server that takes HOST and PORT from its environment, listening."""
    server = Process(name, command, {"HOST": "127.0.0.1", "PORT": str(port)} | settings)
    try:
        server.wait_until(lambda: connects(port), "listening")
    except BaseException:
        server.stop()
        raise
    return server


def start_weather(port: int) -> Process:
    """The weather server, listening."""
    return start_server("weather server", [os.environ["WEATHER_PYTHON"], str(ROOT / "examples/weather/server.py")], port, {})


def start_sidecar(
    upstream_port: int, port: int, probe_port: int, admin_port: int, name: str = "weather", program: Sequence[str] = (), **more: str
) -> Process:
    """The sidecar in front of a local MCP server, ready to serve; `name` is the server_name of its figures, `more` are
    settings of its environment. With a `program`, which the sidecar starts, there is no server on `upstream_port`."""
    server = {} if program else {"MCP_UPSTREAM_URL": f"http://127.0.0.1:{upstream_port}/mcp"}
    command = ["run", "--", *program] if program else ["run"]
    settings = {
        **server,
        "MCP_UPSTREAM_NAME": name,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PROBE_HOST": "127.0.0.1",
        "PROBE_PORT": str(probe_port),
        "ADMIN_PORT": str(admin_port),
        "ENVOY_BIN": os.environ["ENVOY_BIN"],
        "MCP_FILTER_WASM": os.environ["MCP_FILTER_WASM"],
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "warning"),
        **more,
    }
    sidecar = Process("sidecar", [os.environ["MCP_SIDECAR_BIN"], *command], settings)
    try:
        sidecar.wait_until(lambda: answers(f"http://127.0.0.1:{probe_port}/ready"), "serving")
    except BaseException:
        sidecar.stop()
        raise
    return sidecar
