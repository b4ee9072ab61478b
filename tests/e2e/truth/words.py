"""Writes messages in the forms that clients and servers use: order of members, white space, escapes, lines of events."""

import json
import random
from typing import Any

NEWLINES = (b"\n", b"\r\n", b"\r")
NOTIFICATIONS_OUT = (
    "notifications/progress", "notifications/message", "notifications/resources/updated",
    "notifications/tools/list_changed", "notifications/elicitation/complete",
)
NOTIFICATIONS_IN = ("notifications/progress", "notifications/roots/list_changed", "notifications/initialized")


class Words:
    """Writes JSON-RPC messages and events. All choices come from one seeded generator."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def id(self) -> Any:
        """Mostly small numbers, so that many exchanges use the same ids at the same time."""
        chance = self.chance
        kinds = (
            lambda: chance.randrange(4),
            lambda: chance.randrange(4),
            lambda: str(chance.randrange(4)),
            lambda: -chance.randrange(1, 9),
            lambda: 12345678901234567890 + chance.randrange(3),
            lambda: float(chance.randrange(9)),
            lambda: f"x\u00e9😀\"\\{chance.randrange(9)}",
            lambda: f"{chance.getrandbits(128):x}",
            lambda: "",
        )
        return chance.choice(kinds)()

    def echoed(self, id: Any) -> Any:
        """The id in a form in which a server may repeat it."""
        return int(id) if isinstance(id, float) and self.chance.random() < 0.5 else id

    def spell(self, message: dict[str, Any]) -> bytes:
        members = list(message.items())
        self.chance.shuffle(members)
        text = json.dumps(
            dict(members),
            ensure_ascii=self.chance.random() < 0.5,
            separators=self.chance.choice(((",", ":"), (", ", ": "), (" ,", " :  "))),
            indent=1 if self.chance.random() < 0.05 else None,
        )
        if self.chance.random() < 0.03:
            text = text.replace('"method"', '"me\\u0074hod"').replace('"id"', '"\\u0069d"')
        return text.encode("utf-8")

    def request(self, method: str, id: Any, params: dict[str, Any] | None = None) -> bytes:
        return self.spell({"jsonrpc": "2.0", "id": id, "method": method, **({"params": params} if params else {})})

    def result(self, id: Any, value: Any) -> bytes:
        return self.spell({"jsonrpc": "2.0", "id": self.echoed(id), "result": value})

    def error(self, code: int, **id: Any) -> bytes:
        """An error object. Without the argument `id`, it has no member `id`."""
        return self.spell({"jsonrpc": "2.0", **id, "error": {"code": code, "message": "refused", "data": {"code": 1}}})

    def notification(self, method: str, params: dict[str, Any] | None = None) -> bytes:
        return self.spell({"jsonrpc": "2.0", "method": method, **({"params": params} if params is not None else {})})

    def event(self, data: bytes, id: str | None = None, name: str | None = "message", retry: int | None = None) -> bytes:
        """One event with its fields in any order. JSON of several lines becomes several `data` lines."""
        end = self.chance.choice(NEWLINES)
        fields = [[b"data:" + self.chance.choice((b" ", b"")) + line for line in data.split(b"\n")]]
        if name is not None and (name != "message" or self.chance.random() < 0.7):
            fields.append([b"event: " + name.encode()])
        if id is not None:
            fields.append([b"id: " + id.encode()])
        if retry is not None:
            fields.append([b"retry: %d" % retry])
        self.chance.shuffle(fields)
        lines = [line for part in fields for line in part]
        if self.chance.random() < 0.1:
            lines.insert(0, b": ping - now")
        return end.join(lines) + end + end
