"""A real Kubernetes API server with etcd, and kubectl, without the other parts of a cluster.

No controllers and no kubelet run: an object is validated, admitted and stored, and nothing else happens. So `create_namespace` has to
make the ServiceAccount `default` of a namespace, and no pod starts. It takes about 300 MB and 10 s.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.peers import get
from support.processes import Process, free_port, wait_for

TOKEN = "administrator-of-a-cluster-that-lives-for-one-test-run"
# The level that the admission of pods requires, and about which it warns for objects that make pods.
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
# The longest start of the API server, on a busy machine.
START_DEADLINE = 180.0


class Cluster:
    """It is ready when the constructor returns. `directory` has data, keys and logs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"
        self.processes: list[Process] = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        store, peers, port = free_port(), free_port(), free_port()
        urls = f"http://127.0.0.1:{store}"
        etcd = Process([
            get("etcd"), f"--data-dir={self.directory / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={urls}", f"--advertise-client-urls={urls}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
        ], self.directory / "etcd.log")
        self.processes.append(etcd)
        certificates = self.directory / "certificates"
        tokens = self.directory / "tokens.csv"
        tokens.write_text(f"{TOKEN},admin,admin,system:masters\n")
        api_server = Process([
            get("kube-apiserver"), f"--etcd-servers={urls}", f"--cert-dir={certificates}",
            "--bind-address=127.0.0.1", f"--secure-port={port}",
            # Nothing connects to this address. It must not be a loopback address of this machine.
            "--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24",
            f"--token-auth-file={tokens}", "--authorization-mode=RBAC",
            # The serving key, which the API server generates, also signs the tokens of service accounts.
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={certificates / 'apiserver.key'}",
            f"--service-account-key-file={certificates / 'apiserver.key'}",
            # As in any cluster. The admission shows that the manifests do not need it.
            "--allow-privileged=true",
        ], self.directory / "kube-apiserver.log")
        self.processes.append(api_server)
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": f"https://127.0.0.1:{port}", "certificate-authority": str(certificates / "apiserver.crt"),
            }}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }))
        wait_for("the API server to be ready", self._ready, deadline=START_DEADLINE, process=api_server)

    def _ready(self) -> bool:
        return self.kubectl("get", "--raw=/readyz").returncode == 0 and self.kubectl("get", "namespace", "default").returncode == 0

    def kubectl(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as the administrator. `text` is its standard input."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run([get("kubectl"), *arguments], input=text, capture_output=True, text=True, env=environment, timeout=120)

    def apply(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Applies manifests on the server side. An unknown field is an error."""
        return self.kubectl("apply", "--server-side", "--validate=strict", *arguments, text=text)

    def create_namespace(self, name: str) -> str:
        """Creates a namespace that admits only pods of the level `restricted`."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
        must(self.apply("-f-", text=json.dumps(namespace)))
        self.create_service_account(name)
        return name

    def create_service_account(self, namespace: str) -> None:
        """Creates the service account that pods use by default."""
        must(self.kubectl("create", "serviceaccount", "default", f"--namespace={namespace}"))

    def install(self, definitions: Path) -> None:
        """Installs resource definitions, and waits until the server serves them."""
        must(self.apply(f"-f{definitions}"))
        must(self.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"-f{definitions}"))
        names = {name.rpartition("/")[2] for name in must(self.kubectl("get", "--output=name", f"-f{definitions}")).split()}
        # Clients find a kind a moment after its definition is established.
        wait_for("the kinds to be served", lambda: names <= set(self.kubectl("api-resources", "--output=name").stdout.split()))

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()


@contextmanager
def with_operator(directory: Path) -> Iterator[Cluster]:
    """Runs an API server with Prometheus Operator's resource definitions."""
    cluster = Cluster(directory)
    try:
        cluster.install(Path(get("crds")))
        yield cluster
    finally:
        cluster.stop()


def must(result: subprocess.CompletedProcess[str]) -> str:
    """Returns the output of a command. Fails if the command failed or warned."""
    assert result.returncode == 0 and not result.stderr, f"{result.args}\n{result.stdout}{result.stderr}"
    return result.stdout
