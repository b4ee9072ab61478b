"""Keeps the weather server and the sidecar running on the newest code that compiles. Called by scripts/dev.sh.

After a change it builds what changed and restarts what was rebuilt. What does not compile is reported by the compiler,
and the last good build goes on serving.
"""

import os
import subprocess
import sys
from pathlib import Path

from stack import ROOT, Process, StackError, end_on_signals, free_ports, start_sidecar, start_weather
from watchfiles import watch

RUST = [ROOT / "filter", ROOT / "envoy", ROOT / "Cargo.toml", ROOT / "Cargo.lock"]
WEATHER = ROOT / "examples/weather"


def build() -> bool:
    """Builds filter and launcher; False if one does not compile."""
    print("Building the filter and the launcher", flush=True)
    script = ROOT / "scripts/build-filter.sh"
    module = subprocess.run([script], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    launcher = [ROOT / "scripts/build-sidecar.sh"]
    if module.returncode or subprocess.run(launcher, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode:
        print("The build fails; waiting for the next change", file=sys.stderr, flush=True)
        return False
    os.environ["MCP_FILTER_WASM"] = module.stdout.strip()
    return True


class Stack:
    """Both processes; None while one cannot start."""

    def __init__(self, port: int, probe_port: int, admin_port: int):
        self.ports = (port, probe_port, admin_port)
        [self.upstream_port] = free_ports(1)
        self.weather: Process | None = None
        self.sidecar: Process | None = None

    def restart_weather(self) -> None:
        if self.weather:
            self.weather.stop()
        self.weather = self.started(lambda: start_weather(self.upstream_port))

    def restart_sidecar(self) -> None:
        if self.sidecar:
            self.sidecar.stop()
        self.sidecar = self.started(lambda: start_sidecar(self.upstream_port, *self.ports))
        if self.sidecar:
            port, probe_port, _ = self.ports
            print(f"Serving http://127.0.0.1:{port}/mcp, metrics at http://127.0.0.1:{probe_port}/metrics", flush=True)

    @staticmethod
    def started(start) -> Process | None:
        """The process that `start` starts. On failure prints the reason and returns None: the next change may fix it."""
        try:
            return start()
        except StackError as error:
            print(f"dev: {error}", file=sys.stderr, flush=True)
            return None

    def stop(self) -> None:
        for process in (self.sidecar, self.weather):
            if process:
                process.stop()


def follow(stack: Stack) -> None:
    """Builds and starts; repeats that after each change."""
    stack.restart_weather()
    if build():
        stack.restart_sidecar()
    for changes in watch(*RUST, WEATHER):
        changed = {Path(path) for _, path in changes}
        if any(path.is_relative_to(WEATHER) for path in changed):
            print("Restarting the weather server", flush=True)
            stack.restart_weather()
        if any(not path.is_relative_to(WEATHER) for path in changed) and build():
            stack.restart_sidecar()


def main() -> None:
    end_on_signals()
    port, probe_port, admin_port = (int(os.environ.get(name) or default)
                                    for name, default in (("PORT", 4000), ("PROBE_PORT", 9902), ("ADMIN_PORT", 9901)))
    stack = Stack(port, probe_port, admin_port)
    try:
        follow(stack)
    except KeyboardInterrupt:
        pass
    finally:
        stack.stop()


main()
