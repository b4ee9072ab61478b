"""Operations: a method with parameters, and the labels under which it must be counted."""

import random
from dataclasses import dataclass, field
from typing import Any

TOOLS = ("search", "add", "send_mail", "read-file", "Größe", "deploy.prod")
PROMPTS = ("greet", "review_code", "summary")
RESOURCES = {
    "users://42/profile": "users:",
    "FILE:///etc/motd": "file:",
    "postgres://u:p@db:5432/t?x=1": "postgres:",
    "no scheme at all": "other",
}
CUSTOM = "acme/doSomething"
# Names that clients give themselves, with their label values.
CLIENTS = {
    "desk": "desk",
    "cursor/1.2.3": "cursor",
    "claude-code v2": "claude-code",
    "x@1.0.0-beta.1": "x",
    "python3": "python3",
    "studio-2-client": "studio-2-client",
    "Größe 😀": "Größe 😀",
    'a;b="c"\n': "a_b__c_",
    "": "unknown",
    "unknown": "unknown",
    "other": "other",
}
UNKNOWN = "unknown"
# Values of `clientInfo` without a name that can be read.
NAMELESS = ({}, {"version": "1"}, {"name": 5}, {"name": None}, {"name": {"name": "desk"}}, {"info": {"name": "desk"}}, "desk", 5, [])


@dataclass
class Operation:
    """`name` is the label value of the tool, prompt or resource, `client` that of the client, `size` the number of bytes of the request."""

    method: str
    id: Any
    params: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    client: str = UNKNOWN
    size: int = 0

    @property
    def label(self) -> str:
        return "other" if self.method == CUSTOM else self.method


def client_info(chance: random.Random) -> tuple[Any, str]:
    """A value of `clientInfo`, and the label value of its name."""
    if chance.random() < 0.2:
        return chance.choice(NAMELESS), UNKNOWN
    name = chance.choice(list(CLIENTS))
    members = [("name", name), ("version", "1.0"), ("title", {"name": "decoy"})]
    chance.shuffle(members)
    return dict(members), CLIENTS[name]


def call(chance: random.Random, id: Any) -> Operation:
    name = chance.choice(TOOLS)
    # Members with known names in places where the filter must ignore them.
    arguments = {"name": "decoy", "isError": True, "id": 5, "method": "ping", "text": "x" * chance.randrange(200)}
    return Operation("tools/call", id, {"name": name, "arguments": arguments}, name)


def any_of(chance: random.Random, id: Any) -> Operation:
    """Any method except lists and initialize; mostly tool calls."""
    if chance.random() < 0.5:
        return call(chance, id)
    method = chance.choice(
        ("ping", "resources/read", "prompts/get", "completion/complete", "logging/setLevel", "resources/subscribe", CUSTOM)
    )
    if method == "resources/read":
        uri = chance.choice(list(RESOURCES))
        return Operation(method, id, {"uri": uri}, RESOURCES[uri])
    if method == "prompts/get":
        name = chance.choice(PROMPTS)
        return Operation(method, id, {"name": name}, name)
    return Operation(method, id, {})


def good_result(chance: random.Random, operation: Operation) -> dict[str, Any]:
    """A result that is no failure, with members that look like one in other places."""
    if operation.method != "tools/call":
        return chance.choice(({}, {"isError": True, "nested": {"error": {"code": -1}}}))
    result: dict[str, Any] = {"content": [{"type": "text", "text": "y" * chance.randrange(600), "isError": True}]}
    if chance.random() < 0.5:
        result["isError"] = False
    if chance.random() < 0.3:
        result["structuredContent"] = {"result": {"isError": True}, "resultType": "input_required"}
    return result
