"""Compares headers end to end: their case, and the number of times that each line occurs."""

from collections import Counter

from .http1 import Headers

# These belong to one connection and are each hop's own business (RFC 9110, 7.6.1).
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "proxy-connection", "te")


def comparable(headers: Headers, lower: bool = False) -> Counter:
    """Headers with their case and how often each line occurs; their order among each other is free."""
    return Counter(
        (name.lower() if lower else name, value) for name, value in headers if name.lower() not in HOP_BY_HOP
    )
