"""OTLP documents with data in every place that OTLP has for attributes or text.

A `Fill` returns the data of a place: a dictionary for attributes, a string for text.
"""

import time
from collections.abc import Callable
from typing import Any

Fill = Callable[[str], Any]
SIGNALS = {"metrics": "resourceMetrics", "traces": "resourceSpans", "logs": "resourceLogs"}

# Places for attributes, by signal.
ATTRIBUTES = {
    "metrics": ("resource", "scope", "gauge", "sum", "histogram", "exponential histogram", "summary"),
    "traces": ("resource", "scope", "span", "event"),
    "logs": ("resource", "scope", "record", "body", "deep body"),
}
# Places for text.
TEXTS = {
    "metrics": ("name", "description", "unit", "scope name", "scope version", "scope schema", "resource schema"),
    "traces": ("span name", "status", "state", "event name", "scope name", "scope version", "scope schema", "resource schema"),
    "logs": ("body text", "body list", "severity", "event name", "scope name", "scope version", "scope schema", "resource schema"),
}
# The places that Prometheus shows.
IN_PROMETHEUS = {("metrics", place) for place in (
    "resource", "gauge", "sum", "histogram", "exponential histogram", "summary", "name", "description")}


def value(of: Any) -> dict[str, Any]:
    """A value in OTLP's JSON form."""
    if isinstance(of, dict):
        return {"kvlistValue": {"values": attributes(of)}}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(each) for each in of]}}
    if isinstance(of, int):
        return {"intValue": str(of)}
    return {"stringValue": of}


def attributes(of: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(each)} for key, each in of.items()]


def resource(number: int, fill: Fill, scopes: str, entries: dict[str, Any]) -> dict[str, Any]:
    """One resource with one scope. `number` is unique."""
    own = {"service.name": f"probe-{number}", "service.instance.id": f"probe-{number}"}
    return {
        "resource": {"attributes": attributes(own | fill("resource"))},
        "schemaUrl": fill("resource schema"),
        scopes: [{
            "scope": {"name": fill("scope name"), "version": fill("scope version"), "attributes": attributes(fill("scope"))},
            "schemaUrl": fill("scope schema"),
            **entries,
        }],
    }


def metrics(number: int, fill: Fill) -> dict[str, Any]:
    now = str(time.time_ns())
    plain = {
        "gauge": {"asDouble": 1},
        "sum": {"asInt": "1"},
        "histogram": {"count": "1", "sum": 1, "bucketCounts": ["1", "0"], "explicitBounds": [1]},
        "exponential histogram": {"count": "1", "sum": 1, "scale": 1, "positive": {"offset": 0, "bucketCounts": ["1"]}},
        "summary": {"count": "1", "sum": 1},
    }
    kinds = {"exponential histogram": "exponentialHistogram"}
    of_kind = {"sum": {"isMonotonic": True}}
    found = []
    for kind, numbers in plain.items():
        point = numbers | {"timeUnixNano": now, "startTimeUnixNano": "1", "attributes": attributes(fill(kind))}
        temporality = {} if kind in ("gauge", "summary") else {"aggregationTemporality": 2}
        found.append({"name": f"probe_{number}_{kind.replace(' ', '_')}",
                      kinds.get(kind, kind): {"dataPoints": [point]} | temporality | of_kind.get(kind, {})})
    found.append({"name": fill("name"), "description": fill("description"), "unit": fill("unit"),
                  "gauge": {"dataPoints": [{"timeUnixNano": now, "asDouble": 1}]}})
    return resource(number, fill, "scopeMetrics", {"metrics": found})


def traces(number: int, fill: Fill) -> dict[str, Any]:
    span = {
        "traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "name": fill("span name"), "traceState": fill("state"),
        "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": attributes(fill("span")),
        "events": [{"name": fill("event name"), "timeUnixNano": "1", "attributes": attributes(fill("event"))}],
        "status": {"code": 2, "message": fill("status")},
    }
    return resource(number, fill, "scopeSpans", {"spans": [span]})


def logs(number: int, fill: Fill) -> dict[str, Any]:
    records = [
        {"body": value(fill("body")), "severityText": fill("severity"), "eventName": fill("event name"),
         "attributes": attributes(fill("record"))},
        {"body": value({"deep": {"deeper": [fill("deep body")]}})},
        {"body": value(fill("body text"))},
        {"body": value([fill("body list")])},
    ]
    return resource(number, fill, "scopeLogs", {"logRecords": records})


BUILDERS = {"metrics": metrics, "traces": traces, "logs": logs}
