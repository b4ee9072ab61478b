"""Processes of the system: the descendants of one, and what it uses. Linux only, as the launcher's tests are."""

import os
from pathlib import Path

from support.processes import wait_for


# The launcher ends by itself within this time: a drain, and SIGKILL for programs that ignore SIGTERM, on a busy machine. If the tests
# killed it earlier, its programs would end a moment after it.
LAST = 60.0


def parents() -> dict[int, int]:
    """The parent of every process that has not exited."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name in parentheses may contain spaces.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state not in "ZX":
                found[int(entry.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    """All processes below this one."""
    known = parents()
    found: set[int] = set()
    level = {pid}
    while level := {child for child, parent in known.items() if parent in level}:
        found |= level
    return found


def alive(pids: set[int]) -> set[int]:
    return pids & parents().keys()


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def named(pid: int, text: str) -> set[int]:
    """The descendants whose command line has this text."""
    return {child for child in descendants(pid) if text in command_line(child)}


def gone(pids: set[int]) -> None:
    wait_for(f"the end of {pids}", lambda: not alive(pids))


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kib(pid: int) -> int:
    """Memory that is the process' own."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError(f"{pid} has no RssAnon")
