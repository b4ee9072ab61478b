"""A scrape target that serves exactly the page of a test."""

import http.server
import threading
from collections.abc import Callable


class Target:
    """`page` is the next page, or a function that gets the number of the scrape, from 1."""

    def __init__(self, page: str | Callable[[int], str] = "") -> None:
        self.page = page
        self.scrapes = 0
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                number = target.scrapes + 1
                body = (target.page if isinstance(target.page, str) else target.page(number)).encode()
                target.scrapes = number
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
