"""Fixtures of the image suite: the layout, which is written once for all tests that only read it."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, and captures its output."""
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True)


def succeed(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Runs a command that must succeed. Returns its output."""
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def write_image(directory: Path, module: Path, **environment: str) -> str:
    return succeed(ROOT / "scripts/image.sh", directory, MCP_FILTER_WASM=str(module), **environment)


@pytest.fixture(scope="session")
def module() -> Path:
    """The module to pack: the one in the environment, or a new build."""
    given = os.environ.get("MCP_FILTER_WASM")
    return Path(given or succeed(ROOT / "scripts/build-filter.sh").strip())


@pytest.fixture(scope="session")
def written(module: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The layout, and the output of the command that wrote it."""
    directory = tmp_path_factory.mktemp("layout") / "image"
    return directory, write_image(directory, module)


@pytest.fixture(scope="session")
def layout(written: tuple[Path, str]) -> Path:
    return written[0]
