"""Servers as users start them: packages of npm on standard input and output, with settings in the environment and in arguments."""

from pathlib import Path

import pytest

import servers
from support.clients import command
from support.matrix import Operation, Row, call
from support.rows import play
from support.sidecar import Sidecar

LIST = Operation("tools/list")
ENTITY = {"name": "tea", "entityType": "drink", "observations": ["hot"]}
MEMORY = [
    LIST,
    call("create_entities", entities=[ENTITY]),
    call("search_nodes", query="tea"),
    call("read_graph"),
    call("create_entities", "tool_error", entities="none"),
]
CLIENTS = ["typescript-1.32.2", "python-1.30.0"]


def files(folder: Path) -> list[Operation]:
    note = str(folder / "note.txt")
    return [
        # The server requests the roots at the start of a session.
        Operation("await", "roots/list", (), asks=("roots/list", "ok")),
        LIST,
        call("write_file", path=note, content="tea\n"),
        call("read_text_file", path=note),
        call("list_directory", path=str(folder)),
        call("read_text_file", "tool_error", path="/etc/hostname"),
    ]


@pytest.mark.parametrize("client", CLIENTS)
def test_memory(client: str, logs: Path, tmp_path: Path) -> None:
    """The graph is in a file that the program's environment names."""
    graph = tmp_path / "graph.jsonl"
    row = Row(client, "memory", "2025-11-25", MEMORY, sessions=1)
    sidecar = Sidecar(servers.command("memory"), logs, f"memory-{client}", MCP_UPSTREAM_NAME="memory", MEMORY_FILE_PATH=str(graph))
    try:
        play(row, sidecar, command)
    finally:
        sidecar.stop()
    assert '"tea"' in graph.read_text()


@pytest.mark.parametrize("client", CLIENTS)
def test_filesystem(client: str, logs: Path, tmp_path: Path) -> None:
    row = Row(client, "filesystem", "2025-11-25", files(tmp_path))
    sidecar = Sidecar(servers.filesystem(tmp_path), logs, f"filesystem-{client}", MCP_UPSTREAM_NAME="filesystem")
    try:
        play(row, sidecar, command)
    finally:
        sidecar.stop()
    assert (tmp_path / "note.txt").read_text() == "tea\n"
