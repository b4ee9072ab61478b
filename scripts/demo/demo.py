"""Starts the weather server and the sidecar, calls them with clients of two protocol versions, prints the scrape as tables.

Exit 1 when the scrape is empty or says anything else than the clients saw. `KEEP=1` leaves everything running.
Called by scripts/demo.sh, which builds what is started here.
"""

import os
import subprocess
import sys
from pathlib import Path

import check
import report
from run import print_tools, run_client, settled
from scrape import Scrape
from stack import StackError, end_on_signals, free_ports, start_sidecar, start_weather

HERE = Path(__file__).parent


def show(scrape: Scrape, url: str) -> bool:
    """Prints the tables; False if the scrape has no tool calls."""
    if not scrape.count("mcp_tool_calls_total"):
        print(f"\n{url}: has no tool calls; the filter is not in Envoy, or it does not count.", file=sys.stderr)
        return False
    print_tools(url)
    print(f"\nOperations:\n\n{report.operations(scrape)}")
    print("\nThe series that are not zero (of histograms sum and count, without buckets):\n")
    print(f"{report.raw(scrape)}\n")
    return True


def demonstrate(url: str, metrics: str) -> bool:
    """Runs the clients and prints the scrape; False if a value is wrong."""
    print("Client sessions on the Python SDK 1.30.0", flush=True)
    reports = [run_client(os.environ["OLD_CLIENT_PYTHON"], HERE / "client_old.py", url)]
    print("Client sessions on the Python SDK 2.3.0", flush=True)
    reports.append(run_client(sys.executable, HERE / "client_new.py", url))
    scrape = settled(metrics, lambda scrape: not check.differences(scrape, reports))
    if not show(scrape, metrics):
        return False
    wrong = check.differences(scrape, reports)
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    if not wrong:
        print("Every figure that was compared equals the clients' answers.")
    return not wrong


def main() -> int:
    end_on_signals()
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
