"""An MCP server on standard input and output for the tests of the bridge. Its tools make it behave in various ways.

Usage: program.py [end-at-start | end-at-initialize | refuse-initialize | silent-initialize | slow-initialize |
                   log-when-initialized | old-discover | fail-while-missing=FILE | ignore-sigterm]
"""

import json
import os
import signal
import sys
import time

mode = sys.argv[1] if len(sys.argv) > 1 else ""
held = []  # Ids of calls without an answer.
asking = {}  # Ids of own requests -> id of the call that waits for the answer.
seen = []  # Methods of all messages, with the id if there is one.


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(call, value):
    send({"id": call, "result": {"content": [{"type": "text", "text": value}]}})


def tool(call, params):
    global mode
    name, arguments, meta = params["name"], params.get("arguments", {}), params.get("_meta", {})
    if name == "echo":
        text(call, arguments.get("text", ""))
    elif name == "pid":
        text(call, str(os.getpid()))
    elif name == "seen":
        text(call, json.dumps(seen))
    elif name == "meta":
        text(call, json.dumps(meta))
    elif name == "big":
        text(call, "x" * arguments["bytes"])
    elif name == "hold":
        held.append(call)
    elif name == "hold-echo":
        held.append((call, arguments["text"]))
    elif name == "release":  # All held calls, the newest first, then this one.
        while held:
            last = held.pop()
            text(*last) if isinstance(last, tuple) else text(last, "released")
        text(call, "done")
    elif name == "steps":
        for step in range(arguments["steps"]):
            padding = {"message": "x" * arguments["bytes"]} if "bytes" in arguments else {}
            send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": step, **padding}})
        text(call, "done")
    elif name == "step-and-hold":
        send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": 1}})
        held.append(call)
    elif name == "ask":  # A request to the client, whose answer is the tool's text.
        asking[len(asking)] = call
        send({"id": len(asking) - 1, "method": arguments.get("method", "roots/list")})
    elif name == "ask-and-cancel":
        send({"id": "gone", "method": "roots/list"})
        send({"method": "notifications/cancelled", "params": {"requestId": "gone"}})
        text(call, "done")
    elif name == "log":
        send({"method": "notifications/message", "params": {"level": "info", "data": arguments.get("text", "")}})
        text(call, "done")
    elif name == "logs":
        for number in range(arguments["count"]):
            send({"method": "notifications/message", "params": {"level": "info", "data": f"{number} " + "x" * arguments["bytes"]}})
        text(call, "done")
    elif name == "twice":
        text(call, "first")
        text(call, "second")
    elif name == "changed":
        for subscription in held:
            send({"method": "notifications/tools/list_changed", "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": subscription}}})
        text(call, "done")
    elif name == "close-input":
        os.close(0)
        if arguments["answers"]:
            text(call, "done")
        time.sleep(600)
    elif name == "pause":  # Reads nothing until a file is there.
        while not os.path.exists(arguments["file"]):
            time.sleep(0.01)
        text(call, "done")
    elif name == "exit":
        sys.exit(arguments.get("status", 0))
    elif name == "sleep":  # Reads nothing meanwhile.
        send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": 1}})
        while not os.path.exists(arguments["until"]):
            time.sleep(0.01)
        text(call, "done")
    elif name == "pin":  # As if the first message had been one of an older revision.
        mode = "old-discover"
        text(call, "done")
    else:
        send({"id": call, "error": {"code": arguments.get("code", -32602), "message": "unknown tool"}})


def request(method, call, params):
    if method == "initialize":
        if mode == "end-at-initialize":
            sys.exit(3)
        if mode == "silent-initialize":
            return
        if mode == "slow-initialize":
            time.sleep(0.3)
        if mode == "refuse-initialize":
            send({"id": call, "error": {"code": -32602, "message": "no"}})
        else:
            send({"id": call, "result": {"protocolVersion": params["protocolVersion"], "capabilities": {}, "serverInfo": {"name": "p", "version": "1"}}})
    elif method == "server/discover" and isinstance(params["_meta"].get("io.modelcontextprotocol/clientInfo"), int):
        send({"id": call, "error": {"code": -32602, "message": "Invalid params"}})
    elif method == "tools/list":
        properties = {"text": {"type": "string", "x-mcp-header": "Text"}, "count": {"type": "integer", "x-mcp-header": "Count"}}
        send({"id": call, "result": {"tools": [{"name": "echo", "inputSchema": {"type": "object", "properties": properties}}]}})
    elif method == "server/discover" and mode != "old-discover":
        send({"id": call, "result": {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"}})
    elif method == "subscriptions/listen":
        send({"method": "notifications/subscriptions/acknowledged", "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": call}}})
        held.append(call)
    elif method == "tools/call":
        tool(call, params)
    elif method == "silence":
        pass
    elif method == "ping":
        send({"id": call, "result": {}})
    else:
        send({"id": call, "error": {"code": -32601, "message": "Method not found", "data": params}})


if mode == "end-at-start" or (mode.startswith("fail-while-missing=") and not os.path.exists(mode.split("=")[1])):
    sys.exit(4)
if mode == "ignore-sigterm":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in sys.stdin:
    message = json.loads(line)
    method, call, params = message.get("method"), message.get("id"), message.get("params", {})
    if method != "tools/call":
        seen.append([method, call])
    if method is None:
        text(asking.pop(call), json.dumps(message.get("result", message.get("error"))))
    elif call is not None:
        request(method, call, params)
    elif method == "notifications/initialized" and mode == "log-when-initialized":
        send({"method": "notifications/message", "params": {"level": "info", "data": "initialized"}})
    elif method == "notifications/cancelled" and params.get("requestId") in held:
        held.remove(params["requestId"])
if mode == "ignore-sigterm":
    time.sleep(60)
