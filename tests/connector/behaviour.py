"""Calls of `programs/misbehaving.py`, and how their answers are read."""

import json

from session import Session

PROGRAM = "misbehaving.py"
LINE_BYTES = 20_000_000


def text(answer: dict) -> str:
    assert "result" in answer, answer
    return answer["result"]["content"][0]["text"]


def error(answer: dict) -> str:
    """The message of the bridge's own error."""
    assert answer.get("error", {}).get("code") == -32000, answer
    return answer["error"]["message"]


def pid_of(session: Session) -> int:
    return json.loads(text(session.call("who")))["pid"]
