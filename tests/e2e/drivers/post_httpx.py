"""Posts the same message several times with httpx, as the Python SDKs do, and prints the statuses.

    post_httpx.py URL COUNT http1|http2
"""

import asyncio
import json
import sys

try:
    import httpx2 as httpx
except ImportError:
    import httpx

CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}}
MESSAGE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": CLIENT}


async def main(url: str, count: int, version: str) -> None:
    async with httpx.AsyncClient(http1=version == "http1", http2=version == "http2") as client:
        headers = {"Accept": "application/json, text/event-stream"}
        answers = [await client.post(url, json=MESSAGE, headers=headers) for _ in range(count)]
    print(json.dumps([answer.status_code for answer in answers]))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
