"""Runs a separate PostgreSQL with the shop's data in a temporary directory, which is deleted at the end. Standard library only.

    POSTGRES_HOME=DIRECTORY PORT=5432 python database.py

POSTGRES_HOME holds bin/, lib/ and share/ (`scripts/get.sh postgres` prints it). It runs until SIGTERM or Ctrl-C. All local connections are
trusted, so it listens on the loopback address only. PostgreSQL refuses to run as root. If root starts this program, PostgreSQL
runs as user 65534 (nobody), from a copy of its programs that this user can read.
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
    """A data directory, and the programs that work on it."""

    def __init__(self, directory: Path, installation: Path):
        # The directories that the user of PostgreSQL writes to: data, log, local socket.
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
        """Starts one of PostgreSQL's programs, in a separate session so that Ctrl-C does not reach it."""
        environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(self.installation / "lib"), "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.Popen([self.installation / "bin" / program, *arguments], cwd=self.home, env=environment,
                                start_new_session=True, **streams, **self.user)

    def run(self, program: str, *arguments: str, **streams) -> None:
        """Runs one of the programs to its end. Raises with its output if it fails."""
        child = self.start(program, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **streams)
        said, _ = child.communicate()
        if child.returncode:
            raise SystemExit(f"{program} ended with status {child.returncode}:\n{said}")

    def create(self) -> None:
        """Creates the cluster with the shop's data. Until the end only the local socket accepts connections."""
        self.run("initdb", "--pgdata=data", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        local = f"-c listen_addresses='' -c unix_socket_directories={self.home}"
        # The output goes to a file, because the server keeps the inherited descriptors open.
        self.run("pg_ctl", "--pgdata=data", "--wait", "--silent", "--log=log", f"--options={local}", "start")
        try:
            self.run("createdb", f"--host={self.home}", "--username=postgres", "shop")
            with SHOP.open() as statements:
                self.run("psql", f"--host={self.home}", "--username=postgres", "--no-psqlrc", "--quiet", "--single-transaction",
                         "--set=ON_ERROR_STOP=1", "shop", stdin=statements)
        finally:
            self.run("pg_ctl", "--pgdata=data", "--wait", "--silent", "--mode=fast", "stop")

    def serve(self, port: int) -> subprocess.Popen:
        """Starts the server on the loopback address."""
        settings = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "",
                    # The data is deleted with the example, so it need not survive a power failure.
                    "fsync": "off", "log_min_messages": "fatal", "log_min_error_statement": "panic"}
        return self.start("postgres", "-D", "data", *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")))


def main() -> int:
    # Both signals run the `finally` blocks.
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
            # The fast shutdown, which does not wait for clients.
            server.send_signal(signal.SIGINT)
            server.wait()


sys.exit(main())
