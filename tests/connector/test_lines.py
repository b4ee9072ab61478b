"""Lines of a program, long and unusual ones, and what it writes to standard error."""

import json
import os

import pytest

from behaviour import pid_of, text
from servers import misbehaving
from session import Session
from support.processes import wait_for
from support.sidecar import Sidecar


@pytest.mark.parametrize("size", [66_000, 10_000_000])
def test_long_lines_pass(size: int, session: Session) -> None:
    call = session.start("long", bytes=size)
    answer = call.answer()
    assert len(json.dumps(answer, separators=(",", ":"))) == size
    assert set(text(answer)) == {"x"}


def test_long_requests_pass(session: Session) -> None:
    given = "x" * 10_000_000
    assert text(session.call("echo", text=given)) == given


@pytest.mark.parametrize("tool", ["crlf", "batch", "twice", "unknown_id", "echo"])
def test_unusual_lines_reach_the_client_once(tool: str, session: Session) -> None:
    assert text(session.call(tool, text="a")) == "a"
    assert text(session.call("echo", text="b")) == "b"


def test_lines_that_are_no_messages_are_skipped_and_told_once(misbehaving_sidecar: Sidecar, session: Session) -> None:
    secret = "a log line with a secret"
    assert text(session.call("log", lines=100, text=secret)) == "logged"
    assert text(session.call("blank", lines=100)) == "blank"
    assert text(session.call("json", text='{"no":"message"}')) == "written"
    log = misbehaving_sidecar.process.log()
    assert secret not in log
    pid = pid_of(session)
    told = [line for line in log.splitlines() if str(pid) in line and "JSON" in line]
    assert len(told) == 1, log[-3000:]


@pytest.mark.parametrize("way", ["crlf", "log=100", "log-at-start=1000", "stderr-at-start=1000000", "slow-start=1"])
def test_ways_of_a_whole_session(way: str, run) -> None:
    sidecar = run(misbehaving(way))
    session = Session(sidecar.port)
    assert text(session.call("echo", text="a")) == "a"
    assert session.delete() == 200


def test_standard_error_is_read(misbehaving_sidecar: Sidecar, session: Session) -> None:
    """It is told with a prefix, and a program that writes much does not block."""
    assert text(session.call("stderr_text", text="a line for people\n")) == "written"
    wait_for("the line", lambda: "a line for people" in misbehaving_sidecar.process.log())
    (line,) = [line for line in misbehaving_sidecar.process.log().splitlines() if "a line for people" in line]
    assert str(pid_of(session)) in line.split("a line")[0]
    assert text(session.call("stderr", bytes=4_000_000)) == "written"
    assert text(session.call("stderr", bytes=1_000_000, line=1_000_000)) == "written"


def test_environment_and_folder_reach_the_program(run) -> None:
    sidecar = run(misbehaving(), FOR_THE_PROGRAM="a", MCP_STDIO_SESSIONS="3")
    session = Session(sidecar.port)
    told = json.loads(text(session.call("environment")))
    assert told["FOR_THE_PROGRAM"] == "a" and told["PATH"] == os.environ["PATH"]
    own = ("PORT", "PROBE_PORT", "ADMIN_PORT", "HOST", "CONCURRENCY", "ENVOY_BIN", "MCP_FILTER_WASM", "MCP_STDIO_SESSIONS")
    assert [name for name in own if name in told] == []
    who = json.loads(text(session.call("who")))
    assert who["cwd"] == os.getcwd() and who["ppid"] == sidecar.process.pid and who["pgid"] == who["pid"]
    # Standard input, output and error only, and the folder that lists them.
    assert sorted(map(int, who["descriptors"]))[:3] == [0, 1, 2] and len(who["descriptors"]) <= 4, who
