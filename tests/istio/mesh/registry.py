"""A registry with the module's image in it, put there as the last lines of `make image` say."""

import os
import subprocess
from pathlib import Path

from support.peers import ROOT, get
from support.processes import Process, accepts, free_port, wait_for

PUSH = "  oras copy "


class Registry:
    """Serves once the constructor returns; `image` is the URL for a plugin, by digest."""

    def __init__(self, directory: Path, module: Path) -> None:
        port = free_port()
        command = [get("crane"), "registry", "serve", f"--address=127.0.0.1:{port}"]
        self.process = Process(command, directory / "registry.log", dict(os.environ))
        try:
            wait_for("the registry to listen", lambda: accepts(port), process=self.process)
            printed = run(str(ROOT / "scripts/image.sh"), str(directory / "layout"), MCP_FILTER_WASM=str(module))
            (push,) = [line for line in printed.splitlines() if line.startswith(PUSH)]
            arguments = push.removeprefix(PUSH).replace("REGISTRY", f"127.0.0.1:{port}").split()
            run(get("oras"), "copy", "--to-plain-http", *arguments)
        except BaseException:
            self.stop()
            raise
        (digest,) = [line.split()[1] for line in printed.splitlines() if line.startswith("image ")]
        self.repository = f"oci://{arguments[-1].rpartition(':')[0]}"
        self.image = f"{self.repository}@{digest}"

    def stop(self) -> None:
        self.process.stop()


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
