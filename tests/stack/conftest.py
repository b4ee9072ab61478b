"""Fixtures of the stack suite. `scripts/test-stack.sh` builds what they need and sets its paths in the environment."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.backend import Backend
from harness.pipeline import Stack
from harness.proxy import Proxy
from harness.target import Target
from support.cases import RESULT, answers
from support.stub import Stub
from support.suite import prepare

def pytest_configure() -> None:
    prepare("scripts/test-stack.sh")


@pytest.fixture
def upstream() -> Iterator[Stub]:
    """An MCP server that responds to every request with the same result."""
    stub = Stub()
    stub.on("/mcp", answers(200, RESULT))
    yield stub
    stub.close()


def starter(kind: type, *before: object) -> Iterator[Callable]:
    """Yields a function that starts one more process of a kind. All are stopped at the end of the test, in reverse order."""
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
