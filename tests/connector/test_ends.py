"""Launcher, Envoy and program end in every order, by SIGTERM and SIGKILL: nothing is left behind, and exit status and message say what
happened."""

import os
import signal
from pathlib import Path

import pytest

import servers
from families import alive, descendants, gone, named
from session import Session
from stdio_client import StdioClient
from support.processes import wait_for
from support.sidecar import Sidecar, probe

PROGRAM = "rmcp-3.11.0"
SIGNALS = [signal.SIGTERM, signal.SIGKILL]
by_signal = pytest.mark.parametrize("which", SIGNALS, ids=lambda which: which.name)


class Running:
    """A sidecar with one session that has an open call, and one that has none."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar, self.launcher = sidecar, sidecar.process.pid
        self.session = Session(sidecar.port)
        (self.program,) = named(self.launcher, "rmcp-server")
        self.idle = Session(sidecar.port)
        self.call = self.session.start("waits", token="t")
        self.call.next(method="notifications/progress")
        self.all = descendants(self.launcher)
        (self.envoy,) = named(self.launcher, "--config-")
        assert len(self.all) == 3

    def leave(self) -> None:
        self.call.connection.close()


@pytest.fixture
def running(run) -> Running:
    return Running(run(servers.command(PROGRAM)))


@by_signal
def test_launcher_ends(running: Running, which: signal.Signals) -> None:
    os.kill(running.launcher, which)
    if which == signal.SIGTERM:
        # The open call may finish in a drain; its client leaves.
        running.leave()
    status = running.sidecar.process.wait(40)
    assert status == (0 if which == signal.SIGTERM else -signal.SIGKILL)
    gone(running.all)


@by_signal
def test_envoy_ends(running: Running, which: signal.Signals) -> None:
    os.kill(running.envoy, which)
    running.leave()
    status = running.sidecar.process.wait(40)
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
    assert probe(running.sidecar.probe_port, "/health") == 200
    everything = descendants(running.launcher)
    running.sidecar.stop()
    assert not alive(everything)


@by_signal
def test_all_end_at_once(running: Running, which: signal.Signals) -> None:
    for pid in (running.program, running.envoy, running.launcher):
        os.kill(pid, which)
    running.leave()
    running.sidecar.process.wait(40)
    gone(running.all)


@pytest.fixture
def client(tmp_path: Path):
    """`mcp-sidecar stdio` with an initialized session."""
    started = StdioClient(servers.command(PROGRAM), tmp_path / "stdio.log")
    started.initialize()
    yield started
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


@by_signal
def test_launcher_of_stdio_ends(client: StdioClient, which: signal.Signals) -> None:
    everything = descendants(client.pid)
    client.child.send_signal(which)
    assert client.child.wait(10) == (0 if which == signal.SIGTERM else -signal.SIGKILL)
    gone(everything)


@by_signal
def test_envoy_of_stdio_ends(client: StdioClient, which: signal.Signals) -> None:
    everything = descendants(client.pid)
    (envoy,) = named(client.pid, "--config-")
    os.kill(envoy, which)
    client.child.wait(10)
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
    following = client.begin("ping", {})
    refused = client.message()
    assert refused is None or (refused["id"] == following and "error" in refused)
    assert client.child.wait(10) == 1
    assert client.log().strip(), "nothing says what happened"
    gone(everything)


def test_program_that_is_started_directly_is_this_one(tmp_path: Path) -> None:
    """The tests above count three processes because no shell stands between launcher and program."""
    client = StdioClient(servers.command(PROGRAM), tmp_path / "direct.log")
    client.initialize()
    (program,) = named(client.pid, "rmcp-server")
    assert Path(f"/proc/{program}/stat").read_text().rpartition(")")[2].split()[1] == str(client.pid)
    assert os.getpgid(program) == program
    assert client.end() == 0
    wait_for("its end", lambda: not alive({program}))
