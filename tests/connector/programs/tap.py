"""Runs a server on standard input and output, and records both directions.

    tap.py FOLDER COMMAND [ARGUMENT...]

Writes FOLDER/TIME.in (what the server read) and FOLDER/TIME.out (what it wrote), with the time of its start. It ends with the server, and
passes SIGTERM on.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def copy(source: int, target: int, record: Path) -> None:
    """Copies until one end is closed."""
    with record.open("wb", buffering=0) as kept:
        try:
            while data := os.read(source, 65536):
                kept.write(data)
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(target, rest):]
        except BrokenPipeError:
            pass


def main() -> int:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    record = Path(sys.argv[1]) / str(time.time_ns())
    server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())

    def forward() -> None:
        copy(0, server.stdin.fileno(), record.with_suffix(".in"))
        server.stdin.close()

    threading.Thread(target=forward, daemon=True).start()
    copy(server.stdout.fileno(), 1, record.with_suffix(".out"))
    return server.wait()


if __name__ == "__main__":
    # os._exit: the thread that reads standard input may still wait.
    os._exit(main() & 0xFF)
