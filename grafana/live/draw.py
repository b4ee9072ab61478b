"""Draws the dashboard's panels with the data of their queries, without Grafana.

It follows the file's positions, colors, units, thresholds and texts. It is not Grafana: fonts, axes and spacing are
Matplotlib's.
"""

import re
import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.dates as dates
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

import board
from answers import Line, Source
from units import written

DPI = 100
# Of Grafana's grid: 24 columns; a row has 30 pixels and 8 between.
COLUMN, ROW, GAP, MARGIN = 66, 38, 8, 12
PAGE, PANEL, FRAME, TEXT, DIM = "#111217", "#181b1f", "#2c3235", "#ccccdc", "#8e8e9c"
COLORS = {"green": "#73bf69", "yellow": "#f2cc0c", "red": "#f2495c", "blue": "#5794f2", "transparent": "#00000000"}
PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a",
           "#447ebc", "#c15c17", "#890f02", "#0a437c"]
# Matplotlib counts time in days.
DAY = 86400
# Grafana gives a legend below a graph a third of the panel.
LEGEND_ROWS = 4


class Canvas:
    """A figure that is addressed in pixels from the top left."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAGE)

    def box(self, x: float, y: float, width: float, height: float, color: str, frame: str) -> None:
        self.figure.add_artist(FancyBboxPatch(
            (x / self.width, 1 - (y + height) / self.height), width / self.width, height / self.height,
            boxstyle="square,pad=0", facecolor=color, edgecolor=frame, linewidth=0.8,
            # Below the axes, which are at 0.
            zorder=-1, transform=self.figure.transFigure))

    def text(self, x: float, y: float, words: str, size: float = 8, color: str = TEXT, **more) -> None:
        self.figure.text(x / self.width, 1 - y / self.height, words, fontsize=size, color=color, va="center", **more)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        axes = self.figure.add_axes((x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height))
        axes.set_facecolor(PANEL)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(colors=DIM, labelsize=7, length=0)
        return axes


class Panel:
    """One panel on the canvas: its position, and the looks that its file sets."""

    def __init__(self, canvas: Canvas, panel: dict, top: int) -> None:
        grid = panel["gridPos"]
        self.canvas, self.panel = canvas, panel
        self.x, self.y = MARGIN + grid["x"] * COLUMN, top
        self.width, self.height = grid["w"] * COLUMN - GAP, grid["h"] * ROW - GAP
        self.defaults = panel["fieldConfig"]["defaults"]
        self.unit, self.decimals = self.defaults.get("unit", "short"), self.defaults.get("decimals")

    def draw(self, source: Source) -> bool:
        """Draws the panel; returns whether it had data."""
        self.canvas.box(self.x, self.y, self.width, self.height, PANEL, FRAME)
        self.canvas.text(self.x + 10, self.y + 16, self.panel["title"], 9, weight="bold")
        match self.panel["type"]:
            case "table":
                return self.table(*source.table(self.panel))
            case "timeseries":
                return self.graph(source.lines(self.panel), source)
            case "stat":
                return self.number(source.lines(self.panel))
            case "bargauge":
                return self.bars(source.lines(self.panel))
            case "state-timeline":
                return self.states(source.lines(self.panel), source)
        raise ValueError(f"{self.panel['title']}: panels of type {self.panel['type']} are not drawn")

    def nothing(self) -> bool:
        self.canvas.text(self.x + self.width / 2, self.y + self.height / 2 + 8, self.defaults["noValue"], 10, DIM, ha="center")
        return False

    def say(self, value: float) -> str:
        return written(value, self.unit, self.decimals)

    def graph(self, lines: list[Line], source: Source) -> bool:
        if not lines:
            return self.nothing()
        lines.sort(key=lambda line: line.highest, reverse=True)
        legend = min(len(lines), LEGEND_ROWS + 1) * 15 + 17
        axes = self.canvas.axes(self.x + 62, self.y + 34, self.width - 74, self.height - 62 - legend)
        custom = self.defaults["custom"]
        drawn = self.stack(axes, lines) if custom.get("stacking") else self.plot(axes, lines)
        axes.set_xlim(source.begin / DAY, source.end / DAY)
        axes.xaxis.set_major_locator(dates.AutoDateLocator(minticks=3, maxticks=6))
        axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: self.say(value)))
        axes.grid(color=FRAME, linewidth=0.6)
        self.limit(axes, custom)
        self.legend(drawn, self.y + self.height - legend + 2)
        return True

    def plot(self, axes: Axes, lines: list[Line]) -> list[tuple[Line, str]]:
        drawn = []
        for index, line in enumerate(lines):
            color = self.color(line.name, index)
            moments = [time / DAY for time, _ in line.points]
            values = [value for _, value in line.points]
            axes.plot(moments, values, color=color, linewidth=1.1, solid_capstyle="round")
            axes.fill_between(moments, values, color=color, alpha=0.07, linewidth=0)
            drawn.append((line, color))
        axes.set_ylim(0, max(line.highest for line in lines) * 1.1 or 1)
        return drawn

    def stack(self, axes: Axes, lines: list[Line]) -> list[tuple[Line, str]]:
        moments = sorted({time for line in lines for time, _ in line.points})
        below = [0.0] * len(moments)
        drawn = []
        for index, line in enumerate(lines):
            color, values = self.color(line.name, index), dict(line.points)
            above = [low + values.get(time, 0.0) for low, time in zip(below, moments, strict=True)]
            axes.fill_between([time / DAY for time in moments], below, above, color=color, alpha=0.45, linewidth=0.8)
            drawn.append((line, color))
            below = above
        axes.set_ylim(0, max(below) * 1.1 or 1)
        return drawn

    def limit(self, axes: Axes, custom: dict) -> None:
        """Draws the alert's threshold, if it is in the visible range or close to it."""
        if custom.get("thresholdsStyle", {}).get("mode") != "dashed":
            return
        for step in self.defaults["thresholds"]["steps"]:
            if step["value"] is not None:
                axes.axhline(step["value"], color=COLORS.get(step["color"], step["color"]), linewidth=1, linestyle=(0, (6, 4)))

    def legend(self, drawn: list[tuple[Line, str]], top: float) -> None:
        right = self.x + self.width
        for place, name in ((right - 90, "Last"), (right - 12, "Max")):
            self.canvas.text(place, top, name, 7, COLORS["blue"], ha="right")
        for index, (line, color) in enumerate(drawn[:LEGEND_ROWS]):
            y = top + 15 * (index + 1)
            self.canvas.text(self.x + 12, y, "━", 8, color)
            self.canvas.text(self.x + 30, y, textwrap.shorten(line.name, int(self.width / 9), placeholder="…"), 7.5)
            self.canvas.text(right - 90, y, self.say(line.last), 7.5, ha="right")
            self.canvas.text(right - 12, y, self.say(line.highest), 7.5, ha="right")
        if len(drawn) > LEGEND_ROWS:
            self.canvas.text(self.x + 30, top + 15 * (LEGEND_ROWS + 1), f"and {len(drawn) - LEGEND_ROWS} more below", 7, DIM)

    def number(self, lines: list[Line]) -> bool:
        if not lines:
            return self.nothing()
        line = lines[0]
        text, color = mapped(self.defaults, line.last) or (self.say(line.last), self.threshold(self.defaults, line.last))
        if self.panel["options"]["colorMode"] == "background":
            self.canvas.box(self.x, self.y, self.width, self.height, COLORS.get(color, color) + "66", FRAME)
            self.canvas.text(self.x + 10, self.y + 16, self.panel["title"], 9, weight="bold")
        axes = self.canvas.axes(self.x + 1, self.y + self.height * 0.66, self.width - 2, self.height * 0.33)
        axes.set_axis_off()
        axes.fill_between([time for time, _ in line.points], [value for _, value in line.points], color=TEXT, alpha=0.15)
        axes.set_ylim(0, line.highest * 1.05 or 1)
        self.canvas.text(self.x + self.width / 2, self.y + self.height * 0.5, text, 21, "white", ha="center", weight="bold")
        return True

    def bars(self, lines: list[Line]) -> bool:
        if not lines:
            return self.nothing()
        pitch = min(30.0, (self.height - 44) / len(lines))
        longest = max(line.last for line in lines) or 1
        for index, line in enumerate(lines):
            y = self.y + 44 + pitch * index
            name = self.width * 0.34
            self.canvas.text(self.x + name, y, line.name, 8, ha="right")
            self.canvas.box(self.x + name + 8, y - pitch * 0.3, (self.width * 0.46) * line.last / longest + 2, pitch * 0.6,
                            COLORS["blue"], COLORS["blue"])
            self.canvas.text(self.x + name + 18 + (self.width * 0.46) * line.last / longest, y, self.say(line.last), 8, TEXT)
        return True

    def states(self, lines: list[Line], source: Source) -> bool:
        if not lines:
            return self.nothing()
        pitch = min(44.0, (self.height - 70) / len(lines))
        for index, line in enumerate(lines):
            y = self.y + 40 + pitch * index
            self.canvas.text(self.x + 12, y + pitch * 0.4, line.name, 8)
            left, width = self.x + self.width * 0.33, self.width * 0.65
            for time, value in line.points:
                _, color = mapped(self.defaults, value) or ("", DIM)
                share = (time - source.begin) / (source.end - source.begin)
                step = source.step / (source.end - source.begin)
                self.canvas.box(left + max(0, share - step) * width, y, step * width + 0.5, pitch * 0.75, COLORS[color], COLORS[color])
        found = {mapped(self.defaults, value) for line in lines for _, value in line.points}
        self.canvas.text(self.x + 12, self.y + self.height - 16, "   ".join(sorted(text for text, _ in found if text)), 8, DIM)
        return True

    def table(self, columns: list[str], rows: list[dict]) -> bool:
        if not rows:
            return self.nothing()
        looks = {override["matcher"]["options"]: {one["id"]: one["value"] for one in override["properties"]}
                 for override in self.panel["fieldConfig"]["overrides"]}
        fixed = {name: looks[name]["custom.width"] for name in columns if "custom.width" in looks[name]}
        rest = (self.width - 20 - sum(fixed.values())) / max(1, len(columns) - len(fixed))
        x = self.x + 10.0
        fitting = int((self.height - 52) / 27)
        for name in columns:
            width = fixed.get(name, rest)
            numeric = "unit" in looks[name]
            place, side = (x + width - 10, "right") if numeric else (x + 4, "left")
            self.canvas.text(place, self.y + 40, name, 8, COLORS["blue"], ha=side)
            for index, row in enumerate(rows[:fitting]):
                self.cell(row.get(name), looks[name], (x, self.y + 52 + 27 * index, width), (place, side))
            x += width
        if len(rows) > fitting:
            self.canvas.text(self.x + self.width - 10, self.y + 16, f"{len(rows) - fitting} more rows below", 7, DIM, ha="right")
        return True

    def cell(self, value: object, looks: dict, area: tuple[float, float, float], anchor: tuple[float, str]) -> None:
        x, y, width = area
        words, color = str(value or ""), "transparent"
        if isinstance(value, float):
            known = mapped(looks, value)
            words, color = known or (written(value, looks["unit"], looks.get("decimals")), self.threshold(looks, value))
        if color != "transparent":
            self.canvas.box(x + 2, y + 2, width - 4, 23, COLORS.get(color, color) + "88", PANEL)
        self.canvas.text(anchor[0], y + 14, words, 8.5, COLORS["blue"] if looks.get("links") else TEXT, ha=anchor[1])

    def threshold(self, looks: dict, value: float) -> str:
        """The color of the last threshold that a value reaches."""
        steps = looks.get("thresholds", {}).get("steps", [])
        reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
        return reached[-1] if reached else "transparent"

    def color(self, name: str, index: int) -> str:
        """A series' color: the one that an override gives it, else the palette's next."""
        for override in self.panel["fieldConfig"]["overrides"]:
            if override["matcher"]["id"] == "byRegexp" and re.search(override["matcher"]["options"], name):
                chosen = override["properties"][0]["value"]["fixedColor"]
                return COLORS.get(chosen, chosen)
        return PALETTE[index % len(PALETTE)]


def mapped(looks: dict, value: float) -> tuple[str, str] | None:
    """Text and color that stand for a value."""
    for mapping in looks.get("mappings", []):
        if found := mapping["options"].get(f"{value:g}"):
            return found["text"], found["color"]
    return None


def within(panels: list[dict], rows: int) -> list[dict]:
    """The panels that end within so many rows of the grid."""
    first = min(panel["gridPos"]["y"] for panel in panels)
    return [panel for panel in panels if panel["gridPos"]["y"] + panel["gridPos"]["h"] - first <= rows]


def draw(dashboard: dict, source: Source, wanted: list[str], rows: int, file: Path, caption: str) -> list[str]:
    """Draws the sections with these titles, or all, and of each so many rows of the grid; returns the titles of panels that
    had nothing to show."""
    chosen = [(row, within(panels, rows)) for row, panels in board.sections(dashboard) if not wanted or row["title"] in wanted]
    height = 2 * MARGIN + 44
    for _, panels in chosen:
        first = min(panel["gridPos"]["y"] for panel in panels)
        height += 34 + (max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) - first) * ROW
    canvas = Canvas(24 * COLUMN + 2 * MARGIN - GAP, height)
    canvas.text(MARGIN, 26, dashboard["title"], 15, weight="bold")
    canvas.text(canvas.width - MARGIN, 26, caption, 8, DIM, ha="right")
    top, empty = 50, []
    for row, panels in chosen:
        canvas.text(MARGIN, top + 16, f"▾ {row['title']}", 11, weight="bold")
        top += 34
        first = min(panel["gridPos"]["y"] for panel in panels)
        for panel in panels:
            if not Panel(canvas, panel, top + (panel["gridPos"]["y"] - first) * ROW).draw(source):
                empty.append(panel["title"])
        top += (max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) - first) * ROW
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.figure.savefig(file, dpi=DPI, facecolor=to_rgba(PAGE))
    # Few colors, and a page of text needs no more.
    with Image.open(file) as image:
        image.convert("RGB").quantize(96).save(file, optimize=True)
    return empty
