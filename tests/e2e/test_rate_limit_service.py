"""envoy/rate-limit-service.yaml in two real Envoys: one limit over both, by the tool that the body of a request names."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from support.cases import rpc
from support.client import JSON, Connection
from support.http1 import Message
from support.peers import ROOT
from support.plain_envoy import PlainEnvoy, every, set_plugin_configuration, snippet
from support.rate_limit_service import RateLimitService
from support.stub import Stub

LIMIT = 3
TOOL = ("mcp_tool", "analyse")
RULES = [{"method": "tools/call", "requests": 1000, "interval_ms": 1000}]


@pytest.fixture(scope="module")
def service() -> Iterator[RateLimitService]:
    service = RateLimitService({TOOL: LIMIT})
    yield service
    service.close()


def bootstrap_with(server: Stub, service: RateLimitService, **configuration: object) -> dict:
    """The snippet with the parts of the file. Only the address of the service is another one, and the time after which a request passes
    without its answer: on a busy machine this service needs longer than 0.1 s."""
    bootstrap = snippet(server.port)
    settings = yaml.safe_load((ROOT / "envoy/rate-limit-service.yaml").read_text(encoding="utf-8"))
    (address,) = every(settings, "port_value")
    address |= {"address": "127.0.0.1", "port_value": service.port}
    (limit,) = every(settings["http_filters"], "rate_limit_service")
    assert limit["timeout"] == "0.1s"
    limit["timeout"] = "20s"
    (manager,) = every(bootstrap, "http_filters")
    manager["http_filters"][-1:-1] = settings["http_filters"]
    (route,) = every(manager["route_config"], "timeout")
    route["rate_limits"] = settings["rate_limits"]
    bootstrap["static_resources"]["clusters"] += settings["clusters"]
    set_plugin_configuration(bootstrap, json.dumps({"server_name": "weather", "filter_state": True, **configuration}))
    return bootstrap


@pytest.fixture(scope="module")
def proxies(server: Stub, service: RateLimitService, logs: Path) -> Iterator[list[PlainEnvoy]]:
    bootstraps = [bootstrap_with(server, service, rate_limit={"rules": RULES}) for _ in range(2)]
    proxies = [PlainEnvoy(bootstrap, "weather", logs, f"rate-limit-service-{index}") for index, bootstrap in enumerate(bootstraps)]
    yield proxies
    for proxy in proxies:
        proxy.stop()


def call(port: int, tool: str) -> Message:
    with closing(Connection(port)) as connection:
        return connection.post(rpc("tools/call", {"arguments": {}, "name": tool}), JSON)


def test_one_limit_over_two_proxies(proxies: list[PlainEnvoy], service: RateLimitService) -> None:
    """Calls go to the proxies in turn. The name of the tool is only in the body."""
    responses = [call(proxies[index % 2].port, "analyse") for index in range(5)]
    assert [response.head.status for response in responses] == [200] * LIMIT + [429] * 2
    assert (responses[-1].body, responses[-1].head.all("retry-after")) == (b"", []), "it is Envoy's response"
    assert service.asked[TOOL] == 5
    assert call(proxies[0].port, "other").head.status == 200
    assert service.asked["mcp_tool", "other"] == 1


def test_calls_that_the_service_refuses_are_errors(proxies: list[PlainEnvoy]) -> None:
    """The rule of the filter itself let them pass."""
    found: Counter[tuple[str, str]] = Counter()
    for proxy in proxies:
        for (family, labels), value in proxy.counted().items():
            series = dict(labels)
            if family == "mcp_tool_calls_total" and series["tool_name"] == "analyse" and value:
                found[series["status"], series["error_type"]] += int(value)
    assert found == {("ok", ""): LIMIT, ("error", "rate_limited"): 2}


def test_without_the_block_the_service_is_not_asked(server: Stub, service: RateLimitService, logs: Path) -> None:
    """Envoy's filter decides before the body was read, when there is no tool yet."""
    proxy = PlainEnvoy(bootstrap_with(server, service), "weather", logs, "rate-limit-service-without")
    try:
        before = service.asked.total()
        assert call(proxy.port, "analyse").head.status == 200
        assert service.asked.total() == before
    finally:
        proxy.stop()
