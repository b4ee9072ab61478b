"""Queries of a running Prometheus. Standard library only."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


class QueryError(Exception):
    """Prometheus refused an expression."""


def get(base: str, path: str, **parameters: str) -> Any:
    """The `data` of a response of Prometheus' HTTP API."""
    url = f"{base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise QueryError(f"{parameters}: {error.read().decode()}") from error


def query(base: str, expression: str) -> list[tuple[dict[str, str], float]]:
    """The series that an expression selects now, each with its labels and value."""
    result = get(base, "query", query=expression)["result"]
    return [(series["metric"], float(series["value"][1])) for series in result]


def value(base: str, expression: str) -> float | None:
    """The value of an expression that returns one series; None if it returns none."""
    found = query(base, expression)
    if len(found) > 1:
        raise QueryError(f"{expression} gives {len(found)} series")
    return found[0][1] if found else None
