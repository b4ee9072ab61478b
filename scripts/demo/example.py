"""Runs one example behind the sidecar, calls it with its clients, prints and compares the scrape: example.py NAME.

Exit 1 when a figure differs from what the clients were answered, or from the series that the example's README promises.
`KEEP=1` leaves everything running. Called by scripts/example.sh, which gets what is started here.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import check
import report
import series
from run import print_tools, run_client, settled
from scrape import Scrape
from stack import ROOT, Process, StackError, end_on_signals, free_ports, start_server, start_sidecar

HERE = Path(__file__).parent


def start_postgres(folder: str, port: int) -> list[Process]:
    """A database and the MCP server in front of it."""
    [database_port] = free_ports(1)
    database = start_server("database", [sys.executable, f"{folder}/database.py"], database_port,
                            {"POSTGRES_HOME": os.environ["POSTGRES_HOME"]})
    url = f"postgresql://reader@127.0.0.1:{database_port}/shop"
    try:
        return [database, start_server("MCP server", [os.environ["EXAMPLE_PYTHON"], f"{folder}/server.py"], port, {"DATABASE_URL": url})]
    except BaseException:
        database.stop()
        raise


def start_agent(folder: str, port: int) -> list[Process]:
    """The agent with the scripted model; an API key is not passed on."""
    return [start_server("MCP server", [os.environ["EXAMPLE_PYTHON"], f"{folder}/server.py"], port, {})]


@dataclass
class Example:
    # Clients: program, variable with the path of its Python.
    clients: list[tuple[str, str]]
    # Starts the server in the example's folder, on a port.
    start: Callable[[str, int], list[Process]] | None = None
    # In place of a server: what the sidecar starts, with EXAMPLE_PYTHON.
    program: tuple[str, ...] = ()


BOTH = [("client_old.py", "OLD_CLIENT_PYTHON"), ("client_new.py", "NEW_CLIENT_PYTHON")]
EXAMPLES = {
    "postgres": Example([("client.py", "NEW_CLIENT_PYTHON")], start_postgres),
    "agent-sdk-server": Example(BOTH, start_agent),
    # The clients of the demo, whose server is the same.
    "stdio": Example([(str(HERE / program), python) for program, python in BOTH],
                     program=(str(ROOT / "examples/weather/server.py"), "stdio")),
}


def drive(name: str, url: str, metrics: str) -> bool:
    """Runs the clients and prints the scrape; False if a value is wrong."""
    folder = ROOT / "examples" / name
    reports = []
    for program, python in EXAMPLES[name].clients:
        print(f"Running {Path(program).name}", flush=True)
        reports.append(run_client(os.environ[python], folder / program, url))

    def differences(scrape: Scrape) -> list[str]:
        return check.differences(scrape, reports) + series.differences(scrape, folder / "README.md")

    scrape = settled(metrics, lambda scrape: not differences(scrape))
    print_tools(metrics)
    print(f"\nOperations:\n\n{report.operations(scrape)}")
    print("\nThe series that are not zero and the same in every run:\n\n" + "\n".join(series.figures(scrape.samples, series.VARYING_IN.get(name, ()))) + "\n")
    wrong = differences(scrape)
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    if not wrong:
        print("Every figure equals the clients' answers, and the series equal those in the README.")
    return not wrong


def main(name: str) -> int:
    end_on_signals()
    upstream_port, port, probe_port, admin_port = free_ports(4)
    url, probe = f"http://127.0.0.1:{port}/mcp", f"http://127.0.0.1:{probe_port}"
    running: list[Process] = []
    try:
        print(f"Starting the example {name} and the sidecar", flush=True)
        example = EXAMPLES[name]
        running += example.start(str(ROOT / "examples" / name), upstream_port) if example.start else []
        program = [os.environ["EXAMPLE_PYTHON"], *example.program] if example.program else []
        running.append(start_sidecar(upstream_port, port, probe_port, admin_port, name, program))
        right = drive(name, url, f"{probe}/metrics")
        if os.environ.get("KEEP") == "1":
            print(f"\nStill running until Ctrl-C:\n  MCP      {url}\n  metrics  {probe}/metrics", flush=True)
            running[-1].child.wait()
        return 0 if right else 1
    except (StackError, subprocess.TimeoutExpired, OSError) as error:
        print(f"example: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        for process in reversed(running):
            process.stop()


sys.exit(main(sys.argv[1]))
