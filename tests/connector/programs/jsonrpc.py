"""Messages of `misbehaving.py`."""

import json

MODERN = "2026-07-28"
INFO = {"name": "misbehaving", "version": "1"}
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


def encoded(message):
    return json.dumps(message, separators=(",", ":")).encode()


def result(id, members, modern=False):
    if modern:
        members = {**members, "resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": INFO}}
    return {"jsonrpc": "2.0", "id": id, "result": members}


def error(id, code, message):
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}


def caching():
    return {"ttlMs": 0, "cacheScope": "private"}
