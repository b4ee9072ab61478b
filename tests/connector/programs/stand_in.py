"""A server on standard input and output in place of npx, uvx or docker: its name is that of its command, and its tool `started` returns
its arguments, working directory and environment."""

import json
import os
import sys

STARTED = {"arguments": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}
TOOL = {"name": "started", "inputSchema": {"type": "object"}}

if "--fail" in sys.argv:
    sys.exit("stand-in: no key")
if "--end" in sys.argv:
    sys.exit()
if "--no-program" in sys.argv:
    sys.exit(127)
if "--log-on-output" in sys.argv:
    print("stand-in: listening", flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    if message.get("method") == "tools/call" and "--end-at-call" in sys.argv:
        sys.exit(3)
    result = {
        "initialize": lambda: {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": os.environ["STAND_IN"], "version": "1"},
        },
        "tools/list": lambda: {"tools": [TOOL]},
        "tools/call": lambda: {"content": [{"type": "text", "text": json.dumps(STARTED)}]},
    }.get(message["method"], dict)()
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
