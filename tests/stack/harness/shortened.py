"""The repository's rules with all durations divided, so that tests take seconds instead of minutes.

Windows, `for` and the intervals of groups are divided by the same number. Thresholds and names do not change, not even "5m" in a name.
"""

import re
from pathlib import Path

import yaml
from vocabulary import RULES

FACTOR = 20
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
WINDOW = re.compile(r"\[(\w+)\]")


def shorter(duration: str) -> str:
    """Divides a duration of one number and one unit."""
    whole = re.fullmatch(r"(\d+)([smhd])", duration)
    if whole is None:
        raise ValueError(f"{duration!r} is not one number with one of the units s, m, h, d")
    milliseconds = int(whole[1]) * SECONDS[whole[2]] * 1000 // FACTOR
    return f"{milliseconds}ms"


def shortened(rules: dict) -> dict:
    """A rule file's content with short durations."""
    for group in rules["groups"]:
        if "interval" in group:
            group["interval"] = shorter(group["interval"])
        for rule in group["rules"]:
            if "offset" in rule["expr"]:
                raise ValueError(f"{rule['expr']}: an offset would have to shrink too")
            rule["expr"] = WINDOW.sub(lambda found: f"[{shorter(found[1])}]", rule["expr"])
            for field in ("for", "keep_firing_for"):
                if field in rule:
                    rule[field] = shorter(rule[field])
    return rules


def write_shortened(directory: Path) -> None:
    """Writes them to the place from which Prometheus reads its rules."""
    for file in sorted(RULES.glob("*.yml")):
        rules = shortened(yaml.safe_load(file.read_text(encoding="utf-8")))
        (directory / file.name).write_text(yaml.safe_dump(rules, sort_keys=False), encoding="utf-8")
