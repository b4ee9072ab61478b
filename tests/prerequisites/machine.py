"""A simulated machine with only the programs of a test: a separate PATH with the usual tools, and stand-ins for the others."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "scripts/prerequisites.txt"
# Programs that every Linux has.
USUAL = ("awk", "bash", "cat", "chmod", "cp", "cut", "dirname", "env", "find", "grep", "head", "id", "ln", "mkdir", "mktemp", "mv", "nice",
         "nproc", "printf", "realpath", "rm", "sed", "sh", "sha256sum", "sleep", "sort", "stat", "tail", "tee", "touch", "tr")
RUST = 'case "$*" in "--print sysroot") echo "{sysroot}" ;; --version) echo "rustc {version} (0 2026-01-01)" ;; *) exit 9 ;; esac'


def pinned() -> str:
    """The version of rust-toolchain.toml."""
    return next(line for line in (ROOT / "rust-toolchain.toml").read_text().splitlines() if line.startswith("channel")).split('"')[1]


def listed() -> list[tuple[str, str, list[str], str]]:
    """The fields of each line of the list: NAME, PROGRAM, PACKAGES and description."""
    rows = [line.split(None, 3) for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [(name, program, [] if packages == "-" else packages.split(","), what) for name, program, packages, what in rows]


class Machine:
    """Its programs are in `bin`. `calls` has their command lines."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.sysroot = directory / "rust"
        self.target = directory / "target"
        self.log = directory / "calls"
        self.log.touch()
        for name in USUAL:
            if found := shutil.which(name):
                (self.bin / name).symlink_to(found)

    def has(self, program: str, script: str = "") -> None:
        """Adds a program that runs a line of shell."""
        file = self.bin / program
        # A usual tool is a link to the one of this machine.
        file.unlink(missing_ok=True)
        file.write_text(f'#!/bin/sh\necho "{program} $*" >>"{self.log}"\n{script}\n')
        file.chmod(0o755)

    def has_everything(self, *but: str) -> None:
        """Adds all programs of the list in a suitable version, except some."""
        said = {"node": "echo v22.0.0", "go": "echo go version go1.26.0 linux/amd64", "python3": "echo Python 3.13.1"}
        for _, program, _, _ in listed():
            if program not in but:
                self.has(program, said.get(program, ""))

    def has_rust(self, *parts: str, version: str | None = None) -> None:
        """Adds a Rust with these parts, as paths below its root directory."""
        self.has("cargo")
        self.has("rustc", RUST.format(sysroot=self.sysroot, version=version or pinned()))
        compiler = self.sysroot / "bin/rustc"
        compiler.parent.mkdir(parents=True, exist_ok=True)
        compiler.touch()
        for part in parts:
            self.add(part)

    def add(self, part: str) -> None:
        (self.sysroot / part).mkdir(parents=True)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a script of the repository."""
        environment = {"PATH": str(self.bin), "HOME": str(self.bin.parent), "CARGO_TARGET_DIR": str(self.target),
                       "MCP_CACHE": str(self.bin.parent / "cache")}
        return subprocess.run([self.bin / "bash", ROOT / "scripts" / script, *arguments], env=environment, text=True,
                              capture_output=True, timeout=60)


def missing(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The prerequisites that a script reports as missing."""
    return [line.removeprefix("missing: ") for line in done.stderr.splitlines() if line.startswith("missing: ")]
