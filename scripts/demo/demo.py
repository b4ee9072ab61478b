"""Starts the weather server and the sidecar, drives them with real clients of two revisions, prints the scrape as tables.

Exit 1 when the scrape is empty or says anything else than the clients saw. `KEEP=1` leaves everything running.
Called by scripts/demo.sh, which builds what is started here.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import check
import report
from scrape import Scrape
from stack import StackError, free_ports, start_sidecar, start_weather

HERE = Path(__file__).parent
CLIENT_SECONDS = 120
# Counters and histograms show up to a second after the event.
LAG_SECONDS = 2.0
SETTLE_SECONDS = 15


def run_clients(python: str, program: str, url: str) -> dict:
    """Runs one client program to its end and returns what it saw."""
    begun = time.monotonic()
    command = [python, str(HERE / program), url]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, timeout=CLIENT_SECONDS, text=True)
    if done.returncode:
        raise StackError(f"{program} ended with status {done.returncode}")
    seen = json.loads(done.stdout)
    count = sum(row[-1] for row in seen["operations"])
    print(f"  {count} operations at revision {seen['revision']} in {time.monotonic() - begun:.1f} s", flush=True)
    return seen


def settled(url: str) -> Scrape:
    """The scrape once it stands still for longer than counters may lag."""
    deadline = time.monotonic() + SETTLE_SECONDS
    now = Scrape.of(url)
    while time.monotonic() < deadline:
        before = now
        time.sleep(LAG_SECONDS)
        now = Scrape.of(url)
        if now.samples == before.samples:
            return now
    raise StackError(f"the figures at {url} still moved {SETTLE_SECONDS} s after the last client had ended")


def show(scrape: Scrape, url: str) -> bool:
    """Prints the tables; False when there is nothing to print."""
    tools = report.tools(scrape)
    if tools is None:
        print(f"\nNo tool calls in {url}: the filter is not in Envoy, or it counts nothing.", file=sys.stderr)
        return False
    print(f"\nTools, as {url} tells:\n\n{tools}")
    print(f"\nOperations:\n\n{report.operations(scrape)}")
    print("\nThe series behind it that are not zero (histograms: sum and count, buckets left out):\n")
    print(f"{report.raw(scrape)}\n")
    return True


def demonstrate(url: str, metrics: str) -> bool:
    """The sessions and their figures; False when the figures are wrong."""
    print("Client sessions on the Python SDK 1.30.0", flush=True)
    reports = [run_clients(os.environ["OLD_CLIENT_PYTHON"], "client_old.py", url)]
    print("Client sessions on the Python SDK 2.3.0", flush=True)
    reports.append(run_clients(sys.executable, "client_new.py", url))
    scrape = settled(metrics)
    if not show(scrape, metrics):
        return False
    wrong = check.differences(scrape, reports)
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    if not wrong:
        print("Every figure compared equals what the clients saw.")
    return not wrong


def main() -> int:
    # A polite end from outside takes the same way out as Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    upstream_port, port, probe_port, admin_port = free_ports(4)
    url, probe = f"http://127.0.0.1:{port}/mcp", f"http://127.0.0.1:{probe_port}"
    running = []
    try:
        print("Starting the weather server and the sidecar", flush=True)
        running.append(start_weather(upstream_port))
        running.append(start_sidecar(upstream_port, port, probe_port, admin_port))
        right = demonstrate(url, f"{probe}/metrics")
        if os.environ.get("KEEP") == "1":
            print(f"\nStill running until Ctrl-C:\n  MCP      {url}\n  metrics  {probe}/metrics\n"
                  f"  health   {probe}/health\n  admin    http://127.0.0.1:{admin_port}", flush=True)
            running[-1].child.wait()
        return 0 if right else 1
    except (StackError, subprocess.TimeoutExpired, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        for process in reversed(running):
            process.stop()


sys.exit(main())
