"""A series of the metrics page: its name, and its label values as Envoy shows them.

This is a second implementation of docs/metrics.md, Labels, which does not use the filter.
"""

import json
import re

Series = tuple[str, tuple[tuple[str, str], ...]]

BLANKS = " \t\n\r\f"
VERSION = r"v?(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9](?:[0-9.]*|[0-9]*\.[0-9A-Za-z.+-]*))"
# A client's name with a version at its end.
VERSIONED = re.compile(rf"(?!{VERSION}\Z)(.+?)[/@\-_ ]{VERSION}", re.DOTALL)


def series(family: str, **labels: str) -> Series:
    return family, tuple(sorted(labels.items()))


def pretty(entry: Series) -> str:
    family, labels = entry
    return family + "{" + ", ".join(f'{key}="{value}"' for key, value in labels) + "}"


def dump(totals: dict[Series, float]) -> str:
    return json.dumps({pretty(entry): value for entry, value in sorted(totals.items())}, indent=1)


# === label values ===


def client_label(name: object) -> str:
    """The label value of a client's name."""
    if not isinstance(name, str):
        return "unknown"
    found = VERSIONED.fullmatch(name.strip(BLANKS))
    return label((found.group(1) if found else name).strip(BLANKS)) or "unknown"


def label(value: object, limit: int = 128) -> str:
    """A label value as Envoy shows it: some characters are replaced, then it is cut at a character boundary."""
    kept = "".join("_" if forbidden(character) else character for character in str(value))
    cut = kept.encode()[:limit].decode(errors="ignore")
    # Envoy drops dots at the end of a value. Two names would become one series, which the page would have twice.
    bare = cut.rstrip(".")
    return bare + "_" * (len(cut) - len(bare))


def forbidden(character: str) -> bool:
    point = ord(character)
    control = point < 0x20 or 0x7F <= point < 0xA0
    # Characters that break or reorder a line on a screen.
    control = control or 0x2028 <= point <= 0x202E or 0x2066 <= point <= 0x2069 or point == 0xFEFF
    return control or 0xD800 <= point < 0xE000 or character in '"\\;='


def scheme(uri: str) -> str:
    """The scheme with its colon, in lower case; `other` if there is no valid scheme (RFC 3986, 3.1)."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", str(uri))
    return label(found.group(0).lower()) if found else "other"
