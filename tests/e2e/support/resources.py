"""The label of a resource: as the server listed it, or the listed template that it matches, else its scheme."""

import re

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


class Listed:
    """What the server listed so far."""

    def __init__(self) -> None:
        self.uris: set[str] = set()
        self.templates: dict[str, re.Pattern[str]] = {}

    def copy(self) -> "Listed":
        other = Listed()
        other.uris, other.templates = set(self.uris), dict(self.templates)
        return other

    def add(self, items: list[dict]) -> None:
        for item in items:
            if uri := plain(item.get("uri", "")):
                self.uris.add(uri)
            template = plain(re.sub(r"\{[?&#].*", "", item.get("uriTemplate", "")))
            if template:
                self.templates[template] = pattern(template)

    def label(self, uri: str) -> str:
        bare = plain(uri)
        if bare is None:
            return "other"
        if bare in self.uris:
            return bare
        matching = [template for template, pattern in self.templates.items() if pattern.fullmatch(bare)]
        return matching[0] if matching else bare.partition(":")[0] + ":"


def plain(uri: str) -> str | None:
    """Without userinfo, query and fragment, the scheme in lower case; none without a scheme."""
    found = SCHEME.fullmatch(uri)
    if not found:
        return None
    rest = re.split(r"[?#]", found[2])[0]
    return found[1].lower() + ":" + re.sub(r"^//[^/]*@", "//", rest)


def pattern(template: str) -> re.Pattern[str]:
    """`{name}` is part of a segment, `{+name}` anything."""
    parts = re.split(r"(\{[^}]*\})", template)
    return re.compile("".join(variable(part) if part.startswith("{") else re.escape(part) for part in parts), re.DOTALL)


def variable(expression: str) -> str:
    return "[^/]+" if re.match(r"\{[A-Za-z0-9_%]", expression) else ".+"
