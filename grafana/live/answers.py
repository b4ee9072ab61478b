"""Prometheus' answers to a panel's queries, in the form that the kind of panel shows: lines, or rows of a table."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import board

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts/pipeline"))

import prometheus


@dataclass
class Line:
    """One series over time; no value is a gap."""

    name: str
    points: list[tuple[float, float]] = field(default_factory=list)

    @property
    def last(self) -> float:
        return self.points[-1][1]

    @property
    def highest(self) -> float:
        return max(value for _, value in self.points)


class Source:
    """A Prometheus, queried for one time range with one step."""

    def __init__(self, url: str, dashboard: dict, end: float, range_seconds: float, scrape_seconds: float) -> None:
        self.url, self.end, self.begin = url, end, end - range_seconds
        # Grafana requests about one point per pixel, and at most one per scrape.
        self.step = max(scrape_seconds, range_seconds / 400)
        self.values = board.variables(dashboard) | board.times(scrape_seconds, self.step, range_seconds)

    def ask(self, target: board.Target) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """The series of one query: labels and points; an instant query has one point."""
        expression = board.filled(target.expression, self.values)
        if target.instant:
            found = prometheus.get(self.url, "query", query=expression, time=str(self.end))["result"]
            return [(one["metric"], _points([one["value"]])) for one in found]
        found = prometheus.get(self.url, "query_range", query=expression, start=str(self.begin), end=str(self.end),
                               step=str(self.step))["result"]
        return [(one["metric"], _points(one["values"])) for one in found]

    def lines(self, panel: dict) -> list[Line]:
        """The series of a panel by their legends."""
        return [Line(legend(target, labels), points)
                for target in board.targets(panel) for labels, points in self.ask(target) if points]

    def table(self, panel: dict) -> tuple[list[str], list[dict[str, object]]]:
        """Columns and rows, merged by their labels and sorted, as the panel's transformations say."""
        organize = next(step["options"] for step in panel["transformations"] if step["id"] == "organize")
        order = sorted(organize["indexByName"], key=organize["indexByName"].__getitem__)
        columns = [organize["renameByName"].get(name, name) for name in order]
        merged: dict[tuple, dict[str, object]] = {}
        for target in board.targets(panel):
            name = organize["renameByName"][f"Value #{target.reference}"]
            for labels, points in self.ask(target):
                row = merged.setdefault(tuple(sorted(labels.items())), dict(labels))
                row[name] = points[-1][1]
        [by] = panel["options"]["sortBy"]
        rows = sorted(merged.values(), key=lambda row: float(row.get(by["displayName"], 0)), reverse=by["desc"])
        return columns, rows


def legend(target: board.Target, labels: dict[str, str]) -> str:
    """A series' name."""
    if target.legend == "__auto":
        return ", ".join(labels.values()) or target.reference
    name = target.legend
    for label, value in labels.items():
        name = name.replace("{{" + label + "}}", value)
    return name


def _points(values: list) -> list[tuple[float, float]]:
    found = [(float(time), float(value)) for time, value in values]
    return [(time, value) for time, value in found if value == value]
