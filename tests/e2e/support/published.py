"""The names and definitions that the server has listed so far."""

import json
import re
from collections import Counter
from typing import Any

from .messages import Part

# For each list: the member of the result, and the member with an item's name.
NAMES = {
    "tools/list": ("tools", "name"),
    "resources/list": ("resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
    "prompts/list": ("prompts", "name"),
}
EXPRESSION = re.compile(r"\{([^}]*)\}")
MOST_DEFINITIONS = 4


class Published:
    """The lists of one server, which all workers share."""

    def __init__(self) -> None:
        self.uris: set[str] = set()
        self.templates: dict[str, re.Pattern] = {}
        self.definitions: dict[tuple[str, str], dict[str, list[str]]] = {}

    def learn(self, parts: list[Part]) -> None:
        """Adds the resources and templates of list results."""
        for part in parts:
            result = part.value.get("result") if part.value else None
            if not isinstance(result, dict):
                continue
            for item in entries(result, "resources", "uri"):
                self.uris.add(item["uri"])
            for item in entries(result, "resourceTemplates", "uriTemplate"):
                self.templates[item["uriTemplate"]] = pattern(item["uriTemplate"])

    def name(self, uri: str) -> str:
        """The listed resource, or the listed template that it matches; empty if there is none."""
        if uri in self.uris:
            return uri
        return next((template for template, form in self.templates.items() if form.fullmatch(uri)), "")

    def changes(self, method: str, revision: str, items: list[Any]) -> Counter[str]:
        """The changes of this list, compared with all earlier ones. The first list has none."""
        member, naming = NAMES[method]
        found = {item[naming]: json.dumps(item) for item in entries({member: items}, member, naming)}
        known = self.definitions.setdefault((method, revision), {})
        first = not known
        changes: Counter[str] = Counter()
        for name, definition in found.items():
            if name not in known:
                changes["added"] += not first
            elif definition not in known[name] and len(known[name]) <= MOST_DEFINITIONS:
                changes["changed" if len(known[name]) < MOST_DEFINITIONS else "varies"] += 1
            if definition not in known.setdefault(name, []):
                known[name].append(definition)
        return changes


def entries(result: dict, member: str, naming: str) -> list[dict]:
    items = result.get(member)
    items = items if isinstance(items, list) else []
    return [item for item in items if isinstance(item, dict) and isinstance(item.get(naming), str)]


def pattern(template: str) -> re.Pattern:
    """A regular expression for the URIs of a template."""
    parts = EXPRESSION.split(template)
    return re.compile("".join(expression(part) if place % 2 else re.escape(part) for place, part in enumerate(parts)))


def expression(text: str) -> str:
    """The regular expression of one expression: within a segment, or with `+` or `*` across segments. Query and fragment are optional."""
    if text[:1] in ("?", "&", "#"):
        return "(?:[?&#].*)?"
    value = ".+" if "*" in text or text[:1] == "+" else "[^/]+"
    if text[:1] not in ("/", ".", ";"):
        return value
    return f"(?:{re.escape(text[0])}{value})" + ("?" if "*" in text else "")
