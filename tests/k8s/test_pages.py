"""The commands of the pages, as they stand there, on a real API server: those that need nothing but one."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.cluster import Cluster
from support.peers import ROOT, get

# Others wait for what only controllers and kubelets do, such as the end of a namespace, or connect to pods.
RUN = {("kubectl", verb) for verb in ("create", "label", "apply")} | {("helm", verb) for verb in ("install", "upgrade", "rollback")}
# The namespace that a page takes for granted.
NAMESPACES = {"k8s/README.md": "monitoring", "k8s/helm/mcp-observability/README.md": "store"}


def commands(page: str) -> Iterator[list[str]]:
    """Each command of the page's shell blocks, split as a shell splits it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


@pytest.mark.parametrize("page", NAMESPACES)
def test_the_commands_of_a_page_work(cluster: Cluster, page: str, tmp_path: Path) -> None:
    cluster.create_namespace(NAMESPACES[page])
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(cluster.kubeconfig)}
    run = 0
    for program, *arguments in commands(page):
        if (program, arguments[0]) in RUN:
            run += 1
            done = subprocess.run([get(program), *arguments], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120)
            assert done.returncode == 0 and "Warning" not in done.stderr, f"{program} {arguments}\n{done.stdout}{done.stderr}"
    assert run >= 3, "the page has lost its commands"
