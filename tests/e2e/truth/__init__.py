"""Scripted MCP traffic with its own counts: each script is client and server of its exchanges, and counts what they do.

The counts come from what the scripts send, by the rules of `docs/metrics.md`. No code here parses the traffic.
"""
