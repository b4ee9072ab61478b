"""The canaries detect each change of the sanitizer: without one of its lines, or without one alternative of its patterns.

Each variant runs in a separate collector, which receives all canaries. A variant is detected if the collector does not start, if a
canary leaves it, or if ordinary data is missing. All variants must be detected.
"""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import parts
import yaml

from harness.http import post
from harness.pipeline import DEADLINE, Collector
from privacy import otlp
from privacy.canaries import OTLP, Flock, everything, marks, names_left, persons
from privacy.otlp import ATTRIBUTES, BUILDERS, SIGNALS, TEXTS
from support.processes import wait_for

SANITIZER = (parts.COLLECTOR / "sanitize.yaml").read_text(encoding="utf-8")
# The collector writes its output to a file.
TO_FILE = """
exporters:
  file:
    path: {output}
    flush_interval: 50ms
service:
  pipelines:
    metrics/received: {{exporters: [file]}}
    traces: {{exporters: [file]}}
    logs: {{exporters: [file]}}
"""
NEVER = "[^[:ascii:][:^ascii:]]"
# Lines without effect in this test: no statement fails on valid OTLP data.
UNNOTICED = {"error_mode: propagate"}
LAST = "the last of a signal"
AT_ONCE = 3


def lines() -> Iterator[tuple[str, str]]:
    """Variants of the file, each without one line."""
    everything = SANITIZER.splitlines(keepends=True)
    for number, line in enumerate(everything):
        if line.strip() and not line.strip().startswith("#"):
            yield f"line {number + 1}: {line.strip()}", "".join(everything[:number] + everything[number + 1:])


def alternatives() -> Iterator[tuple[str, str]]:
    """Variants of the file, each without one alternative of a pattern, in all copies of the pattern."""
    redaction = yaml.safe_load(SANITIZER)["processors"]["redaction/sanitize"]
    joined = re.sub(r"\\\n *", "", SANITIZER)
    for pattern in (*redaction["blocked_key_patterns"], *redaction["blocked_values"]):
        for alternative in split(pattern.removeprefix("(?i)")):
            rest = pattern.replace(alternative, NEVER, 1)
            yield f"alternative {alternative}", joined.replace(pattern, rest)


def split(pattern: str) -> list[str]:
    """Splits a pattern at each | outside of groups."""
    found, depth = [""], 0
    for character in pattern:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "|" and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return found


class Variant(Collector):
    """A collector with another sanitizer, which `fly` starts."""

    def __init__(self, directory: Path, sanitizer: str) -> None:
        directory.mkdir()
        self.output = directory / "output.json"
        (directory / "sanitize.yaml").write_text(sanitizer, encoding="utf-8")
        (directory / "file.yaml").write_text(TO_FILE.format(output=self.output), encoding="utf-8")
        super().__init__(directory, [], config=directory / "file.yaml")
        own = f"--config={directory / 'sanitize.yaml'}"
        self.command = [own if part.endswith("/sanitize.yaml") else part for part in self.command]

    def start(self) -> None:
        """Does nothing; `fly` starts the collector."""

    def fly(self, flocks: list[Flock], requests: list[tuple[str, bytes]]) -> str:
        """Returns what was detected; empty if nothing is wrong."""
        try:
            super().start()
        except AssertionError:
            return "does not start"
        try:
            for signal, body in requests:
                if post(self.url("otlp_http", f"/v1/{signal}"), body, "application/json") != 200:
                    return f"refuses {signal}"
            # The order within each signal does not change.
            wait_for("the last", lambda: complete(self.output), DEADLINE)
            text = self.output.read_text(encoding="utf-8")
        finally:
            self.process.stop()
            # The output has megabytes for each variant.
            self.output.unlink(missing_ok=True)
        found = marks(text)
        left = [f"{name} stays" for name in names_left(text)]
        return "; ".join(filter(None, [*(verdict(flock, found) for flock in flocks), verdict_on_extras(text), *left]))


def complete(file: Path) -> bool:
    """Whether the file has the last document of each signal, with its line end."""
    written = file.read_bytes() if file.exists() else b""
    return written.count(LAST.encode()) == sum(map(len, TEXTS.values())) and written.endswith(b"\n")


def extras() -> dict[str, list[dict]]:
    """Data that a flock does not have: links, metadata, and the last document of each signal."""
    def fill(place: str) -> dict[str, str] | str:
        return {} if any(place in places for places in ATTRIBUTES.values()) else LAST

    documents = {signal: build(0, fill) for signal, build in BUILDERS.items()}
    link = {"traceId": f"{1:032x}", "spanId": f"{1:016x}", "attributes": otlp.attributes({"note": "secret of a link"})}
    documents["traces"]["scopeSpans"][0]["spans"][0]["links"] = [link]
    documents["metrics"]["scopeMetrics"][0]["metrics"][0]["metadata"] = otlp.attributes({"note": "secret of a metric"})
    return {signal: [document] for signal, document in documents.items()}


def verdict_on_extras(text: str) -> str:
    if "secret of" in text:
        return "a link or metadata comes out"
    return "" if '"droppedLinksCount":1' in text else "a link is not counted"


def verdict(flock: Flock, found: set[str]) -> str:
    out = flock.named(flock.expected(OTLP) & found)
    missing = flock.named(flock.kept(OTLP) - found)
    return ", ".join([*(f"{name} comes out" for name in out[:2]), *(f"{name} is missing" for name in missing[:2])])


def test_every_line_and_alternative_is_needed(tmp_path: Path) -> None:
    flocks = [everything(nested=2), persons()]
    requests = [(signal, json.dumps({SIGNALS[signal]: resources}).encode())
                for documents in (*(flock.documents for flock in flocks), extras()) for signal, resources in documents.items()]
    named = [("as it is", SANITIZER), *lines(), *alternatives()]
    variants = [Variant(tmp_path / f"variant-{number}", text) for number, (_, text) in enumerate(named)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        noticed = list(pool.map(lambda variant: variant.fly(flocks, requests), variants))
    report = {name: what for (name, _), what in zip(named, noticed, strict=True)}
    (tmp_path / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    assert not report.pop("as it is")
    silent = {name for name, what in report.items() if not what}
    assert {re.sub(r"^line \d+: ", "", name) for name in silent} == UNNOTICED
