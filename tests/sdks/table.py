"""The table of pairs of clients and servers, in addition to that of `support/matrix.py`, with the expected outcomes."""

from support.matrix import (
    ASKED,
    EVERYTHING,
    LISTS,
    OURS,
    PING,
    PYTHON_NEW_ANY,
    PYTHON_OLD_ANY,
    REFUSED,
    RUST,
    SAMPLING,
    SSE,
    WAITS,
    Row,
    call,
    prompt,
    read,
)

PROGRESS = call("progress", progress=3)
# The response to this call comes on the stream with which the client resumes the one that the server closed.
POLLED = call("polled", progress=2)
# The Go SDK responds to a cancelled call with the error of its tool. A response decides the outcome.
WAITS_ANSWERED = call("waits", "tool_error", progress=1, cancel=True)

GO_ANY = [
    *OURS,
    call("no-such-tool", "invalid_request"),
    REFUSED,
    read("notes://monday/page"),
    read("notes://nothing/here/at/all", "invalid_request"),
    prompt("no-such-prompt", "invalid_request"),
]
GO = [PING, *GO_ANY, PROGRESS, ASKED]
GO_MODERN = [*GO_ANY, PROGRESS, WAITS]
# mcp-go drops progress notifications that were not sent when the response is ready.
MCP_GO = [PING, *GO_ANY]

FASTMCP_ANY = [
    *OURS,
    PROGRESS,
    call("no-such-tool", "tool_error"),
    # Its template is docs://{path*}.
    read("docs://a"),
]
FASTMCP_2 = [PING, *FASTMCP_ANY, read("x://nothing", "rpc_error"), prompt("no-such-prompt", "rpc_error")]
FASTMCP_4_ANY = [*FASTMCP_ANY, read("x://nothing", "invalid_request"), prompt("no-such-prompt", "invalid_request")]
FASTMCP_4 = [PING, *FASTMCP_4_ANY]
# Over HTTP+SSE the client of mcp-go does not respond to server requests.
PYTHON_OLD_SILENT = [operation for operation in PYTHON_OLD_ANY if not operation.asks]
# The drivers of these clients cancel only calls with progress notifications.
EVERYTHING_KEPT = [operation for operation in EVERYTHING if not operation.cancel and operation.method != "driver"]
# FastMCP 2 drops a call without a cancellation, and leaves its stream open.
RUST_KEPT = [operation for operation in RUST if not operation.cancel]
GATEWAY = [
    PING,
    *LISTS,
    call("echo", message="a"),
    call("get-sum", "tool_error", a="one", b=2),
    call("trigger-long-running-operation", progress=2, duration=0.2, steps=2),
    call("trigger-sampling-request", prompt="a", maxTokens=10, asks=(SAMPLING, "ok")),
    read("demo://no/such", "invalid_request"),
    prompt("simple-prompt"),
]

TABLE = [
    # The official Go SDK.
    Row("go-sdk-1.8.0", "go-sdk-1.8.0", "2025-11-25", [*GO, POLLED], mode="legacy"),
    Row("typescript-1.32.2", "go-sdk-1.8.0", "2025-11-25", [WAITS_ANSWERED, *GO, POLLED]),
    Row("python-1.30.0", "go-sdk-1.8.0", "2025-11-25", [WAITS_ANSWERED, *GO, POLLED]),
    Row("typescript-1.12.3", "go-sdk-1.8.0", "2025-03-26", GO),
    Row("typescript-1.32.2", "go-sdk-1.8.0", "2025-11-25", GO_ANY, endpoint="/json"),
    Row("typescript-1.24.0", "go-sdk-1.8.0", "2025-06-18", GO, SSE),
    Row("typescript-2.4.0", "go-sdk-1.8.0", "2026-07-28", GO_MODERN, endpoint="/modern"),
    Row("python-2.3.0", "go-sdk-1.8.0", "2026-07-28", GO_MODERN, endpoint="/modern"),
    Row("go-sdk-1.8.0", "python-1.30.0", "2025-11-25", [*PYTHON_OLD_ANY, PROGRESS], mode="legacy"),
    Row("go-sdk-1.8.0", "python-1.30.0-sse", "2025-11-25", [*PYTHON_OLD_ANY, PROGRESS], SSE, mode="legacy"),
    Row("go-sdk-1.8.0", "python-2.3.0", "2026-07-28", PYTHON_NEW_ANY),
    Row("go-sdk-1.8.0", "rmcp-3.11.0", "2025-11-25", RUST, mode="legacy"),
    # mcp-go.
    Row("typescript-1.32.2", "mcp-go-1.2.1", "2025-11-25", MCP_GO),
    Row("python-1.30.0", "mcp-go-1.2.1", "2025-11-25", MCP_GO),
    Row("python-2.3.0", "mcp-go-1.2.1", "2026-07-28", GO_ANY),
    Row("typescript-1.32.2", "mcp-go-1.2.1", "2025-11-25", MCP_GO, SSE),
    Row("mcp-go-1.2.1", "go-sdk-1.8.0", "2026-07-28", GO_MODERN, endpoint="/modern"),
    Row("mcp-go-1.2.1", "python-1.30.0", "2025-11-25", PYTHON_OLD_ANY, mode="legacy"),
    Row("mcp-go-1.2.1", "python-2.3.0", "2026-07-28", PYTHON_NEW_ANY),
    Row("mcp-go-1.2.1", "python-1.30.0-sse", "2025-11-25", PYTHON_OLD_SILENT, SSE, mode="legacy"),
    # FastMCP 2 and 4.
    Row("typescript-1.32.2", "fastmcp-2.14.7", "2025-11-25", FASTMCP_2),
    Row("go-sdk-1.8.0", "fastmcp-2.14.7", "2025-11-25", FASTMCP_2, mode="legacy"),
    Row("typescript-1.32.2", "fastmcp-2.14.7-sse", "2025-11-25", FASTMCP_2, SSE),
    Row("fastmcp-2.14.7", "go-sdk-1.8.0", "2025-11-25", GO),
    Row("fastmcp-2.14.7", "rmcp-3.11.0", "2025-11-25", RUST_KEPT),
    Row("fastmcp-2.14.7", "go-sdk-1.8.0", "2025-11-25", GO, SSE),
    Row("typescript-2.4.0", "fastmcp-4.2.3", "2026-07-28", FASTMCP_4_ANY),
    Row("go-sdk-1.8.0", "fastmcp-4.2.3", "2025-11-25", FASTMCP_4, mode="legacy"),
    Row("typescript-1.32.2", "fastmcp-4.2.3-sse", "2025-11-25", FASTMCP_4, SSE),
    Row("fastmcp-4.2.3", "go-sdk-1.8.0", "2026-07-28", GO_MODERN, endpoint="/modern"),
    Row("fastmcp-4.2.3", "everything", "2025-11-25", EVERYTHING_KEPT, probes=True),
    Row("fastmcp-4.2.3", "mcp-go-1.2.1", "2025-11-25", MCP_GO, SSE, mode="legacy"),
    # A server on standard input and output behind supergateway. Over HTTP+SSE it has one server for all sessions, and sends every
# message of the server to every session.
    Row("typescript-1.32.2", "supergateway-4.0.0", "2025-11-25", EVERYTHING),
    Row("typescript-1.32.2", "supergateway-4.0.0-sse", "2025-11-25", GATEWAY, SSE, sessions=1),
    Row("go-sdk-1.8.0", "supergateway-4.0.0", "2025-11-25", EVERYTHING_KEPT, mode="legacy"),
]
