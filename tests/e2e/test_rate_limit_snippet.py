"""A rate limit in an Envoy without the launcher: envoy/snippet.yaml, and the settings that docs/rate-limits.md names for it."""

import json
from contextlib import closing
from pathlib import Path

from support.cases import rpc
from support.client import JSON, Connection
from support.http1 import Message
from support.plain_envoy import PlainEnvoy, every, set_plugin_configuration, snippet
from support.stub import Stub

BLOCK = {"rules": [{"name": "daily", "method": "tools/call", "requests": 1, "interval_ms": 86_400_000}]}
# Longer than the second buffer limit, shorter than what the filter holds.
PADDING = 40_000


def start(server: Stub, logs: Path, name: str, buffer_limit: int | None = None, raises_limit: bool = True) -> PlainEnvoy:
    bootstrap = snippet(server.port)
    set_plugin_configuration(bootstrap, json.dumps({"server_name": "weather", "rate_limit": BLOCK}))
    (plugin,) = every(bootstrap, "vm_config")
    assert plugin["allow_on_headers_stop_iteration"] is True
    if buffer_limit is not None:
        bootstrap["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"] = buffer_limit
    if not raises_limit:
        (host,) = every(bootstrap, "request_body_buffer_limit")
        del host["request_body_buffer_limit"]
    return PlainEnvoy(bootstrap, "weather", logs, name)


def call(port: int, padding: int = 0) -> Message:
    with closing(Connection(port)) as connection:
        return connection.post(rpc("tools/call", {"arguments": {"text": "x" * padding}, "name": "any"}), JSON)


def test_snippet_with_a_rule_refuses(server: Stub, logs: Path) -> None:
    envoy = start(server, logs, "rate-limit-snippet")
    try:
        assert call(envoy.port, PADDING).head.status == 200
        refused = call(envoy.port)
        assert refused.head.status == 429
        assert json.loads(refused.body)["error"]["data"]["rule"] == "daily"
    finally:
        envoy.stop()


def test_held_body_above_the_connections_limit_passes(server: Stub, logs: Path) -> None:
    envoy = start(server, logs, "rate-limit-buffer", buffer_limit=32_768)
    try:
        assert call(envoy.port, PADDING).head.status == 200
    finally:
        envoy.stop()


def test_held_body_above_the_connections_limit_is_413_without_the_virtual_hosts(server: Stub, logs: Path) -> None:
    envoy = start(server, logs, "rate-limit-buffer-413", buffer_limit=32_768, raises_limit=False)
    try:
        assert call(envoy.port, PADDING).head.status == 413
        assert call(envoy.port).head.status == 200
    finally:
        envoy.stop()
