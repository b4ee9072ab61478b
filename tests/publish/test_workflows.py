"""The workflows in .github, as actionlint reads them, and the scripts in them as shellcheck does."""

import os
import re
import subprocess

from artefacts import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def test_actionlint_finds_nothing() -> None:
    done = subprocess.run([os.environ["ACTIONLINT_BIN"], "-shellcheck", os.environ["SHELLCHECK_BIN"], *WORKFLOWS],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_scripts_in_them_exist() -> None:
    named = {name for file in WORKFLOWS for name in re.findall(r"\b(?:scripts/[a-z-]+\.sh|\.ci/run)\b", file.read_text(encoding="utf-8"))}
    assert named and not [name for name in named if not os.access(ROOT / name, os.X_OK)]
