"""An empty registry of images on the loopback interface, without TLS."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CRANE = os.environ.get("CRANE_BIN", "crane")


@contextmanager
def serve() -> Iterator[str]:
    """Starts a registry. Returns its name."""
    serving = subprocess.Popen([CRANE, "registry", "serve", "--address", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    try:
        assert serving.stderr is not None
        # It prints its port when it listens.
        line = next(line for line in serving.stderr if "serving on port" in line)
        # It writes a line for each request, and would wait once the pipe is full.
        threading.Thread(target=serving.stderr.read, daemon=True).start()
        yield f"127.0.0.1:{line.split()[-1]}"
    finally:
        serving.kill()
        serving.wait()
