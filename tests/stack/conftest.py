"""Fixtures of the stack suite. `scripts/test-stack.sh` builds what they need and names it in the environment."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.backend import Backend
from harness.pipeline import Stack
from harness.proxy import Proxy
from harness.target import Target
from support.cases import RESULT, answers
from support.stub import Stub

BUILT = {"MCP_SIDECAR": "the launcher", "MCP_FILTER_WASM": "the filter module"}


def pytest_configure() -> None:
    missing = [f"{name} ({what})" for name, what in BUILT.items() if not Path(os.environ.get(name, "")).is_file()]
    if missing:
        raise pytest.UsageError("not built: " + ", ".join(missing) + "; run scripts/test-stack.sh")
    # A run that is told to stop still ends its processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@pytest.fixture
def upstream() -> Iterator[Stub]:
    """An MCP server whose every tool answers."""
    stub = Stub()
    stub.on("/mcp", answers(200, RESULT))
    yield stub
    stub.close()


def starter(kind: type, *before: object) -> Iterator[Callable]:
    """A function that starts one more of a kind; all of them end with the test, the last first."""
    running: list = []

    def start(*arguments, **settings):
        running.append(kind(*arguments, *before, **settings))
        return running[-1]

    yield start
    for each in reversed(running):
        each.stop()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    """`proxy(upstream_port, name=…)` starts a sidecar."""
    yield from starter(Proxy, tmp_path)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """`stack([address, …])` starts collector and Prometheus."""
    running: list[Stack] = []

    def start(targets: list[str], **settings) -> Stack:
        running.append(Stack(tmp_path / f"stack-{len(running)}", targets, **settings))
        return running[-1]

    yield start
    for each in reversed(running):
        each.stop()


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """An OTLP backend, not started yet."""
    backend = Backend(tmp_path / "backend")
    yield backend
    backend.stop()


@pytest.fixture
def target() -> Iterator[Target]:
    target = Target()
    yield target
    target.close()
