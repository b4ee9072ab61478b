"""The lines that `programs/tap.py` recorded, and how two records differ."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

# Values that servers make up: dates, and the sealed state of an `input_required` result.
MADE_UP = [
    (re.compile(rb"\d+:\d+:\d+ [AP]M"), rb"T"),
    (re.compile(rb'("requestState":)"[^"]*"'), rb'\1"S"'),
]
TOKEN, SUBSCRIPTION = "progressToken", "io.modelcontextprotocol/subscriptionId"


class Record:
    """What the servers of one client read and wrote, in the order in which they started."""

    def __init__(self, folder: Path) -> None:
        self.read = [line for file in sorted(folder.glob("*.in")) for line in lines(file)]
        self.written = [line for file in sorted(folder.glob("*.out")) for line in lines(file)]


def lines(file: Path) -> list[bytes]:
    data = file.read_bytes()
    assert data.endswith(b"\n") or not data, f"half a line: {data[-200:]}"
    return data.split(b"\n")[:-1]


def plain(line: bytes) -> bytes:
    for pattern, replacement in MADE_UP:
        line = pattern.sub(replacement, line)
    return line


def without_ids(line: bytes) -> bytes:
    """The message without its id, its progress token and its subscription: the bridge replaces them on 2026-07-28."""
    message = json.loads(line)
    message.pop("id", None)
    params = message.get("params", {})
    for holder in (params, params.get("_meta", {}), message.get("result", {}).get("_meta", {})):
        for name in (TOKEN, SUBSCRIPTION):
            if name in holder:
                holder[name] = None
    return json.dumps(message).encode()


def differences(one: list[Any], other: list[Any], names: tuple[str, str]) -> list[str]:
    """Lines that only one of the lists has, whatever their order is."""
    left, right = Counter(one), Counter(other)
    return [f"only {name}: {line!r}" for name, only in zip(names, (left - right, right - left)) for line in only.elements()]
