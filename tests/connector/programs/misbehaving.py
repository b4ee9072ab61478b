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

Tools, with their arguments and their defaults. Each answers with a text, unless the line says otherwise:

    echo            text=""                  the text
    who                                      JSON: pid, ppid, pgid, cwd, arguments, descriptors (number -> target)
    environment                              JSON: all variables
    seen                                     JSON: methods of all messages that were read, and ids of all that were cancelled
    slow            seconds=1                waits, then answers "slow"
    error           code=-32000 message=""   answers with a JSON-RPC error
    tool_error                               answers with `isError`
    exit            status=0                 exits without an answer
    die             signal=9                 kills itself without an answer; the signal is a number or a name such as "SIGSEGV"
    close_stdout    seconds=3600             closes standard output without an answer, and lives on
    close_stdin                              closes standard input, then answers "closed"
    half_line       then="stop"              writes half of the answer, then "stop"s writing, or "exit"s with 0
    log             lines=1 text="a log line"    writes lines that are no JSON on standard output, then answers "logged"
    blank           lines=1                  writes blank lines, then answers "blank"
    json            text="[1]"               writes this line, then answers "written"
    crlf            text=""                  the text; the line ends with CRLF
    batch           text=""                  the text; the answer stands in an array
    stderr          bytes=65536 line=100     writes so many bytes to standard error, in lines of so many, then answers "written"
    stderr_text     text=""                  writes the text to standard error as it is, then answers "written"
    long            bytes=66000              answers with a line of exactly so many bytes, its line break not counted
    never                                    no answer
    twice           text=""                  the text, two times
    unknown_id      text=""                  an answer with an id that no request had, then the text
    ask             method="roots/list" params={}    sends this request to the client, and answers with the JSON of its response
    sampling, elicitation, roots             the same, with usual params
    ask_unanswered  method="roots/list" params={}    sends this request, and answers "asked" without waiting
    notify          method="notifications/message" params={} count=1    sends notifications, then answers "notified"
    later           seconds=1 method="notifications/message" params={}    answers "later", then waits and sends a notification
    progress        steps=3 seconds=0        sends so many progress notifications (if the request has a token), waits before each
    fork            seconds=3600 group=true  starts a process that holds all pipes, in this process group or one of its own, and
                                             answers with its pid
    fork_and_exit   seconds=3600 group=true status=0    the same, and exits without an answer; the pid is on standard error:
                                             "forked PID"
    ignore_sigterm                           from now on SIGTERM and the end of standard input are ignored; answers "ignored"
    stop_reading    seconds=3600             reads no more for so long; answers "stopped"
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
MODERN = "2026-07-28"
INFO = {"name": "misbehaving", "version": "1"}
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"

# Requests of a server with usual params.
HELLO = {"role": "user", "content": {"type": "text", "text": "hello"}}
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
USUAL = {
    "sampling": ("sampling/createMessage", {"messages": [HELLO], "maxTokens": 10}),
    "elicitation": ("elicitation/create", {"message": "Sure?", "requestedSchema": SCHEMA}),
    "roots": ("roots/list", {}),
}


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


class Call:
    """One `tools/call`."""

    def __init__(self, server, id, params):
        self.server, self.id = server, id
        self.name = params.get("name")
        self.arguments = params.get("arguments") or {}
        meta = params.get("_meta") or {}
        self.token = meta.get("progressToken")
        self.modern = meta.get(VERSION_KEY) == MODERN

    def get(self, name, default):
        return self.arguments.get(name, default)

    def run(self):
        tool = TOOLS.get(self.name)
        if tool is None:
            self.server.send(error(self.id, -32602, f"Unknown tool: {self.name}"))
            return
        text = tool(self)
        if text is not None:
            self.server.send(self.result(text))

    def result(self, text, is_error=False):
        return result(self.id, {"content": [{"type": "text", "text": text}], "isError": is_error}, self.modern)

    def notify(self, method, params):
        self.server.send({"jsonrpc": "2.0", "method": method, "params": params})

    def notify_as_told(self, data):
        self.notify(self.get("method", "notifications/message"), self.get("params", {"level": "info", "data": data}))

    # Tools: each returns the text of its answer, or answers itself.

    def echo(self):
        return self.get("text", "")

    def who(self):
        descriptors = {}
        for number in os.listdir("/proc/self/fd"):
            try:
                descriptors[number] = os.readlink(f"/proc/self/fd/{number}")
            except OSError:
                pass  # That of the directory itself.
        ids = {"pid": os.getpid(), "ppid": os.getppid(), "pgid": os.getpgid(0)}
        return json.dumps({**ids, "cwd": os.getcwd(), "arguments": sys.argv[1:], "descriptors": descriptors})

    def environment(self):
        return json.dumps(dict(os.environ))

    def seen(self):
        return json.dumps({"methods": self.server.methods, "cancelled": self.server.cancelled})

    def slow(self):
        time.sleep(self.get("seconds", 1))
        return "slow"

    def error(self):
        self.server.send(error(self.id, self.get("code", -32000), self.get("message", "")))

    def tool_error(self):
        self.server.send(self.result("an error of the tool", is_error=True))

    def exit(self):
        os._exit(self.get("status", 0))

    def die(self):
        die(self.get("signal", 9))

    def close_stdout(self):
        with self.server.lock:
            self.server.is_silent = True
            os.close(1)
        self.server.ignores_end = True
        time.sleep(self.get("seconds", 3600))
        os._exit(0)

    def close_stdin(self):
        os.close(0)
        self.server.ignores_end = True
        return "closed"

    def half_line(self):
        self.server.send_half(self.result("half a line"))
        if self.get("then", "stop") == "exit":
            os._exit(0)

    def log(self):
        self.server.write(f"{self.get('text', 'a log line')}\n".encode() * self.get("lines", 1))
        return "logged"

    def blank(self):
        self.server.write(b"\n" * self.get("lines", 1))
        return "blank"

    def json(self):
        self.server.write(self.get("text", "[1]").encode() + b"\n")
        return "written"

    def crlf(self):
        self.server.send(self.result(self.get("text", "")), line_end=b"\r\n")

    def batch(self):
        self.server.send([self.result(self.get("text", ""))])

    def stderr(self):
        write_stderr(self.get("bytes", 65536), self.get("line", 100))
        return "written"

    def stderr_text(self):
        os.write(2, self.get("text", "").encode())
        return "written"

    def long(self):
        rest = self.get("bytes", 66000) - len(encoded(self.result("")))
        return "x" * rest

    def never(self):
        pass

    def twice(self):
        self.server.send(self.result(self.get("text", "")))
        return self.get("text", "")

    def unknown_id(self):
        self.server.send(result("an id that no request had", {"content": []}))
        return self.get("text", "")

    def ask(self):
        self.ask_client(self.get("method", "roots/list"), self.get("params", {}))

    def ask_usual(self):
        self.ask_client(*USUAL[self.name])

    def ask_client(self, method, params):
        self.server.ask(method, params, lambda response: self.server.send(self.result(json.dumps(response))))

    def ask_unanswered(self):
        self.server.ask(self.get("method", "roots/list"), self.get("params", {}), lambda response: None)
        return "asked"

    def notify_client(self):
        for _ in range(self.get("count", 1)):
            self.notify_as_told("hello")
        return "notified"

    def later(self):
        self.server.send(self.result("later"))
        time.sleep(self.get("seconds", 1))
        self.notify_as_told("later")

    def progress(self):
        steps = self.get("steps", 3)
        for step in range(1, steps + 1):
            time.sleep(self.get("seconds", 0))
            if self.token is not None:
                self.notify("notifications/progress", {"progressToken": self.token, "progress": step, "total": steps})
        return "done"

    def fork(self):
        return str(self.start_process())

    def fork_and_exit(self):
        os.write(2, f"forked {self.start_process()}\n".encode())
        os._exit(self.get("status", 0))

    def start_process(self):
        return start_process(self.get("seconds", 3600), self.get("group", True))

    def ignore_sigterm(self):
        self.server.ignores_end = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return "ignored"

    def stop_reading(self):
        self.server.send(self.result("stopped"))
        time.sleep(self.get("seconds", 3600))


NOT_TOOLS = {"get", "run", "result", "notify", "ask_usual", "ask_client", "notify_client", "notify_as_told",
             "start_process"}
TOOLS = {
    **{name: method for name, method in vars(Call).items() if name not in NOT_TOOLS and not name.startswith("_")},
    **{name: Call.ask_usual for name in USUAL},
    "notify": Call.notify_client,
}

# They change how signals are handled, which Python allows only there, or how standard input is read.
IN_MAIN_THREAD = {"die", "close_stdin", "ignore_sigterm", "stop_reading"}


# Messages


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


# Processes


def die(which):
    number = getattr(signal, which) if str(which).startswith("SIG") else int(which)
    if number != signal.SIGKILL and number != signal.SIGSTOP:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    time.sleep(3600)


def start_process(seconds, group=True):
    """Starts a process that holds the pipes. Returns its pid."""
    code = f"import time; time.sleep({seconds})"
    started = subprocess.Popen([sys.executable, "-c", code], stdin=0, stdout=1, stderr=2, start_new_session=not group)
    return started.pid


def write_stderr(count, line=100):
    text = (b"e" * (line - 1) + b"\n") * (count // line) + b"e" * (count % line)
    while text:
        text = text[os.write(2, text):]


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
