"""Many scrape targets in one thread. Each has its own address in 127.0.0.0/8; all have the same port."""

import asyncio
import threading
from collections.abc import Callable

from support.processes import free_port

MOST = 250


class Fleet:
    """`page(number)` returns the page of a sidecar, numbered from 0. It is called at each scrape."""

    def __init__(self, count: int, page: Callable[[int], bytes]) -> None:
        if count > MOST:
            raise ValueError(f"{count} sidecars are too many; allowed: at most {MOST}")
        self.page = page
        self.port = free_port()
        self.hosts = [f"127.0.1.{number + 1}" for number in range(count)]
        self.addresses = [f"{host}:{self.port}" for host in self.hosts]
        self.scrapes = [0] * count
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.connections: list[set[asyncio.StreamWriter]] = [set() for _ in range(count)]
        self.servers = [self.run(self.listen(number)) for number in range(count)]

    def run(self, what):
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    async def listen(self, number: int) -> asyncio.Server:
        return await asyncio.start_server(lambda reader, writer: self.serve(number, reader, writer), self.hosts[number], self.port)

    async def serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections[number].add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                body = self.page(number)
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
                self.scrapes[number] += 1
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.connections[number].discard(writer)
            writer.close()

    def end(self, number: int) -> None:
        """Simulates a crash of this sidecar: its connections are reset, and new ones are refused."""
        self.run(self.leave(number))

    async def leave(self, number: int) -> None:
        self.servers[number].close()
        for writer in self.connections[number]:
            writer.transport.abort()

    def close(self) -> None:
        for number in range(len(self.hosts)):
            self.end(number)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        self.loop.close()
