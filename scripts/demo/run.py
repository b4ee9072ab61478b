"""Runs a client program to its end, waits until all its operations are in the scrape, and prints the table of tools."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from scrape import Scrape
from stack import StackError

HERE = Path(__file__).parent
CLIENT_SECONDS = 120
# Counters are in a scrape up to half a second after the event, histograms up to one and a half.
LAG_SECONDS = 2.0
SETTLE_SECONDS = 60


def run_client(python: str, program: Path, url: str) -> dict:
    """Runs one client program to its end and returns its report."""
    begun = time.monotonic()
    # Programs in other folders import the module `session` too.
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    done = subprocess.run([python, str(program), url], check=False, stdout=subprocess.PIPE, timeout=CLIENT_SECONDS, text=True, env=environment)
    if done.returncode:
        raise StackError(f"{program.name} ended with status {done.returncode}")
    seen = json.loads(done.stdout)
    count = sum(row[-1] for row in seen["operations"])
    print(f"  {count} operations with protocol version {seen['revision']} in {time.monotonic() - begun:.1f} s", flush=True)
    return seen


def print_tools(url: str) -> None:
    """Prints the sidecar's own table of tools."""
    command = [os.environ["MCP_SIDECAR_BIN"], "top", "--once", "--sort", "tool", url]
    print(f"\nTools, by mcp-sidecar {' '.join(command[1:])}:\n", flush=True)
    if subprocess.run(command, check=False, timeout=CLIENT_SECONDS).returncode:
        raise StackError("mcp-sidecar top failed")


def settled(url: str, is_complete: Callable[[Scrape], bool] = lambda _: True) -> Scrape:
    """The scrape after it has not changed for longer than counters may lag. On a busy machine they lag longer, so an unchanged scrape
    that is not complete is the last one only at the end of the wait."""
    deadline = time.monotonic() + SETTLE_SECONDS
    now = Scrape.of(url)
    while True:
        before = now
        time.sleep(LAG_SECONDS)
        now = Scrape.of(url)
        is_over = time.monotonic() > deadline
        if now.samples == before.samples and (is_over or is_complete(now)):
            return now
        if is_over:
            raise StackError(f"{url}: still changes {SETTLE_SECONDS} s after the last client ended")
