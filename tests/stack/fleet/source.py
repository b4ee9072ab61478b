"""The filter's own tables, read where they stand: its families and the sets of label values that are closed.

Not a parser of Rust: it reads the two files by their shape, and raises where that shape is gone.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "filter" / "observe" / "src"
BOUNDS = re.compile(r"^pub const (\w+_BOUNDS): &\[u64\] = &\[(.*?)\];", re.DOTALL | re.MULTILINE)
FAMILY = re.compile(r'^ {4}\w+ (Counter|Gauge|Histogram) "(\w+)"\s+\[([^\]]*)\] (\S+),', re.MULTILINE)
CLOSED = re.compile(r"^closed! \{\n(?: +///[^\n]*\n)* +(\w+) \{\n(.*?)^ {4}\}", re.DOTALL | re.MULTILINE)
VALUE = re.compile(r'\w+ = "([^"]*)",')
# A histogram's series beside its bounds: the bucket +Inf, the sum and the count.
BEYOND_BOUNDS = 3


@dataclass(frozen=True)
class Family:
    """`bounds` is how many a histogram has, 0 for the other kinds."""

    name: str
    labels: tuple[str, ...]
    bounds: int

    @property
    def each(self) -> int:
        """Series for one combination of label values."""
        return self.bounds + BEYOND_BOUNDS if self.bounds else 1


def families() -> dict[str, Family]:
    """Every family by its name on the sidecar's page."""
    text = (SOURCE / "family.rs").read_text(encoding="utf-8")
    bounds = {name: len(numbers.strip(", \n").split(",")) for name, numbers in BOUNDS.findall(text)}
    found = {}
    for kind, name, labels, bound in FAMILY.findall(text):
        count = bounds[bound.removeprefix("&")] if kind == "Histogram" else 0
        found[name] = Family(name, tuple(re.findall(r'"(\w+)"', labels)), count)
    shown = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    if list(found) != [name for name in shown if name.startswith("mcp_")]:
        raise ValueError("family.rs is not read as docs/metrics.md shows it")
    return found


def limits() -> dict[str, int]:
    """The defaults of `limits`, and the places for names that no answer confirmed."""
    text = (SOURCE / "config.rs").read_text(encoding="utf-8")
    [body] = re.findall(r"^ {12}limits: Limits \{\n(.*?)^ {12}\}", text, re.DOTALL | re.MULTILINE)
    [unconfirmed] = re.findall(r"const UNCONFIRMED: u16 = (\d+);", (SOURCE / "names.rs").read_text(encoding="utf-8"))
    return {name: int(number) for name, number in re.findall(r"(\w+): (\d+),", body)} | {"unconfirmed": int(unconfirmed)}


def closed() -> dict[str, tuple[str, ...]]:
    """The values of every closed set, by its name in closed.rs."""
    text = (SOURCE / "closed.rs").read_text(encoding="utf-8")
    found = {name: tuple(VALUE.findall(body)) for name, body in CLOSED.findall(text)}
    if len(found) != len(re.findall(r"^closed! \{", text, re.MULTILINE)) or not all(found.values()):
        raise ValueError("closed.rs is not read whole")
    return found
