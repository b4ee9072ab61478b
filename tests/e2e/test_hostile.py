"""Arbitrary bytes from either side pass unchanged and are counted if there is a family for them, and the same Envoy continues to
serve and to count.
"""

import json
import threading
from collections import Counter

import pytest

from support.cases import CALL, NOTIFICATION, RESULT, answers, error, result, rpc, streams
from support.client import JSON, Connection
from support.exchange import Ledger
from support.scrape import of_mcp
from support.sidecar import WORKERS, Sidecar
from support.stub import Stub

MODERN = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call")]
DEEP = b"[" * 100_000 + b"]" * 100_000
LONG = "x" * 10_000_000


def exchange(sidecar: Sidecar, stub: Stub, headers, body: bytes, serve) -> Ledger:
    """Makes the exchange on both workers. The client must get what the server sent."""
    stub.on("/hostile", serve)
    ledger = Ledger()
    for connection in sidecar.connections(ledger):
        with connection:
            connection.post(body, headers, "/hostile")
        assert stub.requests[-1].body == body
    return ledger


ORDINARY = rpc("tools/call", {"name": "ordinary"})
ORDINARY_CALLS = ("mcp_tool_calls_total", (("error_type", ""), ("server_name", "upstream"), ("status", "ok"), ("tool_name", "ordinary")))


def endure(sidecar: Sidecar, stub: Stub, hostile: list) -> None:
    """Each (headers, body, handler) passes on both workers, and the usual call after it is served and counted.

    The counts of the hostile exchange itself are not specified, or the parser of the tests cannot find them.
    """
    before = sidecar.samples().get(ORDINARY_CALLS, 0)
    ledger = Ledger()
    for headers, body, serve in hostile:
        ledger.exchanges += exchange(sidecar, stub, headers, body, serve).exchanges
        ledger.exchanges += exchange(sidecar, stub, JSON, ORDINARY, answers(200, RESULT)).exchanges
        sidecar.check_log()
    after = sidecar.adopt(ledger)[ORDINARY_CALLS]
    assert after - before == WORKERS * len(hostile)


NAMES = {
    "label injection": "x;.;status=.=ok",
    "label injection at the end": "x;.;",
    "family injection": "x;.;mcp_requests_total",
    "quotes": 'a"b\\c',
    "line ends": "a\nb\r\nc",
    "braces": 'x"} 1\nmcp_fake{a="b',
    "nul": "a\u0000b",
    "dots": "..a...b",
    "dot at the end": "probe.",
    "dots where it is cut": "x" * 126 + "..y",
    "only dots": "...",
    "blanks": "  a  b  ",
    "empty": "",
    "accents": "caf\u00e9 \u4e2d\u6587 \U0001f600",
    "long": "n" * 300,
    "long accents": "\u00e9" * 100,
    "long by one": "x" + "\u20ac" * 50,
    "percent": "%REQ(x)%$1",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_tools_and_prompts(name: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    ledger = Ledger()
    for method in ("tools/call", "prompts/get"):
        body = rpc(method, {"name": NAMES[name]})
        ledger.exchanges += exchange(stub_sidecar, stub, JSON, body, answers(200, RESULT)).exchanges
    stub_sidecar.check(ledger)


URIS = ["a;.;b=.=c:x", 'q"\\:x', "HTTP://user:secret@host/path?token=1", "no-scheme", ":x", "", "urn:x:y", "\n:x"]


@pytest.mark.parametrize("uri", URIS)
def test_resource_uris(uri: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    ledger = exchange(stub_sidecar, stub, JSON, rpc("resources/read", {"uri": uri}), answers(200, result({"contents": []})))
    stub_sidecar.check(ledger)
    assert "secret" not in stub_sidecar.metrics()


METHODS = ["x;.;status=.=ok", "tools/call\n", "TOOLS/CALL", "", "\u0000", "tools/" + "x" * 1000]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method[:20])
def test_methods(method: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    ledger = exchange(stub_sidecar, stub, JSON, rpc(method, {"name": "x"}), answers(200, RESULT))
    notification = json.dumps({"jsonrpc": "2.0", "method": method}).encode()
    ledger.exchanges += exchange(stub_sidecar, stub, JSON, notification, answers(202, b"")).exchanges
    stub_sidecar.check(ledger)


CODES = ["-99999999999999999999", "1e30", "1.5", '"x;.;y"', "null", "{}", "-32602.0"]


def test_error_codes(stub: Stub, stub_sidecar: Sidecar) -> None:
    bodies = [error(77).replace(b"77", code.encode()) for code in CODES]
    endure(stub_sidecar, stub, [(JSON, CALL, answers(400, body)) for body in bodies])


@pytest.mark.parametrize("version", ["2026-07-28", "1999-01-01", "x;.;y", "2025-06-18\n", LONG], ids=lambda v: v[:10])
def test_negotiated_versions(version: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    answer = result({"protocolVersion": version, "capabilities": {}, "serverInfo": {"name": version, "version": "1"}})
    body = rpc("initialize", {"protocolVersion": version, "clientInfo": {"name": version, "version": version}})
    stub_sidecar.check(exchange(stub_sidecar, stub, JSON, body, answers(200, answer)))


HEADERS = {
    "not utf-8": [("Mcp-Session-Id", "\u00ff\u00fe"), ("MCP-Protocol-Version", "\u00ff"), ("Mcp-Method", "\u00c3")],
    "not utf-8 in a modern name": [*MODERN, ("Mcp-Name", "\u00ff\u00fe\u0080")],
    "broken base64": [*MODERN, ("Mcp-Name", "=?base64?@@@?=")],
    "base64 of no text": [*MODERN, ("Mcp-Name", "=?base64?/////w==?=")],
    "unfinished base64": [*MODERN, ("Mcp-Name", "=?base64?")],
    "injection": [*MODERN, ("Mcp-Name", "x;.;status=.=ok")],
    "long": [*MODERN, ("Mcp-Name", "y" * 20_000)],
    "twice": [*MODERN, ("Mcp-Method", "tools/list"), ("Mcp-Name", "a"), ("Mcp-Name", "b")],
    "content type": [("Content-Type", "application/json;charset=\u00ff")],
}


def test_request_headers(stub: Stub, stub_sidecar: Sidecar) -> None:
    odd = [headers if name == "content type" else [*JSON, *headers] for name, headers in HEADERS.items()]
    endure(stub_sidecar, stub, [(headers, CALL, answers(200, RESULT)) for headers in odd])


def test_response_headers(stub: Stub, stub_sidecar: Sidecar) -> None:
    more = [("Mcp-Session-Id", "\u00ff\u00fe"), ("X-Odd", "\u00c3\u0028")]
    stub_sidecar.check(exchange(stub_sidecar, stub, JSON, CALL, answers(200, RESULT, "application/json", *more)))
    endure(stub_sidecar, stub, [(JSON, CALL, answers(200, RESULT, "application/\u00ff"))])


BODIES = {
    "not json": b"hello",
    "half": CALL[:-1],
    "two documents, one broken": CALL + b"\n{",
    "nul bytes": b"\x00" * 1000,
    "raw nul in a string": CALL.replace(b"probe", b"pro\x00be"),
    "not utf-8": b"\xff\xfe\xfd",
    "not utf-8 in a name": CALL.replace(b"probe", b"pro\xffbe"),
    "overlong utf-8 in a name": CALL.replace(b"probe", b"pro\xc0\xafbe"),
    "lone surrogate in a name": CALL.replace(b"probe", b"pro\\ud800be"),
    "deep": DEEP,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep arguments": rpc("tools/call", {"name": "probe", "arguments": 0}).replace(b" 0}", DEEP + b"}"),
    "long string": json.dumps(LONG).encode(),
    "long argument": rpc("tools/call", {"name": "probe", "arguments": {"text": LONG}}),
    "long name": rpc("tools/call", {"name": LONG}),
    "long id": rpc("tools/call", {"name": "probe"}, id=LONG),
    "long number": b'{"jsonrpc":"2.0","id":' + b"1" * 1_000_000 + b',"method":"ping"}',
    "long key": b'{"' + b"k" * 10_000_000 + b'":1}',
    "many keys": b"{" + b",".join(b'"%d":1' % n for n in range(200_000)) + b"}",
    "megabytes before the method": b'{"params":{"arguments":"' + b"z" * 3_000_000 + b'"},"id":7,"jsonrpc":"2.0","method":"ping"}',
    "big batch": b"[" + b",".join([rpc("ping", id=n) for n in range(2_000)]) + b"]",
    "array of nothing": b"[]",
    "empty": b"",
    "only blanks": b" " * 100_000,
    "byte order mark": b"\xef\xbb\xbf" + CALL,
    "utf-16": CALL.decode().encode("utf-16"),
    "many documents": CALL * 500,
    "float id": CALL.replace(b'"id": 7', b'"id": 7.0'),
    "huge exponent id": CALL.replace(b'"id": 7', b'"id": 1e400'),
    "object id": CALL.replace(b'"id": 7', b'"id": {}'),
    "null id": CALL.replace(b'"id": 7', b'"id": null'),
    "duplicate keys": CALL.replace(b'"id": 7', b'"id": 7, "method": "ping"'),
    "escaped keys": CALL.replace(b'"method"', b'"me\\u0074hod"'),
}
EXACT = ("not json", "megabytes before the method", "array of nothing", "byte order mark", "escaped keys", "long name", "long argument")


@pytest.mark.parametrize("name", EXACT)
def test_request_body_counted_exactly(name: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    stub_sidecar.check(exchange(stub_sidecar, stub, JSON, BODIES[name], answers(200, RESULT)))


def test_request_bodies(stub: Stub, stub_sidecar: Sidecar) -> None:
    endure(stub_sidecar, stub, [(JSON, body, answers(200, RESULT)) for body in BODIES.values()])


def test_response_bodies(stub: Stub, stub_sidecar: Sidecar) -> None:
    endure(stub_sidecar, stub, [(JSON, CALL, answers(200, body)) for body in BODIES.values()])


def test_event_bodies(stub: Stub, stub_sidecar: Sidecar) -> None:
    endure(stub_sidecar, stub, [(JSON, CALL, streams(body)) for body in BODIES.values()])


STREAMS = {
    "no line end": b"data: " + b"x" * 5_000_000,
    "only comments": b": \n" * 200_000,
    "only line ends": b"\r\n\r\r\n\n" * 100_000,
    "many fields": b"a:b\n" * 200_000 + b"\n",
    "many data lines": b"data\n" * 200_000 + b"\n",
    "not utf-8": b"data: \xff\xfe\n\n\xff: \xff\n\n",
    "nul": b"data: \x00\n\n\x00",
    "byte order mark": b"\xef\xbb\xbfdata: " + RESULT + b"\n\n",
    "long event name": b"event: " + b"e" * 1_000_000 + b"\ndata: " + RESULT + b"\n\n",
    "many events": (b"data: " + NOTIFICATION + b"\n\n") * 5_000,
}


EXACT_STREAMS = ("many events", "byte order mark", "long event name", "only comments")


@pytest.mark.parametrize("name", EXACT_STREAMS)
def test_event_stream_counted_exactly(name: str, stub: Stub, stub_sidecar: Sidecar) -> None:
    stub_sidecar.check(exchange(stub_sidecar, stub, JSON, CALL, answers(200, STREAMS[name], "text/event-stream")))


def test_event_streams(stub: Stub, stub_sidecar: Sidecar) -> None:
    endure(stub_sidecar, stub, [(JSON, CALL, answers(200, text, "text/event-stream")) for text in STREAMS.values()])


NAMES_SENT = 10_000


@pytest.mark.parametrize("confirmed", [False, True], ids=["never confirmed", "confirmed by success"])
def test_many_tool_names(confirmed: bool, stub: Stub, logs) -> None:
    """Every call is counted under a limited number of names, and the overflow is counted."""
    stub.on("/many", answers(200, RESULT if confirmed else error(-32602)))
    sidecar = Sidecar(stub.port, logs, f"many-{confirmed}")
    try:
        ledger = Ledger()
        threads = [
            threading.Thread(target=call_many, args=(connection, worker))
            for worker, connection in enumerate(sidecar.connections(ledger))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ledger.exchanges) == NAMES_SENT
        for one in ledger.exchanges:
            sidecar.expected.exchange(one)
        found = of_mcp(sidecar.counted())
        assert collapse(found) == collapse(sidecar.expected.totals)
        names = Counter(labels["tool_name"] for family, labels, _ in tool_calls(found))
        most = 200 if confirmed else 20
        assert "other" in names
        assert len(names) - 1 <= most * WORKERS
        admitted = sum(value for _, labels, value in tool_calls(found) if labels["tool_name"] != "other")
        overflowed = found["mcp_labels_overflowed_total", (("label", "tool_name"), ("server_name", "upstream"))]
        assert overflowed == NAMES_SENT - admitted
        sidecar.check_log()
    finally:
        sidecar.stop()


def call_many(connection: Connection, worker: int) -> None:
    with connection:
        for number in range(worker, NAMES_SENT, WORKERS):
            connection.post(rpc("tools/call", {"name": f"tool-{number}"}), target="/many")


def tool_calls(samples):
    for (family, labels), value in samples.items():
        if family == "mcp_tool_calls_total" and value:
            yield family, dict(labels), value


def collapse(samples) -> Counter:
    """Sums over tool names. The family of overflows is compared separately."""
    sums = Counter()
    for (family, labels), value in samples.items():
        if value and family not in ("mcp_labels_overflowed_total", "mcp_filter_info"):
            kept = tuple(label for label in labels if label[0] != "tool_name")
            sums[family, kept] += value
    return sums
