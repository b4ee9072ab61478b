"""Spans and log records of an Envoy with the filter: status, types, absent values, and the agent's trace. Other data does not change."""

from typing import Any

import pytest

from harness.backend import Backend
from harness.http import post_json
from harness.pipeline import DEADLINE, Collector
from privacy import otlp
from support.processes import wait_for

HTTP_TRACE, HTTP_PARENT = "1" * 32, "2" * 16
AGENT_TRACE, AGENT_PARENT = "a" * 32, "b" * 16
AGENT = f"00-{AGENT_TRACE}-{AGENT_PARENT}-01"
ERROR = 2

# As a sidecar sends them.
ENVOY = {"node_id": "mcp-sidecar", "zone": "", "downstream_cluster": "-", "user_agent": "-", "response_flags": "-", "http.status_code": "200"}
SERVER = {"mcp.server.name": "weather"}
CALL = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "forecast", "mcp.status": "ok"}


@pytest.fixture
def collector(tmp_path, backend: Backend):
    backend.start()
    collector = Collector(tmp_path / "collector", [], backend=backend.url)
    yield collector
    collector.stop()


def span(attributes: dict[str, Any], number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "traceId": HTTP_TRACE, "spanId": f"{number:016x}", "parentSpanId": HTTP_PARENT, "name": "sent", "kind": 2,
        "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": otlp.attributes(attributes), **fields,
    }


def record(attributes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"traceId": HTTP_TRACE, "spanId": f"{1:016x}", "timeUnixNano": "1", "attributes": otlp.attributes(attributes), **fields}


def send_spans(collector: Collector, *spans: dict, scope: str = "envoy") -> None:
    document = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}]}]}
    assert post_json(collector.url("otlp_http", "/v1/traces"), document) == 200


def send_records(collector: Collector, *records: dict, scope: str = "") -> None:
    document = {"resourceLogs": [{"scopeLogs": [{"scope": {"name": scope}, "logRecords": list(records)}]}]}
    assert post_json(collector.url("otlp_http", "/v1/logs"), document) == 200


def received(collector: Collector, backend: Backend, *attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """What becomes of the sidecar's spans with these attributes, in order."""
    send_spans(collector, *(span(ENVOY | each, number) for number, each in enumerate(attributes, 1)))
    wait_for("the spans", lambda: len(backend.spans()) == len(attributes), DEADLINE)
    return sorted((each for _, each in backend.spans()), key=lambda each: each["spanId"])


def values(of: dict[str, Any]) -> dict[str, Any]:
    """Attributes with the types of OTLP's JSON form: an integer is a number here."""
    found = {each["key"]: each["value"] for each in of["attributes"]}
    return {key: int(value["intValue"]) if "intValue" in value else value["stringValue"] for key, value in found.items()}


def place(of: dict[str, Any]) -> tuple[str, str | None]:
    return of["traceId"], of.get("parentSpanId")


# Attributes


def test_span_has_name_types_and_no_absent_values(collector: Collector, backend: Backend) -> None:
    [found] = received(collector, backend, CALL | {
        "gen_ai.prompt.name": "-", "mcp.resource.uri": "", "error.type": "-", "gen_ai.operation.name": "-", "mcp.trace_parent": "-",
        "client.address": "127.0.0.1", "client.port": "40001", "server.port": "4000", "jsonrpc.request.id": "7",
        "network.protocol.version": "1.1",
    })
    assert found["name"] == "tools/call forecast"
    assert values(found) == {
        "node_id": "mcp-sidecar", "http.status_code": "200", "mcp.method.name": "tools/call", "gen_ai.tool.name": "forecast",
        "gen_ai.operation.name": "execute_tool", "mcp.status": "ok", "client.address": "127.0.0.1", "client.port": 40001,
        "server.port": 4000, "jsonrpc.request.id": "7", "network.protocol.version": "1.1",
    }


def test_only_tool_calls_execute_a_tool(collector: Collector, backend: Backend) -> None:
    prompt, listing = received(
        collector, backend,
        {"mcp.method.name": "prompts/get", "gen_ai.prompt.name": "greet", "gen_ai.operation.name": "execute_tool"},
        {"mcp.method.name": "tools/list", "gen_ai.operation.name": "execute_tool"},
    )
    assert (prompt["name"], listing["name"]) == ("prompts/get greet", "tools/list")
    assert values(prompt)["gen_ai.prompt.name"] == "greet"
    for each in (prompt, listing):
        assert "gen_ai.operation.name" not in values(each)


def test_session_hash_stays_and_a_session_id_does_not(collector: Collector, backend: Backend) -> None:
    name = "mcp.session.id"
    hashed, raw = received(collector, backend, CALL | {name: "0123456789abcdef"}, CALL | {name: "5b1f8f5e8a584a519d3a0b8a5c1d2e3f"})
    assert values(hashed)[name] == "0123456789abcdef"
    assert "mcp.session" not in values(hashed)
    assert not {name, "mcp.session"} & set(values(raw))
    send_spans(collector, span({name: "0123456789abcdef", "mcp.method.name": "tools/call"}, 9), scope="mcp-python-sdk")
    wait_for("the other span", lambda: len(backend.spans()) == 3, DEADLINE)
    [other] = [each for _, each in backend.spans() if each["spanId"] == f"{9:016x}"]
    assert set(values(other)) == {"mcp.method.name"}


def test_user_is_hashed(collector: Collector, backend: Backend) -> None:
    [found] = received(collector, backend, CALL | {"user.id": "ann"})
    assert len(values(found)["user.id"]) == 64


def test_envoys_tags_with_any_text_of_the_peers_are_deleted(collector: Collector, backend: Backend) -> None:
    grpc = dict.fromkeys(("grpc.path", "grpc.authority", "grpc.content_type", "grpc.timeout", "grpc.status_code", "grpc.message"), "text")
    tags = {"guid:x-client-trace-id": "text", "guid:x-request-id": "id"} | grpc
    [found] = received(collector, backend, CALL | tags)
    assert set(values(found)) & set(tags) == {"guid:x-request-id"}


# Status

STATUS = [
    ({"mcp.status": "ok"}, None, None),
    # A tool's error is in an HTTP 200.
    ({"mcp.status": "error", "error.type": "tool_error"}, ERROR, "tool_error"),
    ({"mcp.status": "error", "error.type": "rpc_error", "rpc.response.status_code": "-32603"}, ERROR, "-32603"),
    ({"mcp.status": "error", "error.type": "invalid_request", "rpc.response.status_code": "-32602"}, None, None),
    ({"mcp.status": "error", "error.type": "timeout", "http.status_code": "504"}, ERROR, "timeout"),
    ({"mcp.status": "cancelled", "error.type": "-"}, None, None),
    # Envoy's own judgement of the HTTP status does not count.
    ({"mcp.status": "ok", "http.status_code": "500"}, None, None),
    ({"mcp.status": "-", "http.status_code": "503"}, None, None),
]


def test_status_is_that_of_the_operation(collector: Collector, backend: Backend) -> None:
    sent = [span(ENVOY | CALL | given, number, status={"code": ERROR if "http.status_code" in given else 0})
            for number, (given, *_) in enumerate(STATUS, 1)]
    send_spans(collector, *sent)
    wait_for("the spans", lambda: len(backend.spans()) == len(STATUS), DEADLINE)
    found = sorted((each for _, each in backend.spans()), key=lambda each: each["spanId"])
    for each, (given, code, error_type) in zip(found, STATUS, strict=True):
        assert (each["status"].get("code"), values(each).get("error.type")) == (code, error_type), given
        assert values(each).get("rpc.response.status_code") == given.get("rpc.response.status_code"), given


# Which spans


def test_only_spans_of_mcp_pass_from_an_envoy_with_the_filter(collector: Collector, backend: Backend) -> None:
    send_spans(
        collector, span(ENVOY, 1), span(ENVOY | {"mcp.method.name": "-"}, 2), span({"mcp.observed": "true", "zone": ""}, 3),
        span(ENVOY | CALL, 4), span(CALL | {"mcp.observed": "true"}, 5),
        # Another Envoy, without the filter.
        span({"node_id": "edge", "zone": "", "user_agent": "-"}, 6),
    )
    send_spans(collector, span({"node_id": "mcp-sidecar"}, 7), scope="another")
    # The two requests may be exported side by side.
    wait_for("the last span", lambda: {4, 5, 6, 7} <= {int(each["spanId"], 16) for _, each in backend.spans()}, DEADLINE)
    found = {int(each["spanId"], 16): each for _, each in backend.spans()}
    assert set(found) == {4, 5, 6, 7}
    assert "mcp.observed" not in values(found[5])
    assert values(found[6]) == {"node_id": "edge", "zone": "", "user_agent": "-"}


def test_spans_and_records_of_other_senders_do_not_change(collector: Collector, backend: Backend) -> None:
    """Not even with the filter's names."""
    attributes = CALL | SERVER | {
        "guid:x-client-trace-id": "x", "mcp.trace_parent": AGENT, "error.type": "invalid_request", "client.port": "1", "zone": "-", "mcp.observed": "true",
        "mcp.http.trace_id": "x", "gen_ai.prompt.name": "greet",
    }
    sent_span, sent_record = span(attributes, status={"code": ERROR}), record(attributes)
    send_spans(collector, sent_span, scope="mcp-python-sdk")
    send_records(collector, sent_record, scope="app")
    wait_for("both", lambda: backend.spans() and backend.logs(), DEADLINE)
    for sent, [(_, found)] in ((sent_span, backend.spans()), (sent_record, backend.logs())):
        assert {key: found[key] for key in sent} == sent


def test_record_without_a_scope_and_without_the_servers_name_does_not_change(collector: Collector, backend: Backend) -> None:
    """Records of a program that names no scope, as the sidecar's records have none."""
    sent = record(CALL | {"mcp.trace_parent": AGENT, "error.type": "-", "client.port": "1", "gen_ai.prompt.name": "-"})
    send_records(collector, sent)
    wait_for("the record", backend.logs, DEADLINE)
    [(_, found)] = backend.logs()
    assert {key: found[key] for key in sent} == sent


# The agent's trace


def test_span_moves_into_the_agents_trace(collector: Collector, backend: Backend) -> None:
    moved, future, same, none = received(
        collector, backend, CALL | {"mcp.trace_parent": AGENT}, CALL | {"mcp.trace_parent": f"cc-{AGENT[3:]}-more"},
        CALL | {"mcp.trace_parent": f"00-{HTTP_TRACE}-{AGENT_PARENT}-01"}, CALL,
    )
    for each in (moved, future):
        assert place(each) == (AGENT_TRACE, AGENT_PARENT)
        assert values(each)["mcp.http.trace_id"] == HTTP_TRACE
    # HTTP's parent is nearer than the agent's span, of which it is a child.
    for each in (same, none):
        assert place(each) == (HTTP_TRACE, HTTP_PARENT)
        assert "mcp.http.trace_id" not in values(each)
    for each in (moved, future, same, none):
        assert "mcp.trace_parent" not in values(each)


INVALID = [
    "-", "", "x", AGENT[:-1], f"{AGENT}0", f"{AGENT}-", f"{AGENT}-more", AGENT.upper(), f"ff-{AGENT[3:]}", f"cc-{AGENT[3:]}0", f" {AGENT}",
    f"00-{'0' * 32}-{AGENT_PARENT}-01", f"00-{AGENT_TRACE}-{'0' * 16}-01", f"00-{'g' * 32}-{AGENT_PARENT}-01", f"{AGENT}\n", AGENT * 1000,
]


def test_invalid_trace_parent_moves_nothing(collector: Collector, backend: Backend) -> None:
    spans = received(collector, backend, *(CALL | {"mcp.trace_parent": each} for each in INVALID), CALL | {"mcp.trace_parent": 7})
    assert {place(each) for each in spans} == {(HTTP_TRACE, HTTP_PARENT)}
    assert not {key for each in spans for key in values(each)} & {"mcp.trace_parent", "mcp.http.trace_id"}


def test_spans_of_one_request_move_separately(collector: Collector, backend: Backend) -> None:
    parents = [f"00-{number:032x}-{number + 100:016x}-0{number % 2}" for number in range(5, 15)]
    spans = received(collector, backend, *(CALL | {"mcp.trace_parent": each} for each in parents))
    assert [place(each) for each in spans] == [tuple(each.split("-")[1:3]) for each in parents]


def test_record_follows_its_span(collector: Collector, backend: Backend) -> None:
    absent = {"gen_ai.prompt.name": "-", "error.type": "-", "response_flags": "-", "user.id": ""}
    moved = record(CALL | SERVER | absent | {"mcp.trace_parent": AGENT, "mcp.session.id": "0123456789abcdef", "http.response.status_code": "200"})
    other = record(CALL | SERVER | {"mcp.trace_parent": INVALID[-1], "mcp.status": "error", "error.type": "invalid_request",
                               "mcp.error_type": "invalid_request", "mcp.session.id": "s-1"})
    # Without tracing a record has no trace.
    untraced = record(CALL | SERVER | {"mcp.trace_parent": AGENT}, traceId="", spanId="")
    foreign = record(dict.fromkeys((*CALL, *absent), "-") | SERVER | {"url.path": "/health"})
    send_records(collector, moved, other, untraced, foreign)
    wait_for("the records", lambda: len(backend.logs()) == 4, DEADLINE)
    moved, other, untraced, foreign = (each for _, each in backend.logs())
    assert (moved["traceId"], moved["spanId"]) == (AGENT_TRACE, f"{1:016x}")
    assert values(moved) == CALL | SERVER | {
        "gen_ai.operation.name": "execute_tool", "mcp.session.id": "0123456789abcdef", "mcp.http.trace_id": HTTP_TRACE,
        "http.response.status_code": 200,
    }
    assert other["traceId"] == HTTP_TRACE
    assert values(other) == CALL | SERVER | {"gen_ai.operation.name": "execute_tool", "mcp.status": "error", "mcp.error_type": "invalid_request"}
    assert untraced["traceId"] == AGENT_TRACE
    assert "mcp.http.trace_id" not in values(untraced)
    assert values(foreign) == SERVER | {"url.path": "/health"}
