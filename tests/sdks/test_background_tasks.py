"""Background tasks of FastMCP 2, which reports them in `_meta` of an ordinary result, count as tasks of their tool."""

import json
import subprocess

from clients import command
from counts import after, alarms, total
from support.peers import clean_env
from support.relay import Relay

SERVER = "fastmcp-2.14.7"
SESSIONS = 2
TASKS = [
    {"method": "tools/call", "name": "later", "arguments": {"text": "a"}, "task": True},
    {"method": "tools/call", "name": "later_fails", "task": True},
]
ANNOUNCED = b'"modelcontextprotocol.io/task"'


def test_tasks_end_under_the_names_of_their_tools(sidecar_of) -> None:
    sidecar = sidecar_of(SERVER)
    relay = Relay(sidecar.port)
    url = f"http://127.0.0.1:{relay.port}/mcp"
    plan = {"url": url, "transport": "streamable_http", "mode": "auto", "sessions": SESSIONS, "operations": TASKS}
    client = subprocess.run([*command(SERVER), json.dumps(plan)], capture_output=True, text=True, timeout=180, env=clean_env())
    exchanges = relay.close().exchanges
    assert client.returncode == 0, client.stderr[-3000:]
    announced = [exchange for exchange in exchanges if ANNOUNCED in exchange.response_body]
    assert len(announced) == len(TASKS) * SESSIONS, "the pair no longer does what this test is for"
    samples = after(sidecar, len(exchanges))

    def calls(**labels: str) -> int:
        return total(samples, "mcp_tool_calls_total", **labels)

    def tasks(**labels: str) -> int:
        return total(samples, "mcp_tasks_total", **labels)

    for tool in ("later", "later_fails"):
        assert calls(tool_name=tool) == calls(tool_name=tool, status="accepted") == SESSIONS
    assert calls(tool_name="release", status="ok") == len(TASKS) * SESSIONS
    assert tasks() == len(TASKS) * SESSIONS
    assert tasks(tool_name="later", status="completed") == SESSIONS
    assert tasks(tool_name="later_fails", status="failed") == SESSIONS
    assert alarms(samples) == {}
