"""Runs the MCP conformance suite, `@modelcontextprotocol/conformance`, against one URL and reads its results.

The suite needs Node.js 22; if tests/node has installed one, that one is used.
"""

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from .peers import NODE, clean_env, get

SUITE = NODE / "node_modules/@modelcontextprotocol/conformance"
# The folder of a scenario's results: its name and time.
FOLDER = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
# Only a run that hangs takes so long.
DEADLINE = 600


@dataclass
class Run:
    """`checks` counts (scenario, check, status); `reasons` says why a check did not pass."""

    status: int
    output: str
    checks: Counter[tuple[str, str, str]]
    reasons: dict[tuple[str, str], str]

    @property
    def scenarios(self) -> set[str]:
        return {scenario for scenario, _, _ in self.checks}

    @property
    def failing(self) -> set[str]:
        return {scenario for scenario, _, status in self.checks if status == "FAILURE"}

    def table(self) -> str:
        """One line per status, and one per check that failed."""
        counts = Counter()
        for (_, _, status), count in self.checks.items():
            counts[status] += count
        lines = [f"{len(self.scenarios)} scenarios, exit status {self.status}: {dict(sorted(counts.items()))}"]
        return "\n".join(lines + [f"{scenario}: {check}: {why}" for (scenario, check), why in self.reasons.items()])


def node() -> str:
    pinned = Path(get("node")) / ".bin/node"
    return str(pinned) if pinned.exists() else "node"


def required(requirements: str) -> set[str]:
    """Every scenario for servers in a set of requirements, scored or not."""
    entries = yaml.safe_load((SUITE / "requirements" / f"{requirements}.yaml").read_text())
    return {*entries["server"], *(entry["scenario"] for entry in entries["not_scored"] if entry["leg"] == "server")}


def run(url: str, requirements: str, out: Path) -> Run:
    done = subprocess.run(
        [node(), SUITE / "dist/index.js", "server", "--url", url, "--requirements", requirements, "-o", out],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=DEADLINE, env=clean_env(), cwd=out.parent,
    )
    checks: Counter[tuple[str, str, str]] = Counter()
    reasons = {}
    for file in sorted(out.glob("*/checks.json")):
        named = FOLDER.fullmatch(file.parent.name)
        assert named, f"no scenario's folder: {file.parent.name}"
        for check in json.loads(file.read_text()):
            checks[named["scenario"], check["id"], check["status"]] += 1
            if check["status"] in ("FAILURE", "WARNING"):
                reasons[named["scenario"], check["id"]] = check.get("errorMessage", "")
    return Run(done.returncode, done.stdout, checks, reasons)
