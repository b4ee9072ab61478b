"""scripts/release-notes.sh: it prints CHANGELOG's section of the tag, or names what does not agree with the tag."""

import shutil
import subprocess
from pathlib import Path

import pytest
from artefacts import ROOT

# What the script and those that it calls read.
READ = ("Cargo.toml", "versions.env", "rust-toolchain.toml", "docker-compose.yml", "envoy/Dockerfile", "examples/Dockerfile",
        "k8s/base/kustomization.yaml", "k8s/helm/mcp-observability/Chart.yaml", "k8s/helm/mcp-observability/values.yaml",
        "scripts/lib.sh", "scripts/progress.sh", "scripts/check-versions.sh", "scripts/release-notes.sh")
ENTRIES = "### Added\n\n- The [page](docs/page.md#use) of [Envoy](https://www.envoyproxy.io/) and [below](#older).\n\n- Another."
CHANGELOG = f"# Changelog\n\n## [Unreleased]\n\n## [2.3.0] - 2026-11-30\n\n{ENTRIES}\n\n## [2.2.0] - 2026-10-01\n\n### Fixed\n\n- Old.\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that the script reads, as they are for version 2.3.0."""
    for name in READ:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    version = next(line for line in (ROOT / "Cargo.toml").read_text().splitlines() if line.startswith("version")).split('"')[1]
    for name in READ:
        if name.startswith(("Cargo", "k8s")):
            file = tmp_path / name
            file.write_text(file.read_text(encoding="utf-8").replace(version, "2.3.0"), encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def notes(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([checkout / "scripts/release-notes.sh", *arguments], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)


def test_the_section_of_the_tag_is_printed(checkout: Path) -> None:
    done = notes(checkout, "v2.3.0")
    assert (done.returncode, done.stdout, done.stderr) == (0, ENTRIES + "\n", "")


def test_links_to_files_get_the_url(checkout: Path) -> None:
    printed = notes(checkout, "v2.3.0", "https://example.com/tree/v2.3.0").stdout
    assert "[page](https://example.com/tree/v2.3.0/docs/page.md#use)" in printed
    assert "[Envoy](https://www.envoyproxy.io/)" in printed and "[below](#older)" in printed


@pytest.mark.parametrize("tag", ["v2.2.0", "2.3.0", "v2.3.0-rc.1"])
def test_another_tag_is_refused(checkout: Path, tag: str) -> None:
    done = notes(checkout, tag)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"the tag is {tag}, but Cargo.toml has the version 2.3.0" in done.stderr


@pytest.mark.parametrize(("file", "old", "new", "said"), [
    ("k8s/helm/mcp-observability/Chart.yaml", "\nversion: 2.3.0", "\nversion: 2.2.0", "Chart.yaml has the version 2.2.0; Cargo.toml has 2.3.0"),
    ("k8s/helm/mcp-observability/Chart.yaml", "appVersion: 2.3.0", "appVersion: 2.2.0", "Chart.yaml has the version 2.2.0"),
    ("k8s/helm/mcp-observability/values.yaml", "tag: 2.3.0", "tag: 2.2.0", "values.yaml has the version 2.2.0"),
    ("k8s/base/kustomization.yaml", "newTag: 2.3.0", "newTag: 2.2.0", "kustomization.yaml has the version 2.2.0"),
    ("CHANGELOG.md", "## [2.3.0] - 2026-11-30", "## [2.3.0]", "no heading '## [2.3.0] - YYYY-MM-DD'"),
    ("CHANGELOG.md", ENTRIES, "", "the section [2.3.0] of CHANGELOG.md is empty"),
    ("CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n- Late.\n", "entries under [Unreleased]"),
    ("CHANGELOG.md", "## [2.3.0]", "## [2.4.0] - 2026-12-01\n\n- New.\n\n## [2.3.0]", "a section above [2.3.0]"),
])
def test_what_does_not_agree_is_named(checkout: Path, file: str, old: str, new: str, said: str) -> None:
    change(checkout / file, old, new)
    done = notes(checkout, "v2.3.0")
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
