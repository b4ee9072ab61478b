"""Posts an `initialize` so many times with httpx, which sends headers and body in two segments, and prints the statuses.

    ask_httpx.py URL COUNT
"""

import sys

import httpx

ACCEPT = {"Accept": "application/json, text/event-stream"}
BODY = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}}

with httpx.Client() as client:
    for _ in range(int(sys.argv[2])):
        print(client.post(sys.argv[1], json=BODY, headers=ACCEPT).status_code)
