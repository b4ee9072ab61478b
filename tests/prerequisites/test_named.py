"""Each script declares its prerequisites first, and the pages name those in the list."""

import re
from fnmatch import fnmatch
from functools import cache

import pytest

from machine import ROOT, listed

SCRIPTS = ROOT / "scripts"
# Scripts that declare no prerequisites.
NONE = {"test.sh", "prerequisites.sh", "rust-toolchain.sh", "debian-packages.sh", "get.sh", "lib.sh", "progress.sh", "reproducible.sh", "k8s-rules.sh", "check-versions.sh"}


def code(name: str) -> str:
    """A script without its comments."""
    return re.sub(r"^\s*#.*$", "", (SCRIPTS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)


@cache
def programs() -> dict[str, set[str]]:
    """The programs that scripts/get.sh needs for each of its names."""
    found: dict[str, set[str]] = {}
    names: list[str] = []
    for line in code("get.sh").split("get() {")[1].splitlines():
        if case := re.match(r"    ([a-z-]+(?: \| [a-z-]+)*)\)$", line):
            names = case[1].split(" | ")
        if once := re.match(r"\s+once (?:\"[^\"]*\"|\S+) \S+ (.*)$", line):
            found |= {name: {*once[1].split(), "cache"} for name in names}
    return found


def gets(text: str) -> set[str]:
    """The names with which a script calls scripts/get.sh, in loops too."""
    loops = re.findall(r"for name in ([^;]+); do [^\n]*get\.sh \"?\$name", text)
    return {*re.findall(r"get\.sh\"? ([a-z][a-z-]*)", text), *(name for loop in loops for name in loop.split())}


def declared(text: str) -> set[str]:
    """The arguments of a script's call of scripts/prerequisites.sh."""
    lists = re.findall(r"prerequisites\.sh\"? ([a-z+ -]+)$", text, re.MULTILINE) + re.findall(r"needs\+?=\(([^)]*)\)", text)
    return {"rust" if name in ("rust-all", "rust-static") else name for words in lists for name in words.split()}


@cache
def needed(name: str) -> frozenset[str]:
    """The programs that a script needs, with those of all scripts that it calls."""
    text = code(name)
    needs = {need for got in gets(text) for need in programs()[got]}
    needs |= {"rust"} if re.search(r"\bcargo [a-z]|\brustc ", text) else set()
    needs |= {"c"} if re.search(r"\bcargo (build|test|clippy|doc|fuzz)", text) else set()
    needs |= {"tools"} if re.search(r"\bgit (-C|ls-files|grep|rev-parse)", text) else set()
    if "build_sidecar" in text and name != "lib.sh":
        needs |= needed("build-filter.sh") | needed("build-sidecar.sh")
    if "bench-lib.sh" in text:
        needs |= needed("bench-lib.sh")
    for called in set(re.findall(r"scripts/([a-z0-9-]+\.sh)", text)) - NONE - {name}:
        needs |= needed(called)
    return frozenset(needs)


@pytest.mark.parametrize("name", sorted(file.name for file in SCRIPTS.glob("*.sh") if file.name not in NONE))
def test_script_declares_its_prerequisites(name: str) -> None:
    text = code(name)
    # A script that only runs another one leaves the declaration to that one; shrink-filter.sh leaves it to build-filter.sh.
    if "exec" in text and "prerequisites.sh" not in text and not gets(text) or name == "shrink-filter.sh":
        return
    found = declared(text) | (declared(code("bench-lib.sh")) if "prepare_bench" in text else set())
    assert needed(name) <= found, f"scripts/{name} needs {sorted(needed(name) - found)} too: add them to its line prerequisites.sh"


def test_each_program_names_what_it_is_made_with() -> None:
    """Each program that scripts/get.sh fetches or builds has the prerequisites of that."""
    made = re.findall(r"^\s+once (?:\"[^\"]*\"|\S+) (\S+)(.*)$", code("get.sh"), re.MULTILINE)
    assert made and not [function for function, names in made if not names.strip()]


def test_the_programs_are_read() -> None:
    """The data for the tests above is not empty."""
    assert programs()["rmcp-server"] == {"rust", "c", "cache"} and programs()["promtool"] == {"go", "cache"}
    assert {"rust", "c", "python", "node", "cache"} <= needed("demo.sh")


def test_the_makefile_names_what_it_will_need() -> None:
    """A recipe that runs a program itself gets that program by a script first."""
    for recipe in re.findall(r"^\t@(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE):
        assert re.match(r"(scripts/|\.ci/run$|awk )", recipe), recipe


def test_images_contain_the_files_that_build_the_filter() -> None:
    """.dockerignore does not exclude scripts that the Dockerfiles call, or files that these scripts read."""
    left_in = re.findall(r"^!(scripts/.*)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    called, unread = set(), {"build-filter.sh"}
    while unread:
        called |= unread
        texts = [code(name) for name in unread if name.endswith(".sh")]
        unread = {name for text in texts for name in re.findall(r"scripts\"?/([a-z0-9-]+\.(?:sh|txt))", text)} - called
    assert {"prerequisites.txt", "rust-toolchain.sh"} <= called
    assert not [name for name in called if not any(fnmatch(f"scripts/{name}", pattern) for pattern in left_in)]


def test_contributing_names_the_packages() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("\\\n", " ")
    [command] = re.findall(r"^apt-get install (.*)$", page, re.MULTILINE)
    assert command.split() == sorted({package for *_, packages, _ in listed() for package in packages})


@pytest.mark.parametrize("what", ["Rust by rustup", "C compiler", "C++", "make", "git", "flock", "Python 3.11", "venv", "Node.js 20", "npm", "Go 1.26"])
def test_the_readme_names_what_make_test_needs(what: str) -> None:
    for page, heading in (("README.md", "## From source\n"), ("docs/source.md", "# From source\n")):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert what in " ".join(text.split(heading)[1].split("```")[0].split()), page
