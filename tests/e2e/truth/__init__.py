"""Scripted MCP traffic that knows its own truth: each kind of exchange plays both ends and keeps the count.

Nothing here reads what the filter reads: the scripts say what they send, and count it as `docs/metrics.md` has it.
"""
