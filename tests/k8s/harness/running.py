"""Runs a pod's containers as processes of this machine, with their commands, arguments, variables, files and probes, in the order in
which a kubelet starts and ends them.

What it cannot show: users, capabilities, read-only filesystems, limits of memory, the network between pods. Ports are other
ones, because this machine may have them taken. The collector is the one of scripts/get.sh in place of the contrib image.
"""

import os
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from support.peers import ROOT, get
from support.processes import Process, free_port, wait_for

from .manifests import containers

# The pod's address. Programs that listen on loopback only cannot be reached here.
POD_IP = "127.0.0.2"
START_DEADLINE = 90.0
# The path of the launcher in the sidecar's image. Here it has another path.
LAUNCHER = "/usr/local/bin/mcp-sidecar"
# The default ports of the programs, and the variables that change them.
DEFAULT_PORTS = {
    "sidecar": {"PORT": 4000, "PROBE_PORT": 9902, "ADMIN_PORT": 9901},
    "collector": {
        "COLLECTOR_METRICS_PORT": 8889, "COLLECTOR_OWN_METRICS_PORT": 8888, "COLLECTOR_HEALTH_PORT": 13133,
        "COLLECTOR_OTLP_GRPC_PORT": 4317, "COLLECTOR_OTLP_HTTP_PORT": 4318,
    },
}


def programs() -> dict[str, list[str]]:
    """The program of each container's image. The weather server represents any server."""
    return {
        "collector": [get("collector")],
        "sidecar": [os.environ["MCP_SIDECAR"]],
        "server": [get("python", "weather"), str(ROOT / "examples/weather/server.py")],
    }


def image_variables() -> dict[str, dict[str, str]]:
    """The variables of each container's image."""
    return {"sidecar": {"ENVOY_BIN": get("envoy"), "MCP_FILTER_WASM": os.environ["MCP_FILTER_WASM"]}}


class RunningPod:
    """A running pod. It is ready when the constructor returns."""

    def __init__(self, pod: dict, manifests: list[dict], directory: Path, secrets: dict[str, str]) -> None:
        """`secrets` has the values of secrets by key."""
        self.spec = pod["spec"]
        self.directory = directory
        self.secrets = secrets
        self.containers = containers(self.spec)
        self.maps = {each["metadata"]["name"]: each["data"] for each in manifests if each["kind"] == "ConfigMap"}
        self.ports = {port: free_port() for port in self._declared_ports()}
        self.processes: dict[str, Process] = {}
        try:
            for name, container in self.containers.items():
                self._start(name, container)
            for name, container in self.containers.items():
                if "readinessProbe" in container:
                    self._await(name, container["readinessProbe"])
        except BaseException:
            self.kill()
            raise

    def _declared_ports(self) -> set[int]:
        ports = {port for name, defaults in DEFAULT_PORTS.items() if name in self.containers for port in defaults.values()}
        return ports | self.server_ports()

    def server_ports(self) -> set[int]:
        """The ports of the server, if it is in this pod."""
        return {int(self._variables("server")["PORT"])} if "server" in self.containers else set()

    def _variables(self, name: str) -> dict[str, str]:
        """The variables as a kubelet sets them. A value may refer to earlier ones as $(NAME)."""
        variables: dict[str, str] = {}
        for each in self.containers[name]["env"]:
            source = each.get("valueFrom", {})
            if source.get("fieldRef", {}).get("fieldPath") == "status.podIP":
                value = POD_IP
            elif "secretKeyRef" in source:
                value = self.secrets[source["secretKeyRef"]["key"]]
            else:
                value = each["value"]
            variables[each["name"]] = re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], value)
        return variables

    def _here(self, name: str, text: str) -> str:
        """Replaces the container's ports and paths in a value by those of this machine."""
        text = re.sub(r"\b\d{4,5}\b", lambda number: str(self.ports.get(int(number[0]), number[0])), text)
        mounts = {mount["mountPath"]: mount["name"] for mount in self.containers[name].get("volumeMounts", [])}
        if not mounts:
            return text
        # In one pass, because paths of this machine may contain the path of another mount.
        return re.sub("|".join(map(re.escape, mounts)), lambda path: str(self._volume(mounts[path[0]])), text)

    def _volume(self, name: str) -> Path:
        """The directory of a volume, with the files of a ConfigMap."""
        directory = self.directory / "volumes" / name
        if not directory.exists():
            directory.mkdir(parents=True)
            volume = next(each for each in self.spec["volumes"] if each["name"] == name)
            for file, text in self.maps.get(volume.get("configMap", {}).get("name"), {}).items():
                (directory / file).write_text(text, encoding="utf-8")
        return directory

    def environment(self, name: str) -> dict[str, str]:
        ports = {variable: str(self.ports[port]) for variable, port in DEFAULT_PORTS.get(name, {}).items()}
        own = {variable: self._here(name, value) for variable, value in self._variables(name).items()}
        # The root is read-only, so a container without such a mount cannot write temporary files.
        temporary = self._here(name, "/tmp")
        own["TMPDIR"] = temporary if temporary != "/tmp" else "/nonexistent"
        return {"PATH": os.environ["PATH"]} | image_variables().get(name, {}) | ports | own

    def command(self, name: str) -> list[str]:
        container = self.containers[name]
        return container.get("command", programs()[name]) + [self._here(name, argument) for argument in container.get("args", [])]

    def _start(self, name: str, container: dict) -> None:
        self.processes[name] = Process(self.command(name), self.directory / f"{name}.log", self.environment(name))
        if "startupProbe" in container:
            self._await(name, container["startupProbe"])

    def _await(self, name: str, probe: dict) -> None:
        process = self.processes[name]
        wait_for(f"{name} to answer its probe", lambda: self._succeeds(name, probe), START_DEADLINE, process)

    def _succeeds(self, name: str, probe: dict) -> bool:
        request = probe["httpGet"]
        port = next(each["containerPort"] for each in self.containers[name]["ports"] if each["name"] == request["port"])
        try:
            with urllib.request.urlopen(self.url(port, request["path"]), timeout=probe.get("timeoutSeconds", 1)) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def is_well(self, name: str) -> bool:
        """Whether the container's liveness probe succeeds, before it has failed so often that a kubelet restarts the container."""
        probe = self.containers[name]["livenessProbe"]
        return any(self._succeeds(name, probe) for _ in range(probe.get("failureThreshold", 3)))

    def url(self, port: int, path: str = "/") -> str:
        """A page at one of the pod's ports."""
        return f"http://{POD_IP}:{self.ports[port]}{path}"

    def prestop(self, name: str) -> subprocess.CompletedProcess[str]:
        """The command of the container's preStop hook, which runs in the container."""
        program, *arguments = self.containers[name]["lifecycle"]["preStop"]["exec"]["command"]
        command = [os.environ["MCP_SIDECAR"] if program == LAUNCHER else program, *arguments]
        return subprocess.run(command, env=self.environment(name), capture_output=True, text=True, timeout=60)

    def end(self, name: str) -> int:
        """Sends SIGTERM. Returns the exit status."""
        self.processes[name].terminate()
        return self.processes[name].wait()

    def kill(self) -> None:
        for process in reversed(self.processes.values()):
            process.stop()
