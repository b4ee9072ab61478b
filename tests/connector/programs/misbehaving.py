"""An MCP server on standard input and output that misbehaves as it is told. Only the standard library is used.

    python3 misbehaving.py [WAY[=VALUE]]...

It speaks all revisions from 2024-11-05 to 2025-11-25 after `initialize`, and 2026-07-28 without: `initialize`,
`server/discover`, `ping`, `tools/list`, `tools/call`. Most calls run in a thread of
their own, so calls do not wait for each other.

Ways, as arguments or as words of the environment variable MISBEHAVE:

    end-at-start=STATUS         exits before it reads anything
    end-at-start-unless=FILE    exits with status 1 before it reads anything, unless the file exists
    slow-start=SECONDS          sleeps first
    fork-at-start               leaves a process behind that holds the pipes, and exits with 0
    stderr-at-start=BYTES       writes so many bytes to standard error first, in lines of 100
    log-at-start=LINES          writes log lines on standard output first
    end-at-initialize=STATUS    exits when it reads `initialize`
    die-at-initialize=SIGNAL    kills itself when it reads `initialize`
    half-answer-to-initialize   writes half of the answer, and nothing after it
    no-answer-to-initialize     does not answer `initialize`
    error-at-initialize         answers `initialize` with error -32602
    ignore-sigterm              ignores SIGTERM, and the end of its standard input
    crlf                        ends each line with CRLF
    log=LINES                   writes log lines on standard output before each message

Its tools are in `tools.py`.
"""

import json
import os
import signal
import sys
import threading
import time

from jsonrpc import INFO, MODERN, VERSION_KEY, caching, encoded, error, result
from processes import die, start_process, write_stderr
from tools import IN_MAIN_THREAD, TOOLS, Call

REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


class Server:
    def __init__(self, ways):
        self.ways = ways
        self.line_end = b"\r\n" if "crlf" in ways else b"\n"
        self.lock = threading.Lock()
        self.is_silent = False
        self.ignores_end = "ignore-sigterm" in ways
        self.asked = {}
        self.asked_count = 0
        self.methods = []
        self.cancelled = []

    # Lines

    def write(self, data):
        with self.lock:
            if not self.is_silent:
                while data:
                    data = data[os.write(1, data):]

    def send(self, message, line_end=None):
        logs = b"a log line\n" * int(self.ways.get("log", 0))
        self.write(logs + encoded(message) + (line_end or self.line_end))

    def send_half(self, message):
        data = encoded(message)
        self.write(data[: len(data) // 2])
        self.is_silent = True

    def read_all(self):
        try:
            for line in sys.stdin.buffer:
                if line.strip():
                    message = json.loads(line)
                    for part in message if isinstance(message, list) else [message]:
                        self.read(part)
        except OSError:
            pass  # `close_stdin`
        while self.ignores_end:
            time.sleep(3600)

    def read(self, message):
        method, id = message.get("method"), message.get("id")
        if method is None:
            asked = self.asked.pop(id, None)
            if asked is not None:
                asked(message)
            return
        self.methods.append(method)
        params = message.get("params") or {}
        if method == "notifications/cancelled":
            self.cancelled.append(params.get("requestId"))
        elif id is None:
            pass
        elif method == "tools/call":
            call = Call(self, id, params)
            if call.name in IN_MAIN_THREAD:
                call.run()
            else:
                threading.Thread(target=call.run, daemon=True).start()
        else:
            self.answer(method, id, params)

    # Requests other than calls

    def answer(self, method, id, params):
        modern = (params.get("_meta") or {}).get(VERSION_KEY) == MODERN
        if method == "initialize":
            self.initialize(id, params)
        elif method == "ping":
            self.send(result(id, {}, modern))
        elif method == "tools/list":
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in sorted(TOOLS)]
            self.send(result(id, {"tools": tools, **(caching() if modern else {})}, modern))
        elif method == "server/discover" and modern:
            found = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, **caching()}
            self.send(result(id, found, modern))
        else:
            self.send(error(id, -32601, "Method not found"))

    def initialize(self, id, params):
        asked = params.get("protocolVersion")
        version = asked if asked in REVISIONS else REVISIONS[-1]
        capabilities = {"tools": {"listChanged": True}, "logging": {}}
        answer = result(id, {"protocolVersion": version, "capabilities": capabilities, "serverInfo": INFO})
        ways = self.ways
        if "end-at-initialize" in ways:
            os._exit(int(ways["end-at-initialize"]))
        elif "die-at-initialize" in ways:
            die(ways["die-at-initialize"])
        elif "half-answer-to-initialize" in ways:
            self.send_half(answer)
        elif "error-at-initialize" in ways:
            self.send(error(id, -32602, "Refused"))
        elif "no-answer-to-initialize" not in ways:
            self.send(answer)

    def ask(self, method, params, asked):
        with self.lock:
            self.asked_count += 1
            id = f"asked-{os.getpid()}-{self.asked_count}"
            self.asked[id] = asked
        self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


def start(ways):
    """What happens before anything is read."""
    if "ignore-sigterm" in ways:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "slow-start" in ways:
        time.sleep(float(ways["slow-start"]))
    if "stderr-at-start" in ways:
        write_stderr(int(ways["stderr-at-start"]))
    if "log-at-start" in ways:
        os.write(1, b"a log line\n" * int(ways["log-at-start"]))
    if "end-at-start" in ways:
        os._exit(int(ways["end-at-start"]))
    if "end-at-start-unless" in ways and not os.path.exists(ways["end-at-start-unless"]):
        os._exit(1)
    if "fork-at-start" in ways:
        start_process(3600)
        os._exit(0)


def main():
    words = sys.argv[1:] + os.environ.get("MISBEHAVE", "").split()
    ways = dict(word.partition("=")[::2] for word in words)
    start(ways)
    Server(ways).read_all()


if __name__ == "__main__":
    main()
