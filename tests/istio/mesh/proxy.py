"""A proxy as in a pod: Istio's agent writes Envoy's bootstrap, starts Envoy, and forwards its configuration from istiod.

Envoy is the project's own, not Istio's build. The agent gets what a pod gives it: variables, and the files of the downward
API, a token and the mesh's root certificate in its working directory; with them it gets its own certificate. No traffic is
captured: as a sidecar it listens where a `Sidecar` resource says.
"""

import json
import os
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import scrape
from support.peers import get
from support.processes import Process, free_port, wait_for
from support.series import Series

from .istiod import ACCOUNT, Istiod, answers
from .manifests import NAMESPACE, injected_annotations

START_DEADLINE = 60.0
WORKERS = 2
# The name in the certificate of istiod, which is used with any address.
AUTHORITY = "istiod.istio-system.svc"
ROOT_CERTIFICATE, TOKEN = "var/run/secrets/istio/root-cert.pem", "var/run/secrets/tokens/istio-token"
# The agent keeps modules in a folder with a fixed name, which exists in its container. Here it runs in a separate mount
# namespace that has the folder. The file system of the machine does not change, and the tests need no root.
OWN_DATA = ["unshare", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs none /var/lib && mkdir -p /var/lib/istio/data && exec "$@"', "sh"]


class Proxy:
    """It is ready when the constructor returns, with a first configuration from istiod."""

    def __init__(
        self, istiod: Istiod, directory: Path, name: str, kind: str = "router", app: str = "",
        annotations: dict[str, str] | None = None, metrics_port: int = 0, **settings: object,
    ) -> None:
        """`kind` is router or sidecar. `app` is its label, by default its name. `settings` change the mesh's settings of proxies."""
        directory = directory / name
        labels = {"app": app or name}
        annotations = injected_annotations() if annotations is None else annotations
        address = istiod.create_pod(name, labels, annotations)
        write_downward(directory, labels, annotations)
        for file, content in zip((ROOT_CERTIFICATE, TOKEN), istiod.identity(), strict=True):
            (directory / file).parent.mkdir(parents=True)
            (directory / file).write_text(content)
        self.admin_port, self.agent_port, self.ready_port = free_port(), free_port(), free_port()
        self.metrics_port = metrics_port or free_port()
        config = istiod.proxy_config(
            binaryPath=get("envoy"), configPath=str(directory / "proxy"), proxyAdminPort=self.admin_port,
            statusPort=self.agent_port, concurrency=WORKERS, terminationDrainDuration="0s", **settings,
        )
        command = [
            *OWN_DATA, "env", f"--chdir={directory}", f"{get('istio')}/pilot-agent", "proxy", kind,
            f"--domain={NAMESPACE}.svc.cluster.local", f"--templateFile={get('istio')}/envoy_bootstrap.json",
            "--proxyLogLevel=warning", "--proxyComponentLogLevel=wasm:info",
        ]
        self.process = Process(command, directory / "proxy.log", {
            "PATH": os.environ["PATH"], "HOME": str(directory), "PROXY_CONFIG": json.dumps(config),
            "POD_NAME": name, "POD_NAMESPACE": NAMESPACE, "INSTANCE_IP": address, "SERVICE_ACCOUNT": ACCOUNT,
            "ISTIO_META_CLUSTER_ID": "Kubernetes", "ISTIO_META_WORKLOAD_NAME": name, "ISTIO_META_INTERCEPTION_MODE": "NONE",
            "CA_ADDR": f"127.0.0.1:{istiod.authority_port}", "CA_ROOT_CA": str(directory / ROOT_CERTIFICATE), "ISTIOD_SAN": AUTHORITY,
            "ENVOY_PROMETHEUS_PORT": str(self.metrics_port), "ENVOY_STATUS_PORT": str(self.ready_port),
        })
        try:
            wait_for(f"{name} to be ready", self.ready, START_DEADLINE, self.process)
        except BaseException:
            self.stop()
            raise

    def ready(self) -> bool:
        return answers(f"http://127.0.0.1:{self.ready_port}/healthz/ready")

    def admin(self, path: str) -> str:
        return scrape.fetch(f"http://127.0.0.1:{self.admin_port}{path}")

    def stats(self, pattern: str) -> dict[str, int]:
        """The counters and gauges by their full names."""
        found = json.loads(self.admin(f"/stats?format=json&filter={pattern}"))["stats"]
        return {entry["name"]: entry["value"] for entry in found if "name" in entry}

    def page(self) -> str:
        """The page of the proxy that Prometheus scrapes (port 15090 of a pod)."""
        return scrape.fetch(f"http://127.0.0.1:{self.metrics_port}/stats/prometheus")

    def merged_page(self) -> str:
        """The page of the pod (port 15020)."""
        return scrape.fetch(f"http://127.0.0.1:{self.agent_port}/stats/prometheus")

    def samples(self) -> dict[Series, float]:
        return scrape.parse(self.page())

    def plugins(self) -> dict[str, int]:
        """How often each plugin's configuration was accepted (`reload`) and refused (`fail`)."""
        counts = {"config_reload": 0, "config_fail": 0}
        for name, value in self.stats(r"^extension_config_discovery\..*config_(reload|fail)$").items():
            counts[name.rpartition(".")[2]] += value
        return counts

    def listens(self, port: int) -> bool:
        """Whether Envoy serves a listener on this port: it has its routes, and its plugins if it needs any."""
        try:
            found = json.loads(self.admin("/listeners?format=json")).get("listener_statuses", [])
        except (urllib.error.URLError, OSError):
            return False
        return any(each["local_address"].get("socket_address", {}).get("port_value") == port for each in found)

    def serve(self, port: int) -> None:
        wait_for(f"a listener on {port}", lambda: self.listens(port), START_DEADLINE, self.process)

    def stop(self) -> None:
        self.process.stop()


@contextmanager
def serving(
    istiod: Istiod, applied: list[dict], port: int, directory: Path, name: str, kind: str = "router", **options: Any,
) -> Iterator[Proxy]:
    """Applies these resources, and starts a proxy that serves the port by them. Deletes them after the proxy has stopped."""
    istiod.apply(*applied)
    proxy = Proxy(istiod, directory, name, kind, **options)
    try:
        proxy.serve(port)
        yield proxy
    finally:
        proxy.stop()
        istiod.delete(*applied)


def write_downward(directory: Path, labels: dict[str, str], annotations: dict[str, str]) -> None:
    """Writes the files of the downward API that the injected container mounts."""
    files = directory / "etc/istio/pod"
    files.mkdir(parents=True)
    for name, pairs in (("labels", labels), ("annotations", annotations)):
        lines = [f"{key}={json.dumps(value)}" for key, value in pairs.items()]
        (files / name).write_text("\n".join(lines))
