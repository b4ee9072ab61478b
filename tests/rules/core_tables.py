"""The tables of the filter's core: families, label values, limits and initial series.

The core prints them: `cargo run -q -p mcp-observe --example tables`. `filter/observe/src/recorder/tables.rs` describes them.
"""

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("cargo", "run", "--quiet", "--locked", "--package", "mcp-observe", "--example", "tables")
# The series of a histogram in addition to its bounds: the bucket +Inf, the sum and the count.
BEYOND_BOUNDS = 3


@dataclass(frozen=True)
class Label:
    """`values` are known without traffic; `budget` limits all others. A setting leaves out an optional label."""

    name: str
    values: tuple[str, ...]
    budget: str | None
    optional: bool


@dataclass(frozen=True)
class Family:
    """One family, as the sidecar shows it. `bounds` is empty if it is not a histogram."""

    name: str
    kind: str
    labels: tuple[Label, ...]
    bounds: tuple[int, ...]

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels with the default settings."""
        return tuple(label.name for label in self.labels)

    @property
    def each(self) -> int:
        """The number of series for one combination of label values."""
        return len(self.bounds) + BEYOND_BOUNDS if self.bounds else 1


@cache
def tables() -> dict[str, Any]:
    done = subprocess.run(COMMAND, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


@cache
def families() -> dict[str, Family]:
    """Every family by its name."""
    found = {}
    for row in tables()["families"]:
        labels = tuple(Label(label["name"], tuple(label["values"]), label["budget"], label["optional"]) for label in row["labels"])
        found[row["name"]] = Family(row["name"], row["kind"], labels, tuple(row["bounds"]))
    return found


def label_values() -> dict[str, tuple[str, ...]]:
    """The values of each closed set, by the name of its type in the core."""
    return {name: tuple(values) for name, values in tables()["label_values"].items()}


def limits() -> dict[str, int]:
    """The defaults of `limits`."""
    return {name: limit["default"] for name, limit in tables()["limits"].items()}


def budgets() -> dict[str, int]:
    """The default of each budget. `unconfirmed` is for names that no server confirmed."""
    return tables()["budgets"]


def initial_series(semconv: bool = False) -> dict[str, list[dict[str, str]]]:
    """The labels of the initial series of one server, without `server_name`, by family."""
    initial = tables()["initial_series"]
    return by_family(initial["plugin"] + initial["server_with_semconv" if semconv else "server"])


def initial_series_of_name(budget: str, name: str) -> dict[str, list[dict[str, str]]]:
    """The labels of the initial series of a name under a budget, without `server_name`, by family."""
    found = by_family(tables()["initial_series"]["name"][budget])
    return {family: [labels | {budget: name} for labels in series] for family, series in found.items()}


def by_family(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        labels = {label: value for label, value in row["labels"].items() if label != "server_name"}
        found.setdefault(row["family"], []).append(labels)
    return found
