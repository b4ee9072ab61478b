"""Launcher, Envoy and program end in every order, by SIGTERM, SIGKILL and SIGHUP: nothing is left behind, and exit status and message
say what happened."""

import fcntl
import os
import signal
import subprocess
import termios
from pathlib import Path

import pytest

import servers
from families import LAST, alive, descendants, gone, named
from session import Session
from stdio_client import StdioClient
from support.processes import free_port, wait_for
from support.sidecar import Sidecar, environment, probe

PROGRAM = "rmcp-3.11.0"
SIGNALS = [signal.SIGTERM, signal.SIGKILL]
by_signal = pytest.mark.parametrize("which", SIGNALS, ids=lambda which: which.name)
# A terminal that closes sends SIGHUP to the launcher, which leads its processes.
by_signal_or_terminal = pytest.mark.parametrize("which", [*SIGNALS, signal.SIGHUP], ids=lambda which: which.name)


@pytest.fixture(autouse=True)
def hang_up():
    """Under nohup SIGHUP is ignored, and children would inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class Running:
    """A sidecar with one session that has an open call, and one that has none."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar, self.launcher = sidecar, sidecar.process.pid
        self.session = Session(sidecar.port)
        (self.program,) = named(self.launcher, "rmcp-server")
        wait_for("the sidecar to be healthy", self.healthy)
        self.idle = Session(sidecar.port)
        self.call = self.session.start("waits", token="t")
        self.call.next(method="notifications/progress")
        self.all = descendants(self.launcher)
        (self.envoy,) = named(self.launcher, "--config-")
        assert len(self.all) == 3

    def healthy(self) -> bool:
        return probe(self.sidecar.probe_port, "/health") == 200

    def leave(self) -> None:
        self.call.connection.close()


@pytest.fixture
def running(run) -> Running:
    return Running(run(servers.command(PROGRAM)))


@by_signal_or_terminal
def test_launcher_ends(running: Running, which: signal.Signals) -> None:
    os.kill(running.launcher, which)
    if which != signal.SIGKILL:
        # The open call may finish in a drain; its client leaves.
        running.leave()
    status = running.sidecar.process.wait(LAST)
    assert status == (-signal.SIGKILL if which == signal.SIGKILL else 0)
    gone(running.all)


def test_launcher_under_nohup_goes_on(run) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    running = Running(run(servers.command(PROGRAM)))
    os.kill(running.launcher, signal.SIGHUP)
    bit = 1 << signal.SIGHUP - 1
    masks = dict(line.split(":\t") for line in Path(f"/proc/{running.launcher}/status").read_text().splitlines() if line.startswith("Sig"))
    assert int(masks["SigIgn"], 16) & bit and not int(masks["SigCgt"], 16) & bit
    assert running.idle.call("echo", text="a")["result"]["content"][0]["text"] == "a"
    running.leave()
    running.sidecar.process.terminate()
    assert running.sidecar.process.wait(LAST) == 0


def test_terminal_that_closes_ends_all() -> None:
    """A shell's user closes the window: standard input, output and error are gone too."""
    port, probe_port = free_port(), free_port()
    settings = environment(PORT=str(port), PROBE_PORT=str(probe_port), ADMIN_PORT=str(free_port()), CONCURRENCY="1")
    terminal, end = os.openpty()
    os.set_blocking(terminal, False)

    def ready() -> bool:
        """Reads the terminal too: it holds few lines."""
        try:
            os.read(terminal, 65536)
        except BlockingIOError:
            pass
        return probe(probe_port, "/ready") == 200

    with subprocess.Popen(
        [os.environ["MCP_SIDECAR"], "run", "--", *servers.command(PROGRAM)], env=settings, stdin=end, stdout=end, stderr=end,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as launcher:
        os.close(end)
        try:
            wait_for("the sidecar to be ready", ready)
            session = Session(port)
            assert session.call("echo", text="a")["result"]["content"][0]["text"] == "a"
            everything = descendants(launcher.pid)
            assert named(launcher.pid, "rmcp-server")
            os.close(terminal)
            assert launcher.wait(LAST) == 0
            gone(everything)
        finally:
            launcher.kill()


@by_signal
def test_envoy_ends(running: Running, which: signal.Signals) -> None:
    os.kill(running.envoy, which)
    running.leave()
    status = running.sidecar.process.wait(LAST)
    gone(running.all)
    if which == signal.SIGKILL:
        assert status == 128 + signal.SIGKILL
        assert "SIGKILL" in running.sidecar.process.log() or "signal 9" in running.sidecar.process.log()
    else:
        assert status == 0


@by_signal
def test_program_ends(running: Running, which: signal.Signals) -> None:
    """The open call is answered, the session is unknown from then on, and all others go on."""
    os.kill(running.program, which)
    answer = running.call.answer()
    assert answer["error"]["code"] == -32000
    text = answer["error"]["message"]
    assert (f"signal {which.value}" in text and which.name in text) or "status" in text, text
    gone({running.program})
    assert running.session.start("echo", text="a").status == 404
    assert running.idle.call("echo", text="a")["result"]["content"][0]["text"] == "a"
    assert Session(running.sidecar.port).call("echo", text="b")["result"]["content"][0]["text"] == "b"
    assert running.healthy()
    everything = descendants(running.launcher)
    running.sidecar.stop(LAST)
    assert not alive(everything)


@by_signal
def test_all_end_at_once(running: Running, which: signal.Signals) -> None:
    for pid in (running.program, running.envoy, running.launcher):
        os.kill(pid, which)
    running.leave()
    running.sidecar.process.wait(LAST)
    gone(running.all)


@pytest.fixture
def client(tmp_path: Path):
    """`mcp-sidecar stdio` with an initialized session."""
    started = StdioClient(servers.command(PROGRAM), tmp_path / "stdio.log")
    try:
        started.initialize()
        yield started
    finally:
        started.stop()


def test_end_of_input_ends_all(client: StdioClient) -> None:
    assert client.call("echo", text="a")["result"]["content"][0]["text"] == "a"
    everything = descendants(client.pid)
    assert len(everything) == 2
    client.begin("tools/call", {"name": "slow", "arguments": {"milliseconds": 300}})
    assert client.end() == 0
    # What was open was answered first.
    assert client.message()["result"]["content"][0]["text"] == "late"
    assert client.message() is None
    assert not alive(everything)


@by_signal_or_terminal
def test_launcher_of_stdio_ends(client: StdioClient, which: signal.Signals) -> None:
    everything = descendants(client.pid)
    client.child.send_signal(which)
    assert client.child.wait(LAST) == (-signal.SIGKILL if which == signal.SIGKILL else 0)
    gone(everything)


@by_signal
def test_envoy_of_stdio_ends(client: StdioClient, which: signal.Signals) -> None:
    everything = descendants(client.pid)
    (envoy,) = named(client.pid, "--config-")
    os.kill(envoy, which)
    client.child.wait(LAST)
    gone(everything)
    while client.message() is not None:
        pass
    if which == signal.SIGKILL:
        assert client.child.returncode == 128 + signal.SIGKILL


@by_signal
def test_program_of_stdio_ends(client: StdioClient, which: signal.Signals) -> None:
    """What is open is answered, then the sidecar ends, so that the client starts a new one."""
    (program,) = named(client.pid, "rmcp-server")
    everything = descendants(client.pid)
    asked = client.begin("tools/call", {"name": "waits", "arguments": {}, "_meta": {"progressToken": 1}})
    assert client.message()["method"] == "notifications/progress"
    os.kill(program, which)
    answer = client.message()
    assert (answer["id"], answer["error"]["code"]) == (asked, -32000)
    try:
        following = client.begin("ping", {})
    except BrokenPipeError:
        # The sidecar has ended before the request.
        following = None
    refused = client.message()
    assert refused is None or (refused["id"] == following and "error" in refused)
    assert client.child.wait(LAST) == 1
    assert client.log().strip(), "nothing says what happened"
    gone(everything)


def test_program_is_started_directly(client: StdioClient) -> None:
    """No shell stands between launcher and program, which has a process group of its own."""
    (program,) = named(client.pid, "rmcp-server")
    assert Path(f"/proc/{program}/stat").read_text().rpartition(")")[2].split()[1] == str(client.pid)
    assert os.getpgid(program) == program
    assert client.end() == 0
    wait_for("its end", lambda: not alive({program}))
