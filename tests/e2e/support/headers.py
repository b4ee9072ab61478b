"""Compares headers end to end: their case, and the number of times that each line occurs."""

from collections import Counter

from .http1 import Headers

# Headers of one connection, which each hop sets itself (RFC 9110, 7.6.1).
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "proxy-connection", "te")


def comparable(headers: Headers, lower: bool = False) -> Counter:
    """The header lines and how often each occurs. Names keep their case; the order does not matter."""
    return Counter(
        (name.lower() if lower else name, value) for name, value in headers if name.lower() not in HOP_BY_HOP
    )
