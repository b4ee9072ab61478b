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
BAD_REQUEST, UNAUTHORIZED = 400, 401
REFUSED = (BAD_REQUEST, UNAUTHORIZED)
WELL_KNOWN = "/.well-known/oauth-protected-resource"
# Paths that need no token for GET, HEAD and OPTIONS.
OPEN = (
    WELL_KNOWN, f"{WELL_KNOWN}/mcp", f"{WELL_KNOWN}/v1/mcp?a=../b", "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/tenant-1", "/.well-known/openid-configuration", "/x/..//.well-known/openid-configuration",
)
# Paths that look like these, and that a server may take for /mcp.
CLOSED = (
    "/mcp", "/.well-known/../mcp", "/.well-known/%2e%2e/mcp", "/.well-known/.%2E/mcp", "/.well-known/..%2fmcp",
    "/.well-known/..%5cmcp", "/.well-known/..\\mcp", "/.well-known/..;/mcp", "//.well-known/..//mcp", "/.well-known/x",
    "/.well-known/", "/.well-known/oauth-protected-resources", "/x-well-known/openid-configuration", f"{WELL_KNOWN}/",
    f"{WELL_KNOWN}/..", f"{WELL_KNOWN}/../../mcp", f"{WELL_KNOWN}/%2e%2e/%2e%2e/mcp", f"{WELL_KNOWN}/..%2f..%2fmcp",
    f"{WELL_KNOWN}/..;/..;/mcp", f"{WELL_KNOWN}/%252e%252e/mcp", f"{WELL_KNOWN}/mcp%00", f"{WELL_KNOWN};/../../mcp",
    f"/mcp{WELL_KNOWN}", f"/mcp?{WELL_KNOWN}", f"/mcp#{WELL_KNOWN}",
)
# A route that turns jwt_authn off.
OFF_PATH = "/open"
OFF = {
    "match": {"prefix": OFF_PATH}, "route": {"cluster": "mcp_server"},
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
    for path in ("/mcp", OFF_PATH):
        server.on(path, answers(200, RESULT))
    for path in OPEN:
        server.on(path.partition("?")[0], answers(200, b""))
    yield server
    server.close()


def settings() -> dict:
    return yaml.safe_load((ROOT / "envoy/jwt.yaml").read_text(encoding="utf-8"))


def filters(logs: Path) -> list[dict]:
    """The filters of jwt.yaml. Only the file of the key set is another one."""
    found = settings()["http_filters"]
    (provider,) = every(found, "local_jwks")
    key_set = logs / "jwks.json"
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": KEY_ID, "alg": "RS256", "use": "sig"}
    key_set.write_text(json.dumps({"keys": [public]}), encoding="utf-8")
    provider["local_jwks"] = {"filename": str(key_set)}
    return found


def bootstrap_with(server: Stub, first: list[dict], access_log: Path) -> dict:
    """The snippet with these filters before the others, and with the other settings of jwt.yaml."""
    bootstrap = snippet(server.port)
    set_plugin_configuration(bootstrap, json.dumps(IDENTITY))
    log_accesses(bootstrap, access_log, "%REQ(X-CASE)% %FILTER_STATE(wasm.mcp.user:PLAIN)%")
    (manager,) = every(bootstrap, "http_filters")
    manager["http_filters"][:0] = first
    more = settings()["http_connection_manager"]
    assert not set(more) & set(manager)
    manager.update(more)
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


def request(envoy: PlainEnvoy, verb: str, target: str, case: str, more: Headers = ()) -> int:
    """The status of a request without a token and, except for POST, without a body."""
    with Connection(envoy.port) as connection:
        connection.send(verb, target, [*JSON, ("x-case", case), *more], CALL if verb == "POST" else b"")
        return connection.receive().head.status


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


def test_route_without_jwt_authn_has_no_header_either(envoy: PlainEnvoy, server: Stub) -> None:
    assert call(envoy, "off", None, [FORGED_HEADER], OFF_PATH).head.status == 200
    [request] = received(server, "off")
    assert not request.head.all(HEADER)


@pytest.mark.parametrize("verb", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", OPEN)
def test_metadata_needs_no_token(path: str, verb: str, envoy: PlainEnvoy, server: Stub) -> None:
    case = f"{verb} {path}"
    assert request(envoy, verb, path, case, [FORGED_HEADER]) == 200
    [found] = received(server, case)
    assert not found.head.all(HEADER)


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "PATCH", "get"])
@pytest.mark.parametrize("path", OPEN)
def test_other_methods_on_metadata_need_a_token(path: str, verb: str, envoy: PlainEnvoy, server: Stub) -> None:
    case = f"{verb} {path}"
    assert request(envoy, verb, path, case) in REFUSED
    assert not received(server, case)


@pytest.mark.parametrize("verb", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", CLOSED)
def test_other_paths_need_a_token(path: str, verb: str, envoy: PlainEnvoy, server: Stub) -> None:
    case = f"{verb} {path}"
    assert request(envoy, verb, path, case) in REFUSED
    assert not received(server, case)


def test_preflight_request_of_a_browser_needs_no_token(envoy: PlainEnvoy, server: Stub) -> None:
    preflight = [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "POST")]
    assert request(envoy, "OPTIONS", "/mcp", "preflight", [*preflight, FORGED_HEADER]) == 200
    [found] = received(server, "preflight")
    assert not found.head.all(HEADER)
    assert request(envoy, "POST", "/mcp", "no preflight", preflight) == UNAUTHORIZED
    assert not received(server, "no preflight")


@pytest.mark.parametrize("spelling", ["x_mcp_user", "X_MCP_USER", "x-mcp_user"])
def test_header_with_underscores_is_refused(spelling: str, envoy: PlainEnvoy, server: Stub) -> None:
    case = f"sends-{spelling}"
    assert call(envoy, case, token(), [(spelling, "mallory")]).head.status == BAD_REQUEST
    assert not received(server, case)


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
