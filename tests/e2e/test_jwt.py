"""envoy/jwt.yaml in a real Envoy: a verified claim reaches the server as a header, and a client cannot set this header."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from support.cases import CALL, RESULT, answers
from support.client import JSON, Connection
from support.http1 import Headers, Message
from support.peers import ROOT
from support.plain_envoy import PlainEnvoy, every, log_accesses, set_plugin_configuration, snippet
from support.processes import wait_for
from support.stub import Stub

HEADER = "x-mcp-user"
ISSUER, AUDIENCE, KEY_ID = "https://idp.example.com/", "https://mcp.example.com/mcp", "key-1"
IDENTITY = {"server_name": "weather", "filter_state": True, "identity": {"header": HEADER, "form": "plain"}}
FORGED_HEADER = (HEADER, "mallory")
KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
HOUR = 3600
# Paths that need no token: one by a rule of jwt.yaml, one on a route that turns jwt_authn off.
OPEN = ("/.well-known/oauth-protected-resource", "/open")
OFF = {
    "match": {"prefix": OPEN[1]}, "route": {"cluster": "mcp_server"},
    "typed_per_filter_config": {"envoy.filters.http.jwt_authn": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", "disabled": True,
    }},
}


def token(key: rsa.RSAPrivateKey = KEY, **claims) -> str:
    now = int(time.time())
    own = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + HOUR} | claims
    return jwt.encode(own, key, algorithm="RS256", headers={"kid": KEY_ID})


def unsigned() -> str:
    """A valid token whose claims were changed after it was signed."""
    head, _, signature = token().split(".")
    _, claims, _ = token(sub="root").split(".")
    return ".".join((head, claims, signature))


@pytest.fixture(scope="module")
def access_log(logs: Path) -> Path:
    return logs / "jwt-access.log"


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    server = Stub()
    for path in ("/mcp", *OPEN):
        server.on(path, answers(200, RESULT))
    yield server
    server.close()


def filters(logs: Path) -> list[dict]:
    """The filters of jwt.yaml. Only the file of the key set is another one."""
    found = yaml.safe_load((ROOT / "envoy/jwt.yaml").read_text(encoding="utf-8"))["http_filters"]
    (provider,) = every(found, "local_jwks")
    key_set = logs / "jwks.json"
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": KEY_ID, "alg": "RS256", "use": "sig"}
    key_set.write_text(json.dumps({"keys": [public]}), encoding="utf-8")
    provider["local_jwks"] = {"filename": str(key_set)}
    return found


def bootstrap_with(server: Stub, first: list[dict], access_log: Path) -> dict:
    """The snippet with these filters before the others."""
    bootstrap = snippet(server.port)
    set_plugin_configuration(bootstrap, json.dumps(IDENTITY))
    log_accesses(bootstrap, access_log, "%REQ(X-CASE)% %FILTER_STATE(wasm.mcp.user:PLAIN)%")
    (manager,) = every(bootstrap, "http_filters")
    manager["http_filters"][:0] = first
    return bootstrap


@pytest.fixture(scope="module")
def envoy(server: Stub, logs: Path, access_log: Path) -> Iterator[PlainEnvoy]:
    bootstrap = bootstrap_with(server, filters(logs), access_log)
    (manager,) = every(bootstrap, "route_config")
    manager["route_config"]["virtual_hosts"][0]["routes"].insert(0, OFF)
    envoy = PlainEnvoy(bootstrap, "weather", logs, "jwt-envoy")
    yield envoy
    envoy.stop()


def call(envoy: PlainEnvoy, case: str, bearer: str | None, more: Headers = (), target: str = "/mcp") -> Message:
    own = [("Authorization", f"Bearer {bearer}")] if bearer else []
    with Connection(envoy.port) as connection:
        return connection.post(CALL, [*JSON, ("x-case", case), *own, *more], target)


def received(server: Stub, case: str) -> list[Message]:
    return [request for request in server.requests if request.head.get("x-case") == case]


def test_claim_of_a_valid_token_reaches_the_server(envoy: PlainEnvoy, server: Stub) -> None:
    bearer = token()
    assert call(envoy, "valid", bearer).head.status == 200
    [request] = received(server, "valid")
    assert request.head.get(HEADER) == "ann"
    assert request.head.get("authorization") == f"Bearer {bearer}"


@pytest.mark.parametrize(("case", "bearer"), [
    ("expired", token(exp=int(time.time()) - HOUR)), ("other-key", token(OTHER_KEY)), ("changed", unsigned()),
    ("other-audience", token(aud="https://other.example.com")), ("other-issuer", token(iss="https://evil.example.com/")),
    ("unsigned", jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann"}, None, algorithm="none")), ("none", None), ("no-token", "x"),
])
def test_invalid_token_is_refused(case: str, bearer: str | None, envoy: PlainEnvoy, server: Stub) -> None:
    answer = call(envoy, case, bearer, [FORGED_HEADER])
    assert answer.head.status in (401, 403)
    assert not received(server, case)


@pytest.mark.parametrize("spelling", [HEADER, "X-Mcp-User", "X-MCP-USER"])
def test_header_of_the_client_is_replaced(spelling: str, envoy: PlainEnvoy, server: Stub) -> None:
    case = f"sends-{spelling}"
    assert call(envoy, case, token(), [(spelling, "mallory"), (spelling, "root")]).head.status == 200
    [request] = received(server, case)
    assert request.head.all(HEADER) == ["ann"]


def test_token_without_the_claim_leaves_no_header(envoy: PlainEnvoy, server: Stub) -> None:
    own = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + HOUR}
    bearer = jwt.encode(own, KEY, algorithm="RS256", headers={"kid": KEY_ID})
    assert call(envoy, "no-claim", bearer, [FORGED_HEADER]).head.status == 200
    [request] = received(server, "no-claim")
    assert not request.head.all(HEADER)


@pytest.mark.parametrize("path", OPEN)
def test_path_without_token_has_no_header_either(path: str, envoy: PlainEnvoy, server: Stub) -> None:
    assert call(envoy, path, None, [FORGED_HEADER], path).head.status == 200
    [request] = received(server, path)
    assert not request.head.all(HEADER)


def test_access_log_has_the_user_of_the_token(envoy: PlainEnvoy, access_log: Path) -> None:
    assert call(envoy, "logged", token(sub="bob"), [FORGED_HEADER]).head.status == 200
    wait_for("the line", lambda: "logged bob\n" in access_log.read_text(encoding="utf-8"))
    assert "mallory" not in access_log.read_text(encoding="utf-8")


def test_first_filter_alone_removes_the_header(server: Stub, logs: Path) -> None:
    first, _ = filters(logs)
    envoy = PlainEnvoy(bootstrap_with(server, [first], logs / "header-access.log"), "weather", logs, "header-envoy")
    try:
        assert call(envoy, "alone", None, [FORGED_HEADER]).head.status == 200
    finally:
        envoy.stop()
    [request] = received(server, "alone")
    assert not request.head.all(HEADER)
