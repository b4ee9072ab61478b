"""Every spelling of a secret in every place, and the outputs in which each must be found while the sanitizer is off."""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from harness.backend import Backend
from harness.pipeline import Collector

from .otlp import ATTRIBUTES, BUILDERS, IN_PROMETHEUS, SIGNALS
from .spellings import DELETED, MASKED

MARK = re.compile(r"(?:canary|keeper)[0-9]{6}x")
NAMED = re.compile(r'"key":"([^"]*)"')
# From the first record of a scope to the text after the last one.
RECORDS = re.compile(r'"logRecords":.*?"schemaUrl"')
OTLP, PROMETHEUS, LOG = "otlp", "prometheus", "log of the collector"


@dataclass(frozen=True)
class Canary:
    """A secret. `reaches`: the outputs that contain it without the sanitizer. With the sanitizer none does."""

    mark: str
    what: str
    place: str
    reaches: frozenset[str]


@dataclass
class Flock:
    """Documents to send, their canaries, and the keepers: data that is no secret and must arrive."""

    documents: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {signal: [] for signal in SIGNALS})
    canaries: list[Canary] = field(default_factory=list)
    keepers: list[Canary] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def put(self, kind: list[Canary], what: str, signal: str, place: str) -> str:
        """Returns a new mark, and adds it to the canaries or the keepers."""
        name = "keeper" if kind is self.keepers else "canary"
        reaches = {OTLP} | ({PROMETHEUS} if (signal, place) in IN_PROMETHEUS else set())
        kind.append(Canary(f"{name}{next(self.numbers):06}x", what, f"{place} of {signal}", frozenset(reaches)))
        return kind[-1].mark

    def release(self, what: str, attributes: Callable[[str], dict[str, Any]], text: str) -> None:
        """Adds one document of each signal, with `attributes` in every place for attributes, and `text` in every place for text."""
        for signal, build in BUILDERS.items():

            def fill(place: str, signal: str = signal) -> dict[str, Any] | str:
                keeper = self.put(self.keepers, what, signal, place)
                if place in ATTRIBUTES[signal]:
                    return {"ordinary": keeper} | attributes(self.put(self.canaries, what, signal, place))
                return f"{keeper} {spell(text, self.put(self.canaries, what, signal, place))}" if text else keeper

            self.documents[signal].append(build(next(self.numbers), fill))

    def expected(self, output: str) -> set[str]:
        """The marks of canaries that this output contains without the sanitizer."""
        return {canary.mark for canary in self.canaries if output in canary.reaches}

    def kept(self, output: str) -> set[str]:
        return {keeper.mark for keeper in self.keepers if output in keeper.reaches}

    def without(self, place: str) -> "Flock":
        """The same flock without the canaries of a place."""
        return replace(self, canaries=[canary for canary in self.canaries if canary.place != place])

    def named(self, marks: set[str]) -> list[str]:
        """A description of marks, for error messages."""
        return [f"{canary.what!r} in {canary.place}" for canary in [*self.canaries, *self.keepers] if canary.mark in marks]


def spell(text: str, mark: str) -> str:
    """The text with the mark, which is in capitals if the text is."""
    return text.format(mark.upper() if text.isupper() else mark)


def everything(nested: int = len(MASKED)) -> Flock:
    """All spellings of this package, and the texts also in a list and in a map."""
    flock = Flock()
    for name in DELETED:
        flock.release(name, lambda mark, name=name: {name: mark}, "")
    for text in MASKED:
        flock.release(text, lambda mark, text=text: {"detail": spell(text, mark)}, text)
    for text in MASKED[:nested]:
        flock.release(text, lambda mark, text=text: {"detail": ["first", spell(text, mark)]}, "")
        flock.release(text, lambda mark, text=text: {"detail": {"inner": {"text": spell(text, mark)}}}, "")
    return flock


def persons() -> Flock:
    """Ids that become hashes, with separate marks. An id deep in a body is not recognized."""
    flock = Flock(numbers=itertools.count(500_000))
    for name in ("user.id", "user.account_uuid"):
        flock.release(name, lambda mark, name=name: {name: mark}, "")
        outer, inner = name.split(".")
        flock.release(f"{name} in a map", lambda mark, outer=outer, inner=inner: {outer: {inner: mark}}, "")
    return flock.without("deep body of logs")


def names_left(text: str) -> set[str]:
    """Names that must be removed. In bodies of log records they stay, with a masked value."""
    return set(NAMED.findall(RECORDS.sub("", text))) & set(DELETED)


def marks(text: str) -> set[str]:
    return set(MARK.findall(text.lower()))


def outputs(collector: Collector, backend: Backend) -> dict[str, set[str]]:
    """The marks in all outputs of the collector."""
    # A line that is incomplete is read later: its canary may follow its keeper.
    exported = backend.output.read_text(encoding="utf-8").rpartition("\n")[0] if backend.output.exists() else ""
    pages = collector.page() + collector.page("own")
    return {OTLP: marks(exported), PROMETHEUS: marks(pages), LOG: marks(collector.log.read_text(encoding="utf-8"))}
