"""The tools that a server listed: the sizes of their definitions, and calls of tools that are not listed."""

import json
import re
from typing import Any

from .messages import Part, bytes_of

KEPT_LISTS = 4
DECODER = json.JSONDecoder()
BEGIN = re.compile(r'"tools"\s*:\s*\[\s*')
NEXT = re.compile(r"\s*,?\s*")


class ToolLists:
    """The lists of one server in the order in which they came."""

    def __init__(self) -> None:
        # The latest first.
        self.complete: list[set[str]] = []
        # The names in all complete lists, since the caller emptied it.
        self.seen: set[str] = set()
        self.awaited: Any = None
        self.names: set[str] = set()
        self.sizes: dict[str, int] = {}

    def page(self, cursor: str | None, answer: Part) -> dict[str, int]:
        """Adds a page. Returns the sizes that changed; 0 for a tool that the list lacks."""
        items = definitions(answer)
        next_cursor = answer.value["result"].get("nextCursor") or None
        is_next = cursor is None or cursor == self.awaited
        self.names = set(items) | (self.names if cursor is not None else set())
        self.awaited = next_cursor if is_next else None
        new = self.sizes | items
        if is_next and next_cursor is None:
            self.seen |= self.names
            self.complete = [self.names, *(names for names in self.complete if names != self.names)][:KEPT_LISTS]
            new = {name: size if name in self.names else 0 for name, size in new.items()}
        changed = {name: size for name, size in new.items() if size != self.sizes.get(name)}
        self.sizes = new
        return changed

    def lack(self, name: str) -> bool:
        return lack(self.complete, name)


def lack(lists: list[set[str]], name: str) -> bool:
    return bool(lists) and not any(name in names for names in lists)


def definitions(answer: Part) -> dict[str, int]:
    """The bytes of each definition in the text of a list result."""
    begin, sizes = BEGIN.search(answer.text), {}
    at = begin.end() if begin else len(answer.text)
    while at < len(answer.text) and answer.text[at] != "]":
        item, end = DECODER.raw_decode(answer.text, at)
        sizes.setdefault(item["name"], bytes_of(answer.text[at:end]))
        at = NEXT.match(answer.text, end).end()
    return sizes
