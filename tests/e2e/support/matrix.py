"""The table of pairs of client, server and transport, with the expected outcomes.

The expected series are computed from the outcomes of a row's operations, not from the bytes on the wire.
"""

from collections import Counter
from dataclasses import dataclass, field

from .series import Series, series

SESSIONS = 2


@dataclass(frozen=True)
class Operation:
    """One action of a client. `ends` are the outcomes of its requests, in order: `ok`, `cancelled`, `input_required` or an error
    type. `asks` is the method of the server request that comes meanwhile."""

    method: str
    name: str = ""
    ends: tuple[str, ...] = ("ok",)
    arguments: dict = field(default_factory=dict)
    # Number of progress notifications to a client that requests them.
    progress: int = 0
    cancel: bool = False
    asks: tuple[str, str] | None = None

    def plan(self) -> dict:
        """The plan of a row, in the form that drivers read."""
        return {
            "method": self.method,
            "name": self.name,
            "arguments": self.arguments,
            "progress": self.progress > 0,
            "cancel": self.cancel,
        }


def call(tool: str, *ends: str, progress=0, cancel=False, asks=None, **arguments: object) -> Operation:
    return Operation("tools/call", tool, ends or ("ok",), arguments, progress, cancel, asks)


def read(uri: str, *ends: str) -> Operation:
    return Operation("resources/read", uri, ends or ("ok",))


def prompt(name: str, *ends: str, **arguments: str) -> Operation:
    return Operation("prompts/get", name, ends or ("ok",), arguments)


LISTS = [Operation(method) for method in ("tools/list", "resources/list", "resources/templates/list", "prompts/list")]
PING = Operation("ping")
SAMPLING = "sampling/createMessage"

EVERYTHING = [
    # The server requests the roots at the start of a session.
    Operation("await", "roots/list", (), asks=("roots/list", "ok")),
    PING,
    *LISTS,
    call("echo", message="a"),
    call("get-sum", a=1, b=2),
    call("get-sum", "tool_error", a="one", b=2),
    call("get-tiny-image"),
    call("get-structured-content", location="New York"),
    call("no-such-tool", "tool_error"),
    call("trigger-long-running-operation", progress=2, duration=0.2, steps=2),
    call("trigger-sampling-request", prompt="a", maxTokens=10, asks=(SAMPLING, "ok")),
    call("trigger-sampling-request", "tool_error", prompt="refuse", maxTokens=10, asks=(SAMPLING, "error")),
    call("get-roots-list"),
    call("trigger-long-running-operation", "cancelled", cancel=True, duration=1000, steps=1),
    # The drivers send a ping after the call that they are going to cancel.
    Operation("driver", "ping", ("ok",)),
    read("demo://resource/dynamic/text/1"),
    read("demo://no/such", "invalid_request"),
    prompt("simple-prompt"),
    prompt("no-such-prompt", "invalid_request"),
]
ELICITATION = [call("trigger-elicitation-request", asks=("elicitation/create", "ok"))]

OURS = [
    *LISTS,
    call("echo", text="a"),
    call("echo", text="\u00e9 \u20ac \U0001f600 \" \\ \n"),
    call("big", size=200_000),
    call("slow", milliseconds=20),
    call("fails", "tool_error"),
    read("notes://today"),
    prompt("summary", topic="tea"),
]
ASKED = call("ask_model", text="a", asks=(SAMPLING, "ok"))
ASKED_TWICE = call("ask_model", "input_required", "ok", text="a")
REFUSED = call("refused", "rpc_error")

# Python's servers respond to a cancelled call in a session with an error. A response decides the outcome.
WAITS_ANSWERED = call("waits", "rpc_error", progress=1, cancel=True)
WAITS = call("waits", "cancelled", progress=1, cancel=True)

PYTHON_OLD_ANY = [
    PING,
    *OURS,
    call("no-such-tool", "tool_error"),
    call("ask_roots", asks=("roots/list", "ok")),
    read("notes://nothing/here/at/all", "rpc_error"),
    prompt("no-such-prompt", "rpc_error"),
]
# A JSON response cannot contain notifications and server requests.
PYTHON_OLD_ASKS = [
    call("progress", progress=3),
    call("ask_model", text="a", asks=(SAMPLING, "ok")),
    call("ask_model", "tool_error", text="refuse", asks=(SAMPLING, "error")),
]
PYTHON_OLD = [WAITS_ANSWERED, *PYTHON_OLD_ANY, *PYTHON_OLD_ASKS]
PYTHON_OLD_ELICITATION = [call("ask_person", asks=("elicitation/create", "ok"))]
# A client that closes the stream of a cancelled call may receive this response or not.
PYTHON_OLD_UNCANCELLED = [*PYTHON_OLD_ANY, *PYTHON_OLD_ASKS, *PYTHON_OLD_ELICITATION]
PYTHON_NEW_ANY = [
    *OURS,
    call("progress", progress=3),
    call("no-such-tool", "tool_error"),
    REFUSED,
    read("notes://nothing/here/at/all", "invalid_request"),
    read("notes://monday/page"),
    prompt("no-such-prompt", "rpc_error"),
]
PYTHON_NEW = [PING, WAITS_ANSWERED, *PYTHON_NEW_ANY, ASKED]
# Over HTTP+SSE this server does not respond to it.
PYTHON_NEW_SSE = [PING, WAITS, *PYTHON_NEW_ANY, ASKED]
PYTHON_NEW_MODERN = [WAITS, *PYTHON_NEW_ANY, ASKED_TWICE]
RUST_ANY = [
    WAITS,
    *OURS,
    call("progress", progress=3),
    call("no-such-tool", "invalid_request"),
    REFUSED,
    read("notes://nothing", "invalid_request"),
    prompt("no-such-prompt", "invalid_request"),
]
RUST = [PING, *RUST_ANY, ASKED]
RUST_MODERN = [*RUST_ANY, ASKED_TWICE]


@dataclass(frozen=True)
class Row:
    client: str
    server: str
    revision: str
    operations: list[Operation]
    transport: str = "streamable_http"
    # A client with 2026-07-28 tries it first, and a server without it refuses.
    probes: bool = False
    mode: str = "auto"
    # The path of the transport, for servers with an unusual one.
    endpoint: str = ""
    sessions: int = SESSIONS

    def __str__(self) -> str:
        return f"{self.client} to {self.server}, {self.revision}"

    @property
    def opening(self) -> str:
        return "server/discover" if self.revision == "2026-07-28" else "initialize"

    def path(self) -> str:
        return self.endpoint or ("/sse" if self.transport == "http_sse" else "/mcp")


SSE = "http_sse"
TABLE = [
    # 2024-11-05 at most.
    Row("typescript-1.10.1", "everything", "2024-11-05", EVERYTHING),
    Row("typescript-1.10.1", "everything-sse", "2024-11-05", EVERYTHING, SSE),
    Row("typescript-1.10.1", "python-1.30.0", "2024-11-05", PYTHON_OLD),
    Row("typescript-1.10.1", "python-1.30.0-sse", "2024-11-05", PYTHON_OLD, SSE),
    Row("python-1.8.1", "everything", "2024-11-05", EVERYTHING),
    Row("python-1.8.1", "everything-sse", "2024-11-05", EVERYTHING, SSE),
    Row("python-1.8.1", "python-1.30.0", "2024-11-05", PYTHON_OLD),
    Row("python-1.8.1", "python-1.30.0-sse", "2024-11-05", PYTHON_OLD, SSE),
    # 2025-03-26 at most.
    Row("typescript-1.12.3", "everything", "2025-03-26", EVERYTHING),
    Row("typescript-1.12.3", "everything-sse", "2025-03-26", EVERYTHING, SSE),
    Row("typescript-1.12.3", "python-2.3.0", "2025-03-26", PYTHON_NEW),
    Row("typescript-1.12.3", "rmcp-3.11.0", "2025-03-26", RUST),
    # 2025-06-18 at most.
    Row("typescript-1.24.0", "everything", "2025-06-18", EVERYTHING + ELICITATION),
    Row("typescript-1.24.0", "everything-sse", "2025-06-18", EVERYTHING + ELICITATION, SSE),
    Row("typescript-1.24.0", "python-2.3.0-sse", "2025-06-18", PYTHON_NEW_SSE, SSE),
    # 2025-11-25 at most.
    Row("typescript-1.32.2", "everything", "2025-11-25", EVERYTHING + ELICITATION),
    Row("typescript-1.32.2", "everything-sse", "2025-11-25", EVERYTHING + ELICITATION, SSE),
    Row("typescript-1.32.2", "python-1.30.0-json", "2025-11-25", PYTHON_OLD_ANY),
    Row("typescript-1.32.2", "rmcp-3.11.0", "2025-11-25", RUST),
    Row("python-1.30.0", "everything", "2025-11-25", EVERYTHING + ELICITATION),
    Row("python-1.30.0", "everything-sse", "2025-11-25", EVERYTHING + ELICITATION, SSE),
    Row("python-1.30.0", "python-1.30.0", "2025-11-25", PYTHON_OLD + PYTHON_OLD_ELICITATION),
    Row("python-1.30.0", "python-1.30.0-json", "2025-11-25", PYTHON_OLD_ANY),
    Row("python-1.30.0", "rmcp-3.11.0", "2025-11-25", RUST),
    # Old and new protocol versions.
    Row("typescript-2.4.0", "everything", "2025-11-25", EVERYTHING + ELICITATION, mode="legacy"),
    Row("typescript-2.4.0", "everything-sse", "2025-11-25", EVERYTHING + ELICITATION, SSE, mode="legacy"),
    Row("typescript-2.4.0", "python-2.3.0", "2026-07-28", PYTHON_NEW_MODERN),
    Row("typescript-2.4.0", "rmcp-3.11.0", "2026-07-28", RUST_MODERN),
    Row("python-2.3.0", "everything", "2025-11-25", EVERYTHING + ELICITATION, probes=True),
    Row("python-2.3.0", "python-1.30.0-sse", "2025-11-25", PYTHON_OLD + PYTHON_OLD_ELICITATION, SSE, mode="legacy"),
    Row("python-2.3.0", "python-2.3.0", "2025-11-25", PYTHON_NEW, mode="legacy"),
    Row("python-2.3.0", "python-2.3.0", "2026-07-28", PYTHON_NEW_MODERN),
    Row("python-2.3.0", "rmcp-3.11.0", "2026-07-28", RUST_MODERN),
    Row("rmcp-3.11.0", "everything", "2025-11-25", EVERYTHING + ELICITATION, mode="legacy"),
    Row("rmcp-3.11.0", "python-1.30.0", "2025-11-25", PYTHON_OLD_UNCANCELLED, probes=True),
    Row("rmcp-3.11.0", "python-2.3.0", "2026-07-28", PYTHON_NEW_MODERN),
    Row("rmcp-3.11.0", "rmcp-3.11.0", "2026-07-28", RUST_MODERN),
]


# Expected values of a row

Outcomes = Counter[tuple[str, str, str]]


def outcomes(row: Row) -> Outcomes:
    """Method, name and outcome of every operation of all sessions."""
    found: Outcomes = Counter({(row.opening, "", "ok"): row.sessions})
    if row.probes:
        found["server/discover", "", "negotiation"] += row.sessions
    for operation in row.operations:
        for end in operation.ends:
            method, name = (operation.name, "") if operation.method == "driver" else (operation.method, operation.name)
            found[method, name, end] += row.sessions
    return found


def told(row: Row) -> Outcomes:
    """The output that the clients must print for the operations of the row."""
    found: Outcomes = Counter()
    for operation in row.operations:
        if operation.method not in ("await", "driver"):
            end = "cancelled" if operation.cancel else operation.ends[-1]
            found[operation.method, operation.name, end] += row.sessions
    return found


def family_totals(row: Row) -> Counter[Series]:
    """The expected series of the families that a row determines, with the server's name."""
    totals: Counter[Series] = Counter()

    def add(family: str, amount: int, **labels: str) -> None:
        totals[series(family, server_name=row.server, **labels)] += amount

    for (method, name, outcome), count in outcomes(row).items():
        status, error_type = verdict(outcome)
        add("mcp_requests_total", count, method=method, status=status, error_type=error_type)
        if method == "tools/call":
            add("mcp_tool_calls_total", count, tool_name=name, status=status, error_type=error_type)
    progress = sum(operation.progress for operation in row.operations)
    add("mcp_notifications_total", row.sessions * progress, method="notifications/progress", direction="out")
    for operation in row.operations:
        if operation.asks:
            method, status = operation.asks
            add("mcp_server_requests_total", row.sessions, method=method, status=status)
    if row.opening == "initialize":
        add("mcp_sessions_total", row.sessions, protocol_version=row.revision, transport=row.transport)
        add("mcp_notifications_total", row.sessions, method="notifications/initialized", direction="in")
        given_up = sum(operation.cancel for operation in row.operations)
        if given_up:
            add("mcp_notifications_total", row.sessions * given_up, method="notifications/cancelled", direction="in")
    return totals


def verdict(outcome: str) -> tuple[str, str]:
    """The status and the error type of an outcome."""
    if outcome in ("ok", "cancelled", "input_required", "negotiation"):
        return outcome, ""
    return "error", outcome
