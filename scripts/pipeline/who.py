"""Which user did what: a table from the audit log, and one failed call with its span."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Iterator

from report import table

ERROR = 2


def operations(audit: Path) -> list[dict]:
    """The lines of the audit log about operations, oldest first. Other lines have no status."""
    lines = (json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["status"]]


def users(of: list[dict]) -> str:
    """One row per user and client, with the methods or tools that failed."""
    made, failed = Counter(), defaultdict(Counter)
    for line in of:
        key = line["user"] or "-", line["client"] or "-"
        made[key] += 1
        if line["status"] == "error":
            failed[key][line["tool"] or line["method"]] += 1
    rows = [[*key, str(count), str(failed[key].total()), ", ".join(f"{name} {times}" for name, times in sorted(failed[key].items()))]
            for key, count in sorted(made.items())]
    return table(["user", "client", "operations", "failed", "failed method or tool"], rows, {2, 3})


def spans(file: Path) -> Iterator[dict]:
    """The spans that the collector wrote. The last line may be incomplete."""
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            batch = json.loads(line)
        except ValueError:
            return
        for resource in batch.get("resourceSpans", []):
            for scope in resource["scopeSpans"]:
                yield from scope["spans"]


def failed_call(of: list[dict], file: Path) -> str | None:
    """A failed call in the audit log and in its trace; None until both are there."""
    by_trace = {span["traceId"]: span for span in spans(file)}
    for line in reversed(of):
        span = by_trace.get(line["trace_id"])
        if line["tool"] and line["status"] == "error" and span:
            found = {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}
            names = ("mcp.client.name", "user.id", "gen_ai.tool.name", "mcp.status", "error.type")
            red = "ERROR" if span.get("status", {}).get("code") == ERROR else "not ERROR"
            shown = "  ".join(f"{name}={found[name]}" for name in names if name in found)
            return f"audit log  {json.dumps(line)}\nspan       {span['name']}  trace {span['traceId']}  status {red}  {shown}"
    return None
