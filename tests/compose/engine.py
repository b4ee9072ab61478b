"""A separate Docker engine for the tests, with its own images, networks and containers. Needs root.

It keeps its images in the cache, so that a second run builds only what changed. Like every dockerd it does not remove the bridge
docker0 and its firewall rules at its end.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("MCP_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mcp-observability")
START_SECONDS = 60
STOP_SECONDS = 60
COMMAND_SECONDS = 120


class NoEngine(Exception):
    """No engine can run here; the message is the reason, in one line."""


def get(*name: str) -> Path:
    """The path that scripts/get.sh prints."""
    done = subprocess.run([ROOT / "scripts/get.sh", *name], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


class Engine:
    """The engine is ready when the constructor returns."""

    def __init__(self) -> None:
        refuse_impossible()
        # Short, because a socket's path has at most 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="mcp-engine-"))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "DOCKER_HOST": f"unix://{self.directory}/socket",
            "DOCKER_CONFIG": str(self.directory / "config"),
        }
        (self.directory / "config").mkdir()
        (self.directory / "config/cli-plugins").symlink_to(get("docker-plugins"))
        self.log = self.directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["dockerd", f"--data-root={CACHE}/docker", f"--exec-root={self.directory}/run", f"--pidfile={self.directory}/pid",
                 f"--host={self.environment['DOCKER_HOST']}"], stdout=log, stderr=log, start_new_session=True)
        self.wait()

    def wait(self) -> None:
        """Waits until the engine responds."""
        deadline = time.monotonic() + START_SECONDS
        while self.run("version", check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace").strip().splitlines()
                self.stop()
                raise NoEngine(f"dockerd does not start: {said[-1] if said else 'it said nothing'}")
            time.sleep(0.2)

    def run(self, *arguments: str, check: bool = True, timeout: float = COMMAND_SECONDS) -> subprocess.CompletedProcess:
        """Runs one `docker` command. The result has its output."""
        done = subprocess.run(["docker", *arguments], env=self.environment, text=True, capture_output=True, timeout=timeout,
                              check=False)
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(arguments)}: status {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")
        return done

    def stop(self) -> None:
        """Stops the engine and all containers. Images stay in the cache."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def refuse_impossible() -> None:
    """Raises if an engine cannot run here."""
    if os.geteuid() != 0:
        raise NoEngine("cannot run here: dockerd needs root")
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        raise NoEngine("cannot run here: this root may not mount")
    asked = subprocess.run([ROOT / "scripts/prerequisites.sh", "engine", "spaces"], check=False, stderr=subprocess.PIPE, text=True)
    if asked.returncode:
        raise NoEngine("; ".join(asked.stderr.splitlines()))
    pid = Path("/var/run/docker.pid")
    if pid.is_file() and Path(f"/proc/{pid.read_text().strip()}").exists():
        raise NoEngine("cannot run here: another dockerd does, and two would share their networks")
