""".ci/run with stand-ins for the sets: it installs packages first, runs all sets, and ends with the sum of their counts."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from machine import ROOT

SETS = ("test", "slow", "stack", "integration", "compose", "k8s", "istio", "fresh", "release")


def run(directory: Path, counts: dict[str, str], *only: str) -> list[str]:
    """The output of .ci/run, for all sets or only some, if the sets have these counts; a set without counts fails."""
    for name, script in (("scripts/debian-packages.sh", "echo installing"), ("scripts/get.sh", ""), ("bin/make", 'exec bash "$0.$1"')):
        file = directory / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/bash\n{script}\n")
        file.chmod(0o755)
    for name in SETS:
        recipe = "test" if name == "test" else f"test-{name}"
        script = f"echo {counts[name]} >{directory}/target/test/{name}.counts" if name in counts else "echo broken; exit 2"
        (directory / f"bin/make.{recipe}").write_text(script)
    for name in ("lib.sh", "progress.sh", "test.sh"):
        shutil.copy(ROOT / "scripts" / name, directory / "scripts")
    shutil.copytree(ROOT / ".ci", directory / ".ci")
    environment = os.environ | {"PATH": f"{directory}/bin:{os.environ['PATH']}", "CARGO_TARGET_DIR": str(directory / "target")}
    return subprocess.run([directory / ".ci/run", *only], env=environment, stdout=subprocess.PIPE, text=True, timeout=60).stdout.splitlines()


@pytest.mark.parametrize(("counts", "last"), [
    ({}, "9 passed, 0 failed"),
    ({"compose": "8 0 14"}, "16 passed, 0 failed, 14 skipped"),
    ({"compose": "8 14 0"}, "16 passed, 14 failed"),
])
def test_last_line_is_the_sum(tmp_path: Path, counts: dict[str, str], last: str) -> None:
    printed = run(tmp_path, dict.fromkeys(SETS, "1 0 0") | counts)
    assert (printed[0], printed[-1]) == ("installing", last)


def test_set_without_a_count_is_one_failure(tmp_path: Path) -> None:
    printed = run(tmp_path, {name: "1 0 0" for name in SETS if name != "fresh"})
    assert printed[-1] == "8 passed, 1 failed" and "fresh: broken" in printed


def test_named_sets_are_run_alone(tmp_path: Path) -> None:
    printed = run(tmp_path, dict.fromkeys(SETS, "1 0 0") | {"slow": "2 1 0"}, "fresh", "slow")
    assert printed == ["installing", "3 passed, 1 failed"]


def test_unknown_set_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path, {}, "fast") == [".ci/run: unknown set 'fast'; the sets are in scripts/test.sh"]


def test_every_set_is_run() -> None:
    """The sets are those of scripts/test.sh, here and in the workflow that runs them side by side."""
    known = re.findall(r"^  ([a-z0-9]+)\) steps=", (ROOT / "scripts/test.sh").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(known) == sorted(SETS)
    assert re.search(rf"for set_name in {' '.join(SETS)}; do", (ROOT / ".ci/run").read_text(encoding="utf-8"))
    assert f"set: [{', '.join(SETS)}]" in (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
