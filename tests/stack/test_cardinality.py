"""The arithmetic of docs/fleet.md equals a real sidecar's series."""

import json
from pathlib import Path

import pytest

from fleet import arithmetic, document
from fleet.arithmetic import Limits, Typical
from fleet.page import by_family
from fleet.traffic import FIELD, LISTED, Client, Server, drive
from support.cases import error
from support.processes import wait_for
from support.sidecar import Sidecar
from support.stub import Stub

STREAMS = "mcp_filter_streams_total"
SMALL = Limits(tool_names=4, prompt_names=3, resource_uris=3, client_names=3, error_codes=2)


@pytest.fixture
def sidecar(upstream: Stub, tmp_path: Path):
    """`sidecar(config)` starts one with the filter's configuration."""
    running: list[Sidecar] = []

    def start(config: dict) -> Sidecar:
        file = tmp_path / "filter.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        running.append(Sidecar(upstream.port, tmp_path, MCP_UPSTREAM_NAME="shop", MCP_FILTER_CONFIG=str(file)))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def shown(sidecar: Sidecar, sent: int) -> dict:
    """The series after everything that was sent is counted, also in histograms."""
    wait_for("the sidecar to count", lambda: sum(value for (name, _), value in sidecar.samples().items() if name == STREAMS) == sent)
    return by_family(sidecar.flushed())


def check(found: dict, terms: arithmetic.Terms) -> None:
    """Compares the numbers of series, and then the series themselves."""
    assert {name: len(series) for name, series in found.items()} == arithmetic.counts(terms)
    for name, of in terms.items():
        assert set(found[name]) == {frozenset(labels.items()) for labels in arithmetic.label_sets(of)}, name


def test_a_sidecar_before_any_traffic(sidecar) -> None:
    check(shown(sidecar({}), 0), arithmetic.start())


@pytest.mark.parametrize("server", [Typical(), Typical(tools=3, prompts=1, resources=2, codes=(-32602,))], ids=["typical", "small"])
def test_a_server_in_use(upstream: Stub, sidecar, server: Typical) -> None:
    upstream.on("/mcp", Server(server))
    running = sidecar({"semconv": True})
    check(shown(running, drive(running.port, server)), arithmetic.typical(server, semconv=True))


def test_series_at_the_limits_equal_the_arithmetic(upstream: Stub, sidecar) -> None:
    """More names than the budgets allow, published and invented ones, and more codes."""
    many = Typical(tools=10, prompts=10, resources=10)
    running = sidecar({"limits": vars(SMALL)})
    client = Client(running.port)
    upstream.on("/mcp", lambda request, wire: wire.json(200, Server(many).answer(json.loads(request.body)["method"], {})))
    for method in LISTED:
        client.send(method, {}, id=7)
    for number in range(40):
        code = -(32000 + number)
        upstream.on("/mcp", lambda _, wire, code=code: wire.json(200, error(code)))
        for method, field in FIELD.items():
            name = f"invented{number}" if field == "name" else f"invented{number}:x"
            client.send(method, {field: name}, id=7)
    found = shown(running, client.sent)
    terms = arithmetic.limits(SMALL)
    for name, label in (("mcp_tool_duration_microseconds", "tool_name"), ("mcp_prompt_gets_total", "prompt_name"),
                        ("mcp_resource_reads_total", "resource_uri"), ("mcp_protocol_errors_total", "error_code")):
        values = {dict(labels)[label] for labels in found[name]}
        places = {len(dimension.values) for term in terms[name] for dimension in term if label in dimension.labels}
        # A listed name that was never called has no duration.
        unused = SMALL.tool_names if name == "mcp_tool_duration_microseconds" else 0
        assert places == {len(values) + unused}, name
    assert all(len(series) <= arithmetic.counts(terms)[name] for name, series in found.items())


@pytest.mark.parametrize("terms", [arithmetic.start(), arithmetic.typical(Typical(), True), arithmetic.limits(Limits())],
                         ids=["start", "typical", "limits"])
def test_terms_name_the_labels_of_their_family_and_no_series_twice(terms: arithmetic.Terms) -> None:
    for name, of in terms.items():
        sets = [tuple(sorted(labels.items())) for labels in arithmetic.label_sets(of)]
        assert len(sets) == len(set(sets)) == arithmetic.combinations(of), name
        own = set(arithmetic.FAMILIES[name].label_names) - {"server_name", "filter_version"}
        assert {frozenset(dict(labels)) for labels in sets} == {frozenset(own)}, name


def test_the_page_has_the_most_series_of_tool_calls_by_client() -> None:
    assert f"up to {arithmetic.client_calls_at_most(Limits()):,} series" in document.PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_series_of_a_rule() -> None:
    assert f"Each rule of `rate_limit` adds {arithmetic.series_of_rule()} series" in document.PAGE.read_text(encoding="utf-8")


def test_limits_are_the_most() -> None:
    most = arithmetic.counts(arithmetic.limits(Limits(), semconv=True))
    typical = arithmetic.counts(arithmetic.typical(Typical(), semconv=True))
    assert set(most) == set(arithmetic.FAMILIES) - {arithmetic.CLIENT_CALLS, arithmetic.RATE_LIMITS}
    assert all(typical[name] <= most[name] for name in typical)
