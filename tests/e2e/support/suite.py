"""Functions for the conftest of each suite: the check of built files, and servers that start once."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

BUILT = {"MCP_SIDECAR": "the launcher", "MCP_FILTER_WASM": "the filter module"}


class Stoppable(Protocol):
    def stop(self) -> None: ...


Running = TypeVar("Running", bound=Stoppable)


def prepare(script: str, *variables: str) -> None:
    """Fails if one of the variables (by default all of BUILT) is not the path of a file; `script` builds them. SIGTERM ends the run,
    and the fixtures then stop their processes."""
    missing = [f"{name} ({BUILT[name]})" for name in variables or BUILT if not Path(os.environ.get(name, "")).is_file()]
    if missing:
        raise pytest.UsageError(f"not built: {', '.join(missing)}; run {script}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@contextmanager
def started_once(start: Callable[[str], Running]) -> Iterator[Callable[[str], Running]]:
    """Returns a function that starts each name once. All are stopped at the end."""
    running: dict[str, Running] = {}

    def get(name: str) -> Running:
        if name not in running:
            running[name] = start(name)
        return running[name]

    try:
        yield get
    finally:
        for each in running.values():
            each.stop()
