"""Child processes, each with a log, which are ended by process id; and waits for conditions."""

import itertools
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, TypeVar

START_DEADLINE = 90.0
Value = TypeVar("Value")
BLOCKS = range(10_000, 16_000, 100)


class Process:
    """A child process, started by the constructor. `stop` sends SIGTERM, and then SIGKILL if it does not exit within the deadline."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.command = [str(part) for part in command]
        self.log_path = log
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                # A separate process group: signals of the terminal do not reach it, and all its children can be ended.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.child.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def running(self) -> bool:
        return self.child.poll() is None

    def wait(self, deadline: float = START_DEADLINE) -> int:
        return self.child.wait(deadline)

    def terminate(self) -> None:
        self.child.send_signal(signal.SIGTERM)

    def stop(self, deadline: float = 5) -> None:
        if self.running():
            self.terminate()
            try:
                self.child.wait(deadline)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()


def claim_ports() -> tuple[socket.socket, Iterator[int]]:
    """Claims a block of ports for this test process. The process that is bound to the first port owns the block."""
    for first in BLOCKS:
        guard = socket.socket()
        try:
            guard.bind(("127.0.0.1", first))
        except OSError:
            guard.close()
            continue
        return guard, itertools.cycle(range(first + 1, first + BLOCKS.step))
    raise AssertionError(f"every hundredth port from {BLOCKS.start} to {BLOCKS.stop} is taken")


GUARD, PORTS = claim_ports()


def free_port() -> int:
    """A free port. The same port is returned again after 99 calls at the earliest.

    Outgoing connections use ports above this range, so a port is not taken between this call and its use. This matters
    because two listeners of Envoy on one port do not fail; they share the connections.
    """
    return next(port for port in PORTS if unused(port))


def unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(
    what: str, condition: Callable[[], Value], deadline: float = START_DEADLINE, process: Process | None = None
) -> Value:
    """Polls until the condition is true. If the process has exited, fails with its log."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if process is not None and not process.running():
            raise AssertionError(f"{process.command[0]} exited while waiting for {what}:\n{process.log()[-4000:]}")
        if time.monotonic() > end:
            log = f"\n{process.log()[-4000:]}" if process else ""
            raise AssertionError(f"not within {deadline} s: {what}{log}")
        time.sleep(0.02)
    return value
