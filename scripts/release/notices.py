"""THIRD-PARTY-LICENSES.txt: the licence texts of all crates whose code is in a program, of what is in the page, and of musl.

The texts are the files in the crates' archives. Crates that only run during the build have no code in a program.
"""

import json
import re
import subprocess
from pathlib import Path

import page
from sbom import ROOT, Crate, Tree

TEXT = re.compile(r"(licen[cs]e|copying|notice|copyright|unlicense)", re.IGNORECASE)
LINE = "=" * 80
HERE = Path(__file__).parent
HEADER = """\
The programs of this release contain the crates below, Rust's standard library, on Linux musl, and the launcher's page has
packages of npm in it. Each text is here once, below the names of what it is for. Of a crate with several licences ("OR"), this project uses it under Apache-2.0 where it is among them, else under the first.
The notices of Rust's standard library are in RUST-STANDARD-LIBRARY.html.
"""


def _folders() -> dict[Crate, Path]:
    """The folder of each crate of Cargo.lock that is not of this repository."""
    command = ["cargo", "metadata", "--locked", "--quiet", "--format-version", "1"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    return {Crate(package["name"], package["version"]): Path(package["manifest_path"]).parent for package in packages if package["source"]}


def _texts(crate: Crate, folder: Path) -> list[str]:
    """The licence files of a crate, without what differs between copies of the same text."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and TEXT.match(file.name))
    if not files:
        raise ValueError(f"{crate.name} {crate.version}: has no licence file, and its licence requires the text; leave the crate out")
    return ["\n".join(line.rstrip() for line in file.read_text(encoding="utf-8").strip("\n").splitlines()) for file in files]


def document(trees: list[Tree]) -> str:
    """The text of the file."""
    licences = {crate: tree.licences[crate] for tree in trees for crate in tree.linked}
    folders = _folders()
    covered: dict[str, list[str]] = {}
    listed = []
    for crate in sorted(crate for crate in licences if crate in folders):
        name = f"{crate.name} {crate.version}"
        listed.append(f"{name}: {licences[crate]}")
        for text in _texts(crate, folders[crate]):
            covered.setdefault(text, []).append(name)
    for name, text in page.licences().items():
        covered.setdefault(text, []).append(name)
    covered[(HERE / "musl.txt").read_text(encoding="utf-8").strip()] = ["musl"]
    parts = [f"{LINE}\n{', '.join(names)}\n{LINE}\n\n{text}\n" for text, names in covered.items()]
    return "\n".join([HEADER, "\n".join(listed) + "\n", *parts])
