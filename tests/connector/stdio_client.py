"""A plain client of `mcp-sidecar stdio -- COMMAND`: it writes and reads lines."""

import json
import os
import queue
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from support.sidecar import environment

DEADLINE = 90.0


class StdioClient:
    def __init__(self, command: list[str], log: Path, **settings: str) -> None:
        self.log_path = log
        with log.open("ab") as errors:
            self.child = subprocess.Popen(
                [os.environ["MCP_SIDECAR"], "stdio", *(["--", *command] if command else [])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
                env=environment(CONCURRENCY="1", **settings),
            )
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        self.next_id = 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.child.stdout:
            self.lines.put(line)
        self.lines.put(None)

    @property
    def pid(self) -> int:
        return self.child.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def write(self, text: bytes) -> None:
        self.child.stdin.write(text + b"\n")
        self.child.stdin.flush()

    def send(self, message: dict[str, Any]) -> None:
        self.write(json.dumps(message).encode())

    def message(self) -> dict[str, Any] | None:
        """The next message; None at the end of the output."""
        line = self.lines.get(timeout=DEADLINE)
        return None if line is None else json.loads(line)

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Sends a request, and returns its answer."""
        identity = self.begin(method, params)
        while (message := self.message()) is not None and message.get("id") != identity:
            pass
        return message

    def begin(self, method: str, params: dict[str, Any]) -> int:
        self.next_id += 1
        self.send({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params})
        return self.next_id

    def initialize(self, revision: str = "2025-11-25") -> dict[str, Any]:
        client = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "plain", "version": "1"}}
        answer = self.request("initialize", client)
        assert answer and "result" in answer, f"{answer}\n{self.log()}"
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    def call(self, tool: str, **arguments: Any) -> dict[str, Any] | None:
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def end(self) -> int:
        """Ends the input, and waits."""
        self.child.stdin.close()
        return self.child.wait(DEADLINE)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.child.wait(DEADLINE)

    def stop(self) -> None:
        """Ends whatever is left after a failed test."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait(DEADLINE)
