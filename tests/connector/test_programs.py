"""Programs that end, do not start, or do not end: what their clients are told, and that nothing is left behind."""

import os
from pathlib import Path

import pytest

from behaviour import LINE_BYTES, PROGRAM, error, pid_of, text
from families import gone, named
from servers import misbehaving
from session import Session
from support.processes import wait_for
from support.sidecar import Sidecar, probe


ENDS = [
    ("exit", {"status": 3}, "status 3"),
    ("exit", {"status": 0}, "status 0"),
    ("die", {"signal": "SIGSEGV"}, "SIGSEGV"),
    ("die", {"signal": "SIGKILL"}, "SIGKILL"),
    ("half_line", {"then": "exit"}, "status 0"),
    ("close_stdout", {}, ""),
    ("long", {"bytes": LINE_BYTES + 1}, str(LINE_BYTES)),
    ("fork_and_exit", {"status": 5}, "status 5"),
]


@pytest.mark.parametrize(("tool", "arguments", "told"), ENDS, ids=[f"{tool} {told}" for tool, _, told in ENDS])
def test_end_answers_all_that_is_open(tool: str, arguments: dict, told: str, misbehaving_sidecar: Sidecar) -> None:
    others = named(misbehaving_sidecar.process.pid, PROGRAM)
    session, other = Session(misbehaving_sidecar.port), Session(misbehaving_sidecar.port)
    kept = pid_of(other)
    group = named(misbehaving_sidecar.process.pid, PROGRAM) - others - {kept}
    calls = [session.start("never") for _ in range(3)]
    stream = session.stream()
    last = session.start(tool, **arguments)
    for call in (*calls, last):
        assert told in error(call.answer())
    stream.finish()
    assert session.start("echo").status == 404
    assert session.stream().status == 404
    gone(group)
    # A client that notices begins a new session; no other session was touched.
    assert text(Session(misbehaving_sidecar.port).call("echo", text="a")) == "a"
    assert pid_of(other) == kept


def test_health_follows_the_program(run, tmp_path: Path) -> None:
    """`/health` is 503 while the last start failed. A start is tried every 10 s, so it becomes 200 without a client."""
    unless = tmp_path / "unless"
    sidecar = run(misbehaving(f"end-at-start-unless={unless}"))
    assert probe(sidecar.probe_port, "/ready") == 200
    failed = Session(sidecar.port)
    assert failed.identity == "" and "status 1" in error(failed.greeting)
    wait_for("the sidecar to be unhealthy", lambda: probe(sidecar.probe_port, "/health") == 503)
    unless.touch()
    wait_for("the sidecar to be healthy", lambda: probe(sidecar.probe_port, "/health") == 200)
    assert text(Session(sidecar.port).call("echo", text="a")) == "a"


STARTS = [
    ("end-at-start=3", "status 3"),
    ("end-at-initialize=4", "status 4"),
    ("die-at-initialize=SIGABRT", "SIGABRT"),
    ("fork-at-start", "status 0"),
]


@pytest.mark.parametrize(("way", "told"), STARTS, ids=[way for way, _ in STARTS])
def test_start_that_fails_answers_the_session(way: str, told: str, run) -> None:
    sidecar = run(misbehaving(way))
    failed = Session(sidecar.port)
    assert failed.identity == "" and told in error(failed.greeting)
    wait_for("all programs to end", lambda: not named(sidecar.process.pid, "time.sleep"))


def test_refused_session_ends_its_program(run) -> None:
    sidecar = run(misbehaving("error-at-initialize"))
    refused = Session(sidecar.port)
    assert refused.identity == "" and refused.greeting["error"]["code"] == -32602
    wait_for("its end", lambda: not named(sidecar.process.pid, PROGRAM))


@pytest.mark.parametrize("way", ["half-answer-to-initialize", "no-answer-to-initialize"])
def test_program_that_does_not_answer_is_ended_after_its_client(way: str, run) -> None:
    """Envoy answers in place of the server after MCP_UPSTREAM_TIMEOUT_MS, and no program is left."""
    sidecar = run(misbehaving(way), MCP_UPSTREAM_TIMEOUT_MS="1000")
    refused = Session(sidecar.port)
    assert refused.status == 504 and refused.identity == ""
    wait_for("its end", lambda: not named(sidecar.process.pid, PROGRAM))


def test_program_that_ignores_sigterm_is_killed(run) -> None:
    sidecar = run(misbehaving("ignore-sigterm"))
    session = Session(sidecar.port)
    pid = pid_of(session)
    assert session.delete() == 200
    gone({pid})


@pytest.mark.parametrize("group", [True, False], ids=["its group", "another group"])
def test_processes_of_a_program_end_with_it(group: bool, misbehaving_sidecar: Sidecar) -> None:
    """Those of its group; a process of another group is the program's own, and does not hold up the end."""
    session = Session(misbehaving_sidecar.port)
    program, started = pid_of(session), int(text(session.call("fork", group=group)))
    assert session.delete() == 200
    gone({program, started} if group else {program})
    if not group:
        os.kill(started, 9)


COMMANDS = {
    "not there": ["./no-such-program"],
    "not on the PATH": ["no-such-program-anywhere"],
    "not executable": ["/etc/hostname"],
    "a directory": ["/tmp"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_command_that_cannot_be_started_is_refused(command: list[str], launched) -> None:
    ran = launched(command)
    assert ran.wait() == 2
    assert command[0] in ran.log() and len(ran.log().splitlines()) == 1, ran.log()


@pytest.mark.parametrize("settings", [{}, {"MCP_UPSTREAM_URL": "http://127.0.0.1:1"}], ids=["neither", "both"])
def test_url_or_command_is_required_and_not_both(settings: dict[str, str], launched) -> None:
    ran = launched(misbehaving() if settings else [], **settings)
    assert ran.wait() == 2
    assert "MCP_UPSTREAM_URL" in ran.log() and "--" in ran.log(), ran.log()
