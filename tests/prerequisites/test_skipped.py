"""scripts/test.sh: with CI=true a skipped test is a failure, unless the machine cannot run it whatever is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from machine import ROOT

MISSING = "SKIPPED [2] conftest.py:35: missing: dockerd, a Docker engine (Debian package docker.io)"
EXCUSED = "SKIPPED [1] test_run.py:104: cannot run here: this machine has no IPv6"


def run(directory: Path, ci: str, *lines: str, status: int = 0) -> tuple[int, str, str]:
    """The set `compose` with a step that prints these lines: status, counts, output."""
    (directory / "scripts").mkdir()
    for name in ("test.sh", "lib.sh", "progress.sh"):
        shutil.copy(ROOT / "scripts" / name, directory / "scripts")
    printed = "\n".join(lines)
    for name, script in (("prerequisites.sh", ""), ("test-compose.sh", f"cat <<'END'\n{printed}\nEND\nexit {status}")):
        (directory / "scripts" / name).write_text(f"#!/bin/bash\n{script}\n")
        (directory / "scripts" / name).chmod(0o755)
    environment = os.environ | {"CARGO_TARGET_DIR": str(directory / "target"), "CI": ci}
    done = subprocess.run([directory / "scripts/test.sh", "compose"], env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, (directory / "target/test/compose.counts").read_text().strip(), done.stdout + done.stderr


@pytest.mark.parametrize(("ci", "skips", "summary", "status", "counts"), [
    ("true", [MISSING], "3 passed, 2 skipped", 1, "3 2 0"),
    ("true", [EXCUSED], "3 passed, 1 skipped", 0, "3 0 1"),
    ("true", [MISSING, EXCUSED], "3 passed, 3 skipped", 1, "3 2 1"),
    # A skipped test without a reason.
    ("true", [], "3 passed, 1 skipped", 1, "3 1 0"),
    ("true", [], "3 passed", 0, "3 0 0"),
    ("", [MISSING], "3 passed, 2 skipped", 0, "3 0 2"),
    ("false", [MISSING], "3 passed, 2 skipped", 0, "3 0 2"),
])
def test_skipped_test_is_a_failure_only_with_ci_and_without_excuse(tmp_path: Path, ci: str, skips: list[str], summary: str, status: int, counts: str) -> None:
    found, counted, output = run(tmp_path, ci, *skips, f"====== {summary} in 1.23s ======")
    assert (found, counted) == (status, counts), output
    assert "2 skipped: missing: dockerd, a Docker engine (Debian package docker.io)\n" in output or MISSING not in skips
    assert "1 skipped: cannot run here: this machine has no IPv6\n" in output or EXCUSED not in skips


def test_same_reason_is_printed_once(tmp_path: Path) -> None:
    """For any number of tests in different places."""
    skips = [f"SKIPPED [1] tests/test_stack.py:{line}: missing: dockerd" for line in range(12)]
    _, counts, output = run(tmp_path, "true", *skips, "== 12 skipped in 1.23s ==")
    assert counts == "0 12 0" and "\n12 skipped: missing: dockerd\n" in f"\n{output}"


def test_skipped_and_failed_tests_are_both_counted(tmp_path: Path) -> None:
    status, counts, _ = run(tmp_path, "true", MISSING, "== 1 failed, 3 passed, 2 skipped in 1.23s ==", status=1)
    assert (status, counts) == (1, "3 3 0")


@pytest.mark.parametrize("file", sorted(ROOT.glob("tests/*/pytest.ini")), ids=lambda file: file.parent.name)
def test_each_suite_prints_why_it_skips(file: Path) -> None:
    assert " -ra " in file.read_text(encoding="utf-8")
