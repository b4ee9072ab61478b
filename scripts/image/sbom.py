"""The SBOM of a built program as CycloneDX JSON: all crates that cargo compiles for it, and their dependencies.

`cargo tree` decides which crates these are; unlike `cargo metadata` it leaves out what no enabled feature asks for. Crates that
only run during the build (macros, build scripts) have the scope `excluded`. Rust's standard library (with musl, in a static
program) is no crate of Cargo.lock: the version of Rust that it came with is a property of the program.
"""

import hashlib
import re
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"(?P<depth>\d+)(?P<name>\S+) v(?P<version>\S+)[^|]*\|(?P<licence>.*)")


class Crate(NamedTuple):
    """A crate's identity in Cargo.lock."""

    name: str
    version: str

    def reference(self) -> str:
        """Its reference in the document."""
        return f"{self.name}@{self.version}"


class Program(NamedTuple):
    """A package of this repository, built for a target of Rust."""

    package: str
    target: str


MODULE = Program("mcp-observability", "wasm32-wasip1")


class Tree(NamedTuple):
    """Crates sorted by name: their licences, their dependencies, and whether they are linked into the program."""

    root: Crate
    licences: dict[Crate, str]
    needs: dict[Crate, set[Crate]]
    linked: set[Crate]


def _lines(program: Program, edges: str) -> list[tuple[int, Crate, str]]:
    """Depth, crate and licence of each line of `cargo tree`."""
    command = ["cargo", "tree", "--locked", "--package", program.package, "--target", program.target,
               "--edges", edges, "--no-dedupe", "--prefix", "depth", "--format", "{p}|{l}"]
    printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = []
    for line in printed.splitlines():
        parts = LINE.fullmatch(line)
        if parts is None:
            raise ValueError(f"cargo tree printed {line!r}; expected DEPTH NAME vVERSION|LICENCE")
        found.append((int(parts["depth"]), Crate(parts["name"], parts["version"]), parts["licence"]))
    return found


def tree(program: Program) -> Tree:
    """The crates of a program, with the versions in Cargo.lock."""
    lines = _lines(program, "normal,build")
    licences: dict[Crate, str] = {}
    needs: dict[Crate, set[Crate]] = {}
    above: list[Crate] = []
    for depth, crate, licence in lines:
        # Older crates write "MIT/Apache-2.0" for OR.
        licences[crate] = licence.replace("/", " OR ")
        needs.setdefault(crate, set())
        above[depth:] = [crate]
        if depth:
            needs[above[depth - 1]].add(crate)
    linked = {crate for _, crate, _ in _lines(program, "normal,no-proc-macro")}
    return Tree(lines[0][1], dict(sorted(licences.items())), needs, linked)


def _checksums() -> dict[Crate, str]:
    """SHA-256 of each crate's archive; crates of this repository have none."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {Crate(package["name"], package["version"]): package["checksum"]
            for package in lock["package"] if "checksum" in package}


def _component(crate: Crate, licence: str, linked: bool, checksum: str | None) -> dict:
    component = {
        "type": "library",
        "bom-ref": crate.reference(),
        "name": crate.name,
        "version": crate.version,
        "scope": "required" if linked else "excluded",
        "licenses": [{"expression": licence}],
    }
    if checksum is not None:
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        component["purl"] = f"pkg:cargo/{crate.name}@{quote(crate.version)}"
    return component


def document(crates: Tree, built: bytes, created: str) -> dict:
    """The CycloneDX document of a built program."""
    checksums = _checksums()
    toolchain = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    subject = _component(crates.root, crates.licences[crates.root], True, None) | {
        "type": "application",
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(built).hexdigest()}],
        "properties": [{"name": "mcp-observability:rust", "value": toolchain}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": created, "component": subject},
        "components": [_component(crate, licence, crate in crates.linked, checksums.get(crate))
                       for crate, licence in crates.licences.items() if crate != crates.root],
        "dependencies": [{"ref": crate.reference(), "dependsOn": sorted(other.reference() for other in crates.needs[crate])}
                         for crate in crates.licences],
    }
