"""A server for many concurrent connections, with one thread and one event loop.

`/stream` starts a stream that never ends. All other paths respond to a call and keep the connection open until it was idle for
`idle_s`.
"""

import asyncio
import ssl
import threading

from .cases import RESULT

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\n: begin\n\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(RESULT), RESULT)
BACKLOG = 4096


class WaitingServer:
    """Listens on a free port of 127.0.0.1 once the constructor returns."""

    def __init__(self, idle_s: float | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.idle_s = idle_s
        self.loop = asyncio.new_event_loop()
        start = asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=BACKLOG, ssl=tls)
        self.server = self.loop.run_until_complete(start)
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.idle_s)
                length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
                await reader.readexactly(int(length.partition(b":")[2]))
                is_stream = head.split(b" ")[1] == b"/stream"
                writer.write(STREAM if is_stream else ANSWER)
                await writer.drain()
                if is_stream:
                    await reader.read()
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, OSError):
            pass
        finally:
            writer.close()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
