"""A registry with the module's image, which was pushed with the command that `make image` prints."""

import os
import subprocess
from pathlib import Path

from support.peers import ROOT, get
from support.processes import Process, accepts, free_port, wait_for

PUSH = "  oras copy "


class Registry:
    """It serves when the constructor returns. `image` is the URL for a plugin, with the digest."""

    def __init__(self, directory: Path, module: Path) -> None:
        self.directory, self.port = directory, free_port()
        command = [get("crane"), "registry", "serve", f"--address=127.0.0.1:{self.port}"]
        self.process = Process(command, directory / "registry.log", dict(os.environ))
        try:
            wait_for("the registry to listen", lambda: accepts(self.port), process=self.process)
            self.image = self.put(module)
        except BaseException:
            self.stop()
            raise
        self.repository = self.image.partition("@")[0]

    def put(self, module: Path) -> str:
        """Pushes the image of a module."""
        printed = run(str(ROOT / "scripts/image.sh"), str(self.directory / "layout"), MCP_FILTER_WASM=str(module))
        (push,) = [line for line in printed.splitlines() if line.startswith(PUSH)]
        arguments = push.removeprefix(PUSH).replace("REGISTRY", f"127.0.0.1:{self.port}").split()
        run(get("oras"), "copy", "--to-plain-http", *arguments)
        (digest,) = [line.split()[1] for line in printed.splitlines() if line.startswith("image ")]
        return f"oci://{arguments[-1].rpartition(':')[0]}@{digest}"

    def stop(self) -> None:
        self.process.stop()


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
