"""An HTTP proxy that refuses some `tools/call`: it answers as a rate limit does, and passes everything else on."""

import json
import socket
import threading
from typing import Callable

from . import http1, messages

Answer = Callable[[dict | list], bytes]


class Refusing:
    """Refuses the calls whose numbers, from 1, are in `refused`."""

    def __init__(self, target_port: int, refused: set[int], answer: Answer) -> None:
        self.target_port, self.refused, self.answer = target_port, refused, answer
        self.calls = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """One request per connection."""
        with client:
            request = http1.read_request(client.makefile("rb"))
            message = json.loads(request.body) if request.body else {}
            if self.is_refused(message):
                client.sendall(self.answer(message))
                return
            with socket.create_connection(("127.0.0.1", self.target_port)) as server:
                headers = [(k, v) for k, v in request.head.headers if k.lower() != "connection"]
                server.sendall(http1.render(request.head.start, [*headers, ("connection", "close")]) + request.body)
                try:
                    while data := server.recv(65536):
                        client.sendall(data)
                except OSError:
                    pass

    def is_refused(self, message: dict | list) -> bool:
        first = message[0] if isinstance(message, list) else message
        if first.get("method") != "tools/call":
            return False
        with self.lock:
            self.calls += 1
            return self.calls in self.refused


def error(message: dict) -> dict:
    data = {"reason": "rate_limited", "rule": "calls", "retryAfterMs": 1000}
    text = "rate limit calls: try again in 1 s"
    return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32000, "message": text, "data": data}}


def refusal(message: dict | list, status: str = "429 Too Many Requests", extra=()) -> bytes:
    answers = [error(each) for each in message] if isinstance(message, list) else error(message)
    body = json.dumps(answers).encode()
    headers = [("retry-after", "1"), ("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close"), *extra]
    return http1.render(f"HTTP/1.1 {status}", headers) + body
