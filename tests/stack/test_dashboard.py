"""Each query of each panel finds data in a live Prometheus with the traffic of real clients of the weather server.

Three panels stay empty because the demo does not do what they show; a test fills each of them.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import board
from harness.pipeline import Prometheus, Stack
from harness.proxy import Proxy
from support.cases import result, rpc
from support.client import JSON, Connection
from support.http1 import Message
from support.peers import get
from support.processes import Process, accepts, free_port, wait_for
from support.stub import Stub, Wire

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = board.load()
PANELS = board.panels(DASHBOARD)
# Panels that are empty with the demo's traffic.
EMPTY = {
    "Tasks by status": "the weather server answers every call at once, and a task's series begins with the first task",
    "Duration of server requests": "the weather server asks its clients nothing",
    "Refused calls by tool": "the rule of the demo refuses nothing",
}
# For the demo: a rule that only counts.
SHADOW = {"shadow": True, "rules": [{"name": "calls", "method": "tools/call", "requests": 1, "interval_ms": 1000}]}
# For the panels that the demo leaves empty: one call of one tool in a day.
DAILY = {"rules": [{"name": "daily", "method": "tools/call", "tool": "often", "requests": 1, "interval_ms": 86_400_000}]}
# The variables as Grafana sets them: everything selected, a scrape every second, the last five minutes.
VALUES = board.variables(DASHBOARD) | board.times(1, 2, 300)
SESSION = [*JSON, ("Mcp-Session-Id", "one"), ("MCP-Protocol-Version", "2025-11-25")]
DEADLINE = 60.0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The weather server behind a sidecar, with real clients of two protocol versions, until the end of the tests."""
    directory = tmp_path_factory.mktemp("demo")
    port = free_port()
    weather = Process([get("python", "weather"), str(ROOT / "examples/weather/server.py")], directory / "weather.log",
                      {"HOST": "127.0.0.1", "PORT": str(port), "PATH": "", "HOME": "/nonexistent"})
    wait_for("the weather server to listen", lambda: accepts(port), process=weather)
    sidecar = Proxy(port, directory, config={"labels": {"client_name": "tools"}, "rate_limit": SHADOW})
    stack = Stack(directory / "stack", [sidecar.instance])
    over = threading.Event()
    clients = threading.Thread(target=drive, args=(sidecar, over))
    clients.start()
    yield stack.prometheus
    over.set()
    clients.join()
    for each in (stack, sidecar, weather):
        each.stop()


def drive(sidecar: Proxy, over: threading.Event) -> None:
    url = f"http://127.0.0.1:{sidecar.port}/mcp"
    while not over.is_set():
        for environment, program in (("mcp-old", "client_old.py"), ("demo", "client_new.py")):
            subprocess.run([get("python", environment), str(ROOT / "scripts/demo" / program), url], check=True,
                           stdout=subprocess.DEVNULL)


def with_values(found: list[tuple[dict[str, str], float]]) -> bool:
    """Whether there are series, all with a number."""
    return bool(found) and all(value == value for _, value in found)


def await_data(prometheus: Prometheus, panel: dict) -> None:
    for target in board.targets(panel):
        query = board.filled(target.expression, VALUES)
        wait_for(f"data for {query}", lambda query=query: with_values(prometheus.query(query)), DEADLINE)


@pytest.mark.parametrize("panel", [pytest.param(one, id=f"{one['id']} {one['title']}") for one in PANELS if one["title"] not in EMPTY])
def test_panel_has_data(demo: Prometheus, panel: dict) -> None:
    await_data(demo, panel)


def test_only_the_listed_panels_are_empty(demo: Prometheus) -> None:
    assert len(EMPTY) <= 3
    assert EMPTY.keys() <= {panel["title"] for panel in PANELS}
    for panel in PANELS:
        if panel["title"] in EMPTY:
            assert [demo.query(board.filled(target.expression, VALUES)) for target in board.targets(panel)] == [[]] * len(panel["targets"])


def test_annotations_and_variables_are_understood(demo: Prometheus) -> None:
    for annotation in DASHBOARD["annotations"]["list"]:
        demo.query(board.filled(annotation["expr"], VALUES))
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            query = f"group by ({label}) ({board.filled(selector, VALUES)})"
            wait_for(query, lambda query=query, label=label: any(labels.get(label) for labels, _ in demo.query(query)), DEADLINE)


def test_selected_value_selects_only_its_series(demo: Prometheus) -> None:
    [panel] = [panel for panel in PANELS if panel["title"] == "Most called"]
    [target] = board.targets(panel)

    def named(*tools: str) -> set[str]:
        query = board.filled(target.expression, VALUES | {"tool": board.chosen(list(tools))})
        return {labels["tool_name"] for labels, _ in demo.query(query)}

    wait_for("calls of a tool", lambda: named("get_radar") == {"get_radar"}, DEADLINE)
    wait_for("calls of both tools", lambda: named("get_radar", "get_forecast") == {"get_radar", "get_forecast"}, DEADLINE)
    assert named("get.radar") == set()


class Server:
    """An MCP server with a tool that asks a person, a tool that runs as a task, and a tool that responds at once."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        # Each task has its own id, because the end of a task counts once.
        self.tasks = 0

    def __call__(self, request: Message, wire: Wire) -> None:
        body = request.body
        if b'"initialize"' in body:
            wire.json(200, result({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}),
                      [("Mcp-Session-Id", "one")])
        elif b'"tasks/get"' in body:
            wire.json(200, result(self.task("completed")))
        elif b'"later"' in body:
            self.tasks += 1
            wire.json(200, result({"task": self.task("working")}))
        elif b'"often"' in body:
            wire.json(200, result({"content": []}))
        elif b'"method"' in body:
            self.ask(wire)
        else:
            self.answered.set()
            wire.answer(202, b"")

    def task(self, status: str) -> dict[str, object]:
        return {"taskId": f"task-{self.tasks}", "status": status, "ttl": 60000}

    def ask(self, wire: Wire) -> None:
        self.answered.clear()
        wire.begin("text/event-stream")
        wire.event(rpc("elicitation/create", {"message": "sure?"}, id=1))
        self.answered.wait(DEADLINE)
        wire.event(result({"content": [{"type": "text", "text": "done"}]}))
        wire.end()


def wait_for_a_person(sidecar: Proxy) -> None:
    with Connection(sidecar.port) as calls, Connection(sidecar.port) as answers:
        calls.send("POST", "/mcp", SESSION, rpc("tools/call", {"name": "ask", "arguments": {}}))
        calls.head()
        next(calls.pieces())
        answers.post(result({"action": "accept"}, id=1), SESSION)
        calls.finish()


def start_and_end_a_task(sidecar: Proxy) -> None:
    started = sidecar.post(rpc("tools/call", {"name": "later", "arguments": {}, "task": {"ttl": 60000}}), SESSION)
    task = json.loads(started.body)["result"]["task"]["taskId"]
    sidecar.post(rpc("tasks/get", {"taskId": task}), SESSION)


def call_until_refused(sidecar: Proxy) -> None:
    while sidecar.post(rpc("tools/call", {"name": "often", "arguments": {}}), SESSION).head.status != 429:
        pass


@pytest.mark.parametrize(("title", "family", "cause"), [
    pytest.param("Duration of server requests", "mcp_server_request_duration_seconds_count", wait_for_a_person, id="people"),
    pytest.param("Tasks by status", "mcp_tasks_total", start_and_end_a_task, id="tasks"),
    pytest.param("Refused calls by tool", 'mcp_tool_calls_total{error_type="rate_limited"}', call_until_refused, id="refused"),
])
def test_empty_panel_is_filled_by_its_traffic(upstream: Stub, proxy, stack, title: str, family: str, cause: Callable) -> None:
    [panel] = [panel for panel in PANELS if panel["title"] == title]
    upstream.on("/mcp", Server())
    sidecar = proxy(upstream.port, config={"rate_limit": DAILY})
    prometheus = stack([sidecar.instance]).prometheus
    # An increase needs two scrapes of the series that begins with the first event.
    for number in (1, 2):
        sidecar.post(rpc("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}))
        cause(sidecar)
        prometheus.await_value(f"sum({family})", number)
    await_data(prometheus, panel)


def test_server_without_sidecars_is_not_shown_as_reachable(stack) -> None:
    """The panel shows its last value, so a server without scraped sidecars needs a separate value."""
    [panel] = [one for one in PANELS if one["title"] == "MCP server"]
    [target] = board.targets(panel)
    [(_, value)] = stack([]).prometheus.query(board.filled(target.expression, VALUES))
    [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"][f"{value:.0f}"]["text"] == "no sidecar is scraped"
