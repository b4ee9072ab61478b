"""Programs in a root directory that has only what a test puts there, with /proc and /dev/null as in any container. Needs root."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

# The longest that a command runs, on a busy machine.
SECONDS = 180
EMULATOR = "/usr/bin/qemu-aarch64-static"


def why_not() -> str:
    """Why this machine cannot run a program in another root directory; empty if it can."""
    if os.geteuid() != 0:
        return "cannot run here: another root directory needs root"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        return "cannot run here: this root may not mount"
    return ""


def libraries(program: Path) -> list[str]:
    """The libraries that a program needs, with the dynamic linker; a static program needs none."""
    return re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", program], capture_output=True, text=True).stdout)


def add(root: Path, program: Path, place: str) -> None:
    """Copies a program into the root, with the libraries that it needs."""
    for source, target in {str(program): place, **{library: library for library in libraries(program)}}.items():
        goal = root / target.lstrip("/")
        if not goal.exists():
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(source).resolve(), goal)


def inside(root: Path, folder: str, *command: str, user: int = 0) -> list[str]:
    """The command that runs `command` in this root and folder. It is replaced by the program, which so receives its signals."""
    for directory in ("proc", "dev"):
        (root / directory).mkdir(exist_ok=True)
    if not (root / "dev/null").exists():
        os.mknod(root / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    return ["unshare", "--mount-proc", f"--root={root}", f"--wd=/{folder}", f"--setgid={user}", f"--setuid={user}", *command]


def run(root: Path, folder: str, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in this root to its end."""
    return subprocess.run(inside(root, folder, *command), env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"} | environment,
                          capture_output=True, text=True, timeout=SECONDS)
