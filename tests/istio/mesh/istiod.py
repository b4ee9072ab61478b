"""istiod, the control plane, on the API server of `harness.cluster`. It makes the configuration of proxies from resources.

It is the mesh's certificate authority too, for proxies that show it a token; its configuration they get in plain text. Without
Istio's own filters (`PILOT_ENABLE_METADATA_EXCHANGE`, `PILOT_ENABLE_ALPN_FILTER`, no metrics provider), which only Istio's own build of
Envoy has. Nothing else of a mesh runs: no injection, no traffic capture, no ztunnel.
"""

import base64
import copy
import json
import os
import urllib.error
import urllib.request
from pathlib import Path

from harness.cluster import Cluster, must
from support.peers import get
from support.processes import Process, free_port, wait_for

from .manifests import NAMESPACE, mesh_config, text

SYSTEM = "istio-system"
START_DEADLINE = 180.0
# The service account of each proxy, and its address, from a range that is reserved for documentation.
ACCOUNT = "default"
ADDRESS = "198.51.100.{}"


class Istiod:
    """Started and ready once the constructor returns."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.proxies = 0
        self.port, self.http_port, self.authority_port = free_port(), free_port(), free_port()
        self.config = mesh_config()
        self.config |= {"defaultProviders": {}}
        self.config["defaultConfig"] |= {"discoveryAddress": f"127.0.0.1:{self.port}", "controlPlaneAuthPolicy": "NONE"}
        for name in (SYSTEM, NAMESPACE):
            cluster.create_namespace(name)
        file = directory / "mesh.json"
        file.write_text(json.dumps(self.config))
        self.process = Process([
            f"{get('istio')}/pilot-discovery", "discovery", f"--kubeconfig={cluster.kubeconfig}", f"--meshConfig={file}",
            "--networksConfig=/dev/null", "--httpsAddr=", f"--secureGRPCAddr=127.0.0.1:{self.authority_port}", "--monitoringAddr=", "--ctrlz_port=0",
            f"--grpcAddr=127.0.0.1:{self.port}", f"--httpAddr=127.0.0.1:{self.http_port}",
        ], directory / "istiod.log", {
            "PATH": os.environ["PATH"], "HOME": str(directory), "POD_NAMESPACE": SYSTEM, "POD_NAME": "istiod",
            "PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false",
            # A value of the profile `ambient` of Istio's chart.
            "PILOT_ENABLE_AMBIENT": "true",
        })
        try:
            wait_for("istiod to be ready", lambda: answers(f"http://127.0.0.1:{self.http_port}/ready"), START_DEADLINE, self.process)
        except BaseException:
            self.stop()
            raise

    def apply(self, *documents: dict) -> None:
        must(self.cluster.apply("-f-", text=text(*documents)))

    def delete(self, *documents: dict) -> None:
        must(self.cluster.kubectl("delete", "--ignore-not-found", "-f-", text=text(*documents)))

    def proxy_config(self, **changes: object) -> dict:
        """The part of the mesh's configuration that injection gives to each proxy."""
        return copy.deepcopy(self.config["defaultConfig"]) | changes

    def create_pod(self, name: str, labels: dict[str, str], annotations: dict[str, str]) -> str:
        """Creates the pod with the status of a running pod. Returns its address."""
        self.proxies += 1
        address = ADDRESS.format(self.proxies)
        metadata = {"name": name, "namespace": NAMESPACE, "labels": labels, "annotations": annotations}
        container = {
            "name": "istio-proxy", "image": "none",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        spec = {
            "serviceAccountName": ACCOUNT, "containers": [container],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        }
        must(self.cluster.apply("-f-", text=text({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})))
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [{"type": "Ready", "status": "True"}]}
        must(self.cluster.kubectl(
            "patch", "pod", name, f"--namespace={NAMESPACE}", "--subresource=status", "--type=merge", f"--patch={json.dumps({'status': status})}",
        ))
        return address

    def identity(self) -> tuple[str, str]:
        """Writes the files that a kubelet mounts into a proxy's pod: the mesh's root certificate and a token of its service account."""
        secret = json.loads(must(self.cluster.kubectl("get", "secret", "istio-ca-secret", f"--namespace={SYSTEM}", "--output=json")))
        token = must(self.cluster.kubectl("create", "token", ACCOUNT, f"--namespace={NAMESPACE}", "--audience=istio-ca"))
        return base64.b64decode(secret["data"]["ca-cert.pem"]).decode(), token.strip()

    def made_for(self, proxy: str) -> dict:
        """The configuration of a connected proxy, by type. Only types that the proxy requested exist."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/debug/config_dump?proxyID={proxy}", timeout=30) as answer:
            return {each["@type"].rpartition(".")[2]: each for each in json.load(answer)["configs"]}

    def stop(self) -> None:
        self.process.stop()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False
