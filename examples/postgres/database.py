"""A PostgreSQL of its own with the shop in it, in a temporary directory that goes with it. Standard library only.

    POSTGRES_HOME=DIRECTORY PORT=5432 python database.py

POSTGRES_HOME holds bin/, lib/ and share/ (`scripts/get.sh postgres` prints it). It runs until SIGTERM or Ctrl-C. Whoever
connects from this machine is trusted, so it listens on the loopback address alone. PostgreSQL refuses to run as root; started
by root it runs as user 65534 (nobody), from a copy of its programs that this user can read.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

NOBODY = 65534
SHOP = Path(__file__).parent / "shop.sql"


class Cluster:
    """One data directory with the programs that work on it."""

    def __init__(self, directory: Path, installation: Path):
        # Where the user that runs PostgreSQL may write: data, log, local socket.
        self.home = directory / "cluster"
        self.home.mkdir()
        self.installation = installation
        self.user: dict = {}
        if os.geteuid() == 0:
            self.installation = directory / "postgresql"
            shutil.copytree(installation, self.installation, symlinks=True)
            directory.chmod(0o755)
            os.chown(self.home, NOBODY, NOBODY)
            self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def start(self, program: str, *arguments: str, **streams) -> subprocess.Popen:
        """One of PostgreSQL's programs, in a session of its own so that Ctrl-C does not end it before its time."""
        environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(self.installation / "lib"), "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.Popen([self.installation / "bin" / program, *arguments], cwd=self.home, env=environment,
                                start_new_session=True, **streams, **self.user)

    def run(self, program: str, *arguments: str, **streams) -> None:
        """The same, awaited; raises with what it said when it failed."""
        child = self.start(program, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **streams)
        said, _ = child.communicate()
        if child.returncode:
            raise SystemExit(f"{program} ended with status {child.returncode}:\n{said}")

    def create(self) -> None:
        """The cluster with the shop in it. Nobody can connect meanwhile but over the local socket."""
        self.run("initdb", "--pgdata=data", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        local = f"-c listen_addresses='' -c unix_socket_directories={self.home}"
        # Its output goes to a file, because the server keeps what it is started with open.
        self.run("pg_ctl", "--pgdata=data", "--wait", "--silent", "--log=log", f"--options={local}", "start")
        try:
            self.run("createdb", f"--host={self.home}", "--username=postgres", "shop")
            with SHOP.open() as statements:
                self.run("psql", f"--host={self.home}", "--username=postgres", "--no-psqlrc", "--quiet", "--single-transaction",
                         "--set=ON_ERROR_STOP=1", "shop", stdin=statements)
        finally:
            self.run("pg_ctl", "--pgdata=data", "--wait", "--silent", "--mode=fast", "stop")

    def serve(self, port: int) -> subprocess.Popen:
        """The server, on the loopback address."""
        settings = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "",
                    # It lives as long as the example does; what a power failure would lose is lost anyway.
                    "fsync": "off", "log_min_messages": "fatal", "log_min_error_statement": "panic"}
        return self.start("postgres", "-D", "data", *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")))


def main() -> int:
    # Both signals take the way through `finally`.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="postgres-example-") as directory:
        try:
            cluster = Cluster(Path(directory), Path(os.environ["POSTGRES_HOME"]))
            cluster.create()
            server = cluster.serve(int(os.environ.get("PORT", "5432")))
        except KeyboardInterrupt:
            return 130
        try:
            return server.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            # The fast shutdown: it does not wait for clients to leave.
            server.send_signal(signal.SIGINT)
            server.wait()


sys.exit(main())
