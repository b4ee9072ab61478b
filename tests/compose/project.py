"""The compose project as the tests start it: on free ports of the loopback address, and with a short scrape interval."""

import json
import subprocess
from pathlib import Path

from engine import ROOT, Engine, get
from support.processes import free_port

NAME = "mcp-observability-test"
BUILD_SECONDS = 1500
INTERVAL_MS = 2000
PORTS = ("PORT", "PROMETHEUS_PORT", "GRAFANA_PORT", "POSTGRES_MCP_PORT", "AGENT_MCP_PORT", "STDIO_MCP_PORT")


def config(**environment: str) -> subprocess.CompletedProcess[str]:
    """`docker compose config` with all profiles and only these settings. This needs no engine."""
    command = [str(get("docker-plugins") / "docker-compose"), "--file", str(ROOT / "docker-compose.yml"), "--profile", "*", "config"]
    return subprocess.run([*command, "--format=json"], env={"PATH": "/usr/bin:/bin"} | environment, capture_output=True, text=True, check=False)


def settings(**environment: str) -> dict:
    """The compose file as compose reads it."""
    done = config(**environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Project:
    """A compose project, which `up` starts."""

    def __init__(self, engine: Engine, name: str = NAME) -> None:
        self.engine = engine
        self.name = name
        self.ports = {name: free_port() for name in PORTS}
        engine.environment |= {name: str(port) for name, port in self.ports.items()}
        engine.environment |= {"OTEL_METRIC_EXPORT_INTERVAL": str(INTERVAL_MS)}

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Runs a `docker compose` command with all profiles, so that `down` finds all services."""
        return self.engine.run("compose", "--project-name", self.name, "--file", str(ROOT / "docker-compose.yml"), *arguments,
                               check=check, timeout=BUILD_SECONDS)

    def up(self, *profiles: str, only: tuple[str, ...] = ()) -> None:
        """Runs `docker compose up` until every service is healthy, or only these and those that they need."""
        begun = self.compose(*(f"--profile={profile}" for profile in profiles), "up", "--detach", "--wait", *only, check=False)
        assert begun.returncode == 0, f"{begun.stderr[-6000:]}\n{self.compose('logs', '--tail=30', check=False).stdout[-12000:]}"

    def url(self, port: str, path: str = "") -> str:
        """The URL of a published port on this machine."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def inspect(self, service: str) -> dict:
        """The engine's description of a service's container."""
        number = self.compose("--profile=*", "ps", "--all", "--quiet", service).stdout.strip()
        return json.loads(self.engine.run("inspect", number).stdout)[0]

    def address(self, service: str, network: str) -> str:
        """A container's own address, which this machine can reach without a published port."""
        return self.inspect(service)["NetworkSettings"]["Networks"][f"{self.name}_{network}"]["IPAddress"]

    def left(self) -> list[str]:
        """Containers, networks and volumes of the project that still exist."""
        label = f"--filter=label=com.docker.compose.project={self.name}"
        return [line for kind in (["ps", "--all"], ["network", "ls"], ["volume", "ls"])
                for line in self.engine.run(*kind, "--quiet", label).stdout.splitlines()]


def processes(pid: int) -> list[dict[str, str]]:
    """/proc/…/status of a container's first process and its descendants."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [status, *(below for child in children for below in processes(int(child)))]
