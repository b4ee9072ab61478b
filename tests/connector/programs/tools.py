"""The tools of `misbehaving.py`, with their arguments and their defaults.

Each answers with a text, unless the line says otherwise:

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
import sys
import time

from jsonrpc import MODERN, VERSION_KEY, encoded, error, result
from processes import die, start_process, write_stderr

# Requests of a server with usual params.
HELLO = {"role": "user", "content": {"type": "text", "text": "hello"}}
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
USUAL = {
    "sampling": ("sampling/createMessage", {"messages": [HELLO], "maxTokens": 10}),
    "elicitation": ("elicitation/create", {"message": "Sure?", "requestedSchema": SCHEMA}),
    "roots": ("roots/list", {}),
}


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
