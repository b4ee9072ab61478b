"""Ground truth: 10,000 mixed calls of 50 clients through the bridge. The counters equal the load test's own counts, and afterwards
nothing is left: no program, no descriptor, no memory.
"""

import os
import subprocess

import pytest

import servers
from families import LAST, alive, descendants, open_files, resident_kib
from support.processes import wait_for
from support.sidecar import Sidecar

CLIENTS, CALLS, WARM_UP = 50, 10_000, 1_000
MOST_FILES, MOST_KIB = 8, 8 * 1024


def load(sidecar: Sidecar, total: int, revision: str) -> str:
    """Runs the load test, which compares its counts with the scrape. Returns its report."""
    done = subprocess.run(
        [os.environ["LOADTEST"]], capture_output=True, text=True, timeout=600,
        env={
            "URL": f"http://127.0.0.1:{sidecar.port}/mcp",
            "METRICS": f"http://127.0.0.1:{sidecar.probe_port}/metrics",
            "TOTAL": str(total), "CONCURRENCY": str(CLIENTS), "REVISION": revision,
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_counters_are_those_of_the_clients_and_nothing_is_left(revision: str, run) -> None:
    program = servers.command("rmcp-3.11.0")
    sidecar = run(program, MCP_STDIO_SESSIONS="64")
    launcher = sidecar.process.pid

    def programs() -> int:
        """One program remains for 2026-07-28, which has no sessions."""
        return len(descendants(launcher)) - 1

    remaining = 1 if revision == "2026-07-28" else 0
    # The first load fills pools and caches, as those of the allocator.
    load(sidecar, WARM_UP, revision)
    wait_for("the sessions' programs to end", lambda: programs() == remaining)
    files, memory = open_files(launcher), resident_kib(launcher)
    report = load(sidecar, CALLS, revision)
    assert "tool_error" in report and "rpc_error" in report, "the mix has no failures any more"
    wait_for("the sessions' programs to end", lambda: programs() == remaining)
    wait_for("the descriptors to be closed", lambda: open_files(launcher) <= files + MOST_FILES)
    grown = resident_kib(launcher) - memory
    print(f"{revision}: {open_files(launcher) - files} descriptors and {grown} KiB more than before")
    assert grown <= MOST_KIB
    everything = descendants(launcher)
    sidecar.stop(LAST)
    assert not alive(everything)
