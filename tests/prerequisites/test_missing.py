"""scripts/prerequisites.sh on machines where programs are missing: it reports all at once, with Debian's packages, before anything runs."""

from pathlib import Path

import pytest

from machine import Machine, listed, missing, pinned

WASI, UNKNOWN = "lib/rustlib/wasm32-wasip1/lib", "lib/rustlib/wasm32-unknown-unknown/lib"
COMPONENTS = ("bin/rustfmt", "bin/cargo-clippy")
NAMES = sorted({name for name, *_ in listed()})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_everything_is_named_at_once_with_its_package(machine: Machine) -> None:
    done = machine.run("prerequisites.sh", *NAMES)
    assert done.returncode == 1
    named = missing(done)
    for name, program, packages, what in listed():
        hint = f" (Debian package{'s' if len(packages) > 1 else ''} {' '.join(packages)})" if packages else ""
        assert named.count(what + hint) == 1, f"{name} {program}: {named}"
    assert len(named) == len(listed())


def test_complete_machine_has_no_output(machine: Machine) -> None:
    machine.has_everything()
    machine.has_rust(WASI, UNKNOWN, *COMPONENTS)
    done = machine.run("prerequisites.sh", "rust-all", *NAMES)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("program", "script", "said"), [
    ("python3", 'case "$*" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac',
     "Python 3.11 or newer with venv (Debian packages python3 python3-venv; here: Python 3.9.2)"),
    ("python3", 'case "$*" in --version) echo Python 3.11.2 ;; *venv*) exit 1 ;; esac',
     "Python 3.11 or newer with venv (Debian packages python3 python3-venv; here: Python 3.11.2 without venv)"),
    ("node", 'case "$*" in --version) echo v18.20.4 ;; *) exit 1 ;; esac',
     "Node.js 20 or newer, which Debian has from 13 on (Debian package nodejs; here: v18.20.4)"),
    ("go", "echo go version go1.19.8 linux/amd64",
     "Go 1.26 or newer, or one from 1.21 that may fetch it (GOTOOLCHAIN) (here: go version go1.19.8 linux/amd64)"),
    ("cc", "exit 1", "a C compiler, for the linker (Debian packages gcc libc6-dev; here: one that cannot link)"),
    ("c++", "exit 1", "a C++ compiler, for libFuzzer (Debian package g++; here: one that cannot link)"),
], ids=["Python 3.9", "Python without venv", "Node.js 18", "Go 1.19", "cc", "c++"])
def test_unsuitable_program_is_missing(machine: Machine, program: str, script: str, said: str) -> None:
    machine.has_everything()
    machine.has_rust(WASI)
    machine.has(program, script)
    done = machine.run("prerequisites.sh", *NAMES)
    assert (done.returncode, missing(done)) == (1, [said])


def test_unknown_name_is_refused(machine: Machine) -> None:
    done = machine.run("prerequisites.sh", "rust-some")
    assert done.returncode == 2 and "unknown name 'rust-some'" in done.stderr


def test_without_rustup_the_target_is_named_with_the_command(machine: Machine) -> None:
    machine.has_everything("git")
    machine.has_rust()
    done = machine.run("prerequisites.sh", "rust", "tools")
    note = f"; the Rust here is not rustup's: {machine.bin}/rustc"
    assert missing(done) == [f"Rust target wasm32-wasip1 (rustup target add wasm32-wasip1{note})", "git (Debian package git)"]
    done = machine.run("prerequisites.sh", "rust-all")
    assert missing(done) == [f"Rust {kind} {name} (rustup {kind} add {name}{note})" for kind, name in (
        ("target", "wasm32-wasip1"), ("target", "wasm32-unknown-unknown"), ("component", "rustfmt"), ("component", "clippy"))]


def test_without_rustup_an_old_rust_is_named(machine: Machine) -> None:
    machine.has_rust(WASI, version="1.63.0")
    assert missing(machine.run("prerequisites.sh", "rust")) == [
        f"Rust {pinned()}, not 1.63.0 (rustup toolchain install --no-self-update; the Rust here is not rustup's: {machine.bin}/rustc)"]
    machine.has_rust(version="1.120.0")
    assert missing(machine.run("prerequisites.sh", "rust")) == []


def test_other_rust_before_rustups_on_the_path_is_named(machine: Machine) -> None:
    """rustup is installed, but the first rustc on the PATH is not rustup's, so rustup cannot add parts to it."""
    machine.has_rust()
    machine.has("rustup", "echo /elsewhere/bin/rustc")
    [named] = missing(machine.run("prerequisites.sh", "rust"))
    assert named.endswith(f"the Rust here is not rustup's: {machine.bin}/rustc)")
    assert not [call for call in machine.calls if "add" in call]


@pytest.mark.parametrize("linked", [False, True], ids=["directory", "link"])
def test_rustup_brings_what_is_missing_once(machine: Machine, linked: bool) -> None:
    """rustup names the toolchain by its own path, which may be a link, and rustc names the directory behind the link."""
    machine.has_rust()
    named = machine.sysroot
    if linked:
        named = machine.sysroot.with_name("link")
        named.symlink_to(machine.sysroot)
    machine.has("rustup", f'case "$*" in "which rustc") echo "{named}/bin/rustc" ;; "target add "*) mkdir -p "{machine.sysroot}/lib/rustlib/$3/lib" ;; esac')
    done = machine.run("prerequisites.sh", "rust")
    assert (done.returncode, missing(done)) == (0, [])
    assert done.stdout == "" and done.stderr.startswith("Installing by rustup what rust-toolchain.toml names\n")
    done = machine.run("prerequisites.sh", "rust")
    assert (done.returncode, done.stderr) == (0, "")
    assert [call for call in machine.calls if "add" in call] == ["rustup target add wasm32-wasip1"]


def test_rustup_brings_a_toolchain(machine: Machine) -> None:
    """Without a toolchain of the version, rustup's proxy for rustc fails. The new toolchain may lack the target, as with RUSTUP_TOOLCHAIN."""
    machine.has_rust()
    there = machine.bin / "rustc"
    there.rename(machine.bin / "later")
    machine.has("rustc", "exit 1")
    add = f'mkdir -p "{machine.sysroot}/{WASI}"'
    machine.has("rustup", f"""case "$*" in
      "toolchain install --no-self-update") mv "{machine.bin}/later" "{there}" ;; "target add wasm32-wasip1") {add} ;; *) exit 1 ;; esac""")
    done = machine.run("prerequisites.sh", "rust")
    assert (done.returncode, missing(done)) == (0, [])


def test_failure_of_rustup_is_printed(machine: Machine) -> None:
    machine.has_rust()
    machine.has("rustup", f'case "$*" in "which rustc") echo "{machine.sysroot}/bin/rustc" ;; *) echo "error: no network" >&2; exit 1 ;; esac')
    done = machine.run("prerequisites.sh", "rust")
    assert (done.returncode, missing(done)) == (1, ["Rust target wasm32-wasip1 (rustup target add wasm32-wasip1)"])
    assert "error: no network\n  failed\n" in done.stderr


def test_packages_are_those_of_missing_programs(machine: Machine) -> None:
    machine.has_everything("git", "dockerd", "cc", "cargo")
    done = machine.run("prerequisites.sh", "--packages", *NAMES)
    assert (done.returncode, sorted(done.stdout.split()), done.stderr) == (0, ["docker.io", "gcc", "git", "libc6-dev"], "")


def test_root_installs_them_and_no_others(machine: Machine) -> None:
    machine.has_everything("dockerd", "git")
    machine.has("id", "echo 0")
    machine.has("apt-get", f"""case "$*" in *install*) cp "{machine.bin}/cc" "{machine.bin}/git"; cp "{machine.bin}/cc" "{machine.bin}/dockerd" ;; esac""")
    done = machine.run("debian-packages.sh")
    assert done.returncode == 0, done.stderr
    assert "Installing docker.io git\n" in done.stderr
    asked = [call for call in machine.calls if call.startswith("apt-get")]
    assert asked[0] == "apt-get update" and asked[1].endswith("install --yes --no-install-recommends docker.io git") and len(asked) == 2
    again = machine.run("debian-packages.sh")
    assert (again.returncode, again.stderr) == (0, "") and len([call for call in machine.calls if call.startswith("apt-get")]) == 2


def test_others_than_root_install_nothing(machine: Machine) -> None:
    machine.has("id", "echo 1000")
    machine.has("apt-get")
    done = machine.run("debian-packages.sh")
    assert (done.returncode, done.stderr, machine.calls) == (0, "", ["id -u"])
