"""The calls of each demo client in one session, and its report. It works with both major versions of the Python SDK and imports none.

The outcome is what the client was answered, in the words the metrics use, so that the two can be compared.
"""

import json
from collections import Counter

LISTS = {
    "tools/list": "list_tools",
    "resources/list": "list_resources",
    "resources/templates/list": "list_resource_templates",
    "prompts/list": "list_prompts",
}
# Tool, how often a session calls it.
TOOLS = {
    "get_forecast": 20,
    "analyse_climate": 2,
    "read_station": 3,
    "get_radar": 2,
    "order_report": 2,
    "track_storm": 2,
}
# More calls of one application: it repeats a call that fails.
REPEATED = {("field-agent", "read_station"): 12}
CITIES = ["bergen", "cairo", "lima", "sapporo"]
RESOURCES = ["weather://cities", "weather://guide", "weather://cities/bergen/today", "weather://cities/atlantis/today"]
PROMPTS = {"plan_day": {"city": "lima"}, "compare_cities": {"first": "lima", "second": "cairo"}}
# Codes of JSON-RPC and MCP for errors of the client.
CLIENT_ERRORS = {-32700, -32600, -32601, -32602, -32002}


class Seen:
    """The answers that the clients of one process received."""

    def __init__(self) -> None:
        self.operations: Counter = Counter()
        self.error_codes: Counter = Counter()
        self.progress = 0
        self.sessions = 0
        self.revision = ""

    def opened(self, method: str, revision: str) -> None:
        """A session began with this operation."""
        self.operations[(method, "", "ok", "")] += 1
        self.sessions += method == "initialize"
        self.revision = revision

    async def ask(self, method: str, subject: str, operation, refusal: type[Exception]) -> None:
        """Awaits one operation and records its outcome; `refusal` is the SDK's exception for a JSON-RPC error."""
        status, error_type = "ok", ""
        try:
            result = await operation
        except refusal as error:
            code = error.error.code
            self.error_codes[(method, code)] += 1
            status, error_type = "error", "invalid_request" if code in CLIENT_ERRORS else "rpc_error"
        else:
            # The member is isError in version 1 of the SDK and is_error in version 2.
            if getattr(result, "isError", False) or getattr(result, "is_error", False):
                status, error_type = "error", "tool_error"
        self.operations[(method, subject, status, error_type)] += 1

    async def note_progress(self, progress: float, total: float | None, message: str | None) -> None:
        """The SDK's callback for a progress notification."""
        self.progress += 1

    def print(self) -> None:
        """One JSON document on standard output, for demo.py."""
        print(json.dumps({
            "revision": self.revision,
            "sessions": self.sessions,
            "progress": self.progress,
            "operations": [[*key, count] for key, count in self.operations.items()],
            "error_codes": [[*key, count] for key, count in self.error_codes.items()],
        }))


async def drive(client, application: str, seen: Seen, refusal: type[Exception], as_uri) -> None:
    """One session, from its lists to its last prompt; `as_uri` makes the SDK's type of a URI."""
    for method, name in LISTS.items():
        await seen.ask(method, "", getattr(client, name)(), refusal)
    for tool, times in TOOLS.items():
        for turn in range(times + REPEATED.get((application, tool), 0)):
            call = client.call_tool(tool, {"city": CITIES[turn % len(CITIES)]}, progress_callback=seen.note_progress)
            await seen.ask("tools/call", tool, call, refusal)
    for uri in RESOURCES:
        await seen.ask("resources/read", uri, client.read_resource(as_uri(uri)), refusal)
    for prompt, arguments in PROMPTS.items():
        await seen.ask("prompts/get", prompt, client.get_prompt(prompt, arguments), refusal)
