"""Runs a server on standard input and output, and records both directions.

    tap.py FOLDER COMMAND [ARGUMENT...]

Writes FOLDER/PID.in (what the server read) and FOLDER/PID.out (what it wrote), whole lines as they came. It ends with the server, and
passes SIGTERM on.
"""

import os
import signal
import subprocess
import sys
import threading
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
    folder = Path(sys.argv[1])
    server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())

    def forward() -> None:
        copy(0, server.stdin.fileno(), folder / f"{os.getpid()}.in")
        server.stdin.close()

    threading.Thread(target=forward, daemon=True).start()
    copy(server.stdout.fileno(), 1, folder / f"{os.getpid()}.out")
    return server.wait()


if __name__ == "__main__":
    # os._exit: the thread that reads standard input may still wait.
    os._exit(main() & 0xFF)
