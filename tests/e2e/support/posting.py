"""HTTP libraries of SDKs that post the same `initialize` several times."""

import json
import subprocess

from .clients import DRIVERS
from .peers import NODE, clean_env, get

# The Python environment and the HTTP version of httpx; None means Node's fetch. httpx sends headers and body in two segments.
LIBRARIES = {
    "httpx": ("mcp-old", "http1"),
    "httpx2": ("e2e", "http1"),
    "httpx2 with HTTP/2": ("e2e", "http2"),
    "Node's fetch": None,
}


def post(library: str, port: int, times: int) -> list[int]:
    """The statuses of the responses."""
    url = f"http://127.0.0.1:{port}/mcp"
    if LIBRARIES[library] is None:
        program = ["node", str(NODE / "post.mjs"), url, str(times)]
    else:
        environment, version = LIBRARIES[library]
        program = [get("python", environment), str(DRIVERS / "post_httpx.py"), url, str(times), version]
    done = subprocess.run(program, capture_output=True, text=True, timeout=180, env=clean_env())
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
