"""Fixtures of the compose suite: one engine, one run of the stack for all tests."""

import signal
import sys
from collections.abc import Iterator

import pytest
import stand_ins
from engine import Engine, NoEngine
from project import Project


def pytest_configure() -> None:
    # SIGTERM ends the run, and then the engine is stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A running engine with every public image, or its stand-in."""
    try:
        engine = Engine()
    except NoEngine as reason:
        pytest.skip(str(reason))
    try:
        names = stand_ins.ensure(engine)
        print(f"stand-ins, because they could not be pulled: {', '.join(names) or 'none'}")
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def stack(engine: Engine) -> Iterator[Project]:
    """`docker compose up` until all services are healthy. The last test takes the stack down; this fixture does so otherwise."""
    project = Project(engine)
    project.compose("--profile=*", "down", "--volumes", "--timeout=1")
    project.up()
    yield project
    project.compose("--profile=*", "down", "--volumes", "--timeout=1")
