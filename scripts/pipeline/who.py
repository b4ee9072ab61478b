"""Who called what: a table from the audit log, and one failed call with its span."""

import json
from collections import Counter
from pathlib import Path
from typing import Iterator

from report import table

ERROR = 2


def calls(audit: Path) -> list[dict]:
    """The lines of the audit log about tool calls, oldest first."""
    lines = (json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["method"] == "tools/call"]


def callers(of: list[dict]) -> str:
    """One row per client, user and tool."""
    made = Counter((line["client"] or "-", line["user"] or "-", line["tool"] or "-") for line in of)
    failed = Counter((line["client"] or "-", line["user"] or "-", line["tool"] or "-") for line in of if line["status"] == "error")
    rows = [[*who, str(count), str(failed[who])] for who, count in sorted(made.items())]
    return table(["client", "user", "tool", "calls", "errors"], rows, {3, 4})


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
        if line["status"] == "error" and span:
            found = {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}
            names = ("mcp.client.name", "user.id", "gen_ai.tool.name", "mcp.status", "error.type")
            red = "ERROR" if span.get("status", {}).get("code") == ERROR else "not ERROR"
            shown = "  ".join(f"{name}={found[name]}" for name in names if name in found)
            return f"audit log  {json.dumps(line)}\nspan       {span['name']}  trace {span['traceId']}  status {red}  {shown}"
    return None
