"""The pairs of clients and servers on standard input and output, with the expected outcomes. See `support/matrix.py`."""

from support.matrix import (
    ELICITATION,
    EVERYTHING,
    PYTHON_NEW_SSE,
    PYTHON_NEW_MODERN,
    PYTHON_OLD,
    PYTHON_OLD_ELICITATION,
    PYTHON_OLD_UNCANCELLED,
    RUST,
    RUST_MODERN,
    SSE,
    Row,
)

TABLE = [
    # Up to 2025-11-25: a program for each session. On pipes too Python 2.3.0 does not respond to a cancelled call.
    Row("typescript-1.10.1", "everything", "2024-11-05", EVERYTHING, SSE),
    Row("typescript-1.12.3", "python-1.30.0", "2025-03-26", PYTHON_OLD),
    Row("typescript-1.24.0", "rmcp-3.11.0", "2025-06-18", RUST),
    Row("typescript-1.32.2", "everything", "2025-11-25", EVERYTHING + ELICITATION),
    Row("python-1.30.0", "python-1.30.0", "2025-11-25", PYTHON_OLD + PYTHON_OLD_ELICITATION),
    Row("python-1.30.0", "python-2.3.0", "2025-11-25", PYTHON_NEW_SSE),
    Row("typescript-2.4.0", "everything", "2025-11-25", EVERYTHING + ELICITATION, mode="legacy"),
    Row("python-2.3.0", "everything", "2025-11-25", EVERYTHING + ELICITATION, probes=True),
    Row("rmcp-3.11.0", "python-1.30.0", "2025-11-25", PYTHON_OLD_UNCANCELLED, mode="legacy"),
    # 2026-07-28: one program for all.
    Row("typescript-2.4.0", "python-2.3.0", "2026-07-28", PYTHON_NEW_MODERN),
    Row("typescript-2.4.0", "rmcp-3.11.0", "2026-07-28", RUST_MODERN),
    Row("python-2.3.0", "python-2.3.0", "2026-07-28", PYTHON_NEW_MODERN),
    Row("python-2.3.0", "rmcp-3.11.0", "2026-07-28", RUST_MODERN),
    Row("rmcp-3.11.0", "python-2.3.0", "2026-07-28", PYTHON_NEW_MODERN),
    Row("rmcp-3.11.0", "rmcp-3.11.0", "2026-07-28", RUST_MODERN),
]

# `mcp-sidecar stdio` with each SDK's client, before and since 2026-07-28. Each client starts a sidecar, so these are not all pairs.
ON_PIPES = [
    row for row in TABLE
    if (row.client, row.server, row.revision) in {
        ("typescript-1.32.2", "everything", "2025-11-25"),
        ("python-1.30.0", "python-1.30.0", "2025-11-25"),
        ("typescript-2.4.0", "everything", "2025-11-25"),
        ("python-2.3.0", "everything", "2025-11-25"),
        ("rmcp-3.11.0", "python-1.30.0", "2025-11-25"),
        ("typescript-2.4.0", "python-2.3.0", "2026-07-28"),
        ("python-2.3.0", "rmcp-3.11.0", "2026-07-28"),
        ("rmcp-3.11.0", "rmcp-3.11.0", "2026-07-28"),
    }
]
