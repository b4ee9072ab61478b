"""An MCP server on the Python SDK 2.3.0 that requires OAuth, and is its own authorization server.

    mcp_auth.py PORT PUBLIC_URL [whole]

PUBLIC_URL is its address for clients, which its metadata contain. It refuses requests at their headers; with `whole` it reads their
bodies before. Tokens and codes are numbered, so that two runs issue the same
ones. The token `canary-narrow-token` is valid from the start and does not have the scope that calls need.
"""

import sys
import time
from itertools import count

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

SCOPE = "use"
LIFETIME = 3600


class Provider:
    """Grants every request at once, and keeps tokens in memory."""

    def __init__(self) -> None:
        self.numbers = count(1)
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        narrow = AccessToken(token="canary-narrow-token", client_id="narrow", scopes=["look"])
        self.tokens = {narrow.token: narrow}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[str(client_info.client_id)] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        code = AuthorizationCode(
            code=f"canary-code-{next(self.numbers)}",
            scopes=params.scopes or [SCOPE],
            expires_at=time.time() + LIFETIME,
            client_id=str(client.client_id),
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(self, client: OAuthClientInformationFull, code: str) -> AuthorizationCode | None:
        return self.codes.get(code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, code: AuthorizationCode
    ) -> OAuthToken:
        token = f"canary-token-{next(self.numbers)}"
        self.tokens[token] = AccessToken(
            token=token, client_id=code.client_id, scopes=code.scopes, resource=code.resource
        )
        return OAuthToken(access_token=token, expires_in=LIFETIME, scope=" ".join(code.scopes))

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)

    async def load_refresh_token(self, client: OAuthClientInformationFull, token: str) -> RefreshToken | None:
        return None


public = sys.argv[2]
server = MCPServer(
    "mcp-auth",
    log_level="WARNING",
    auth_server_provider=Provider(),
    auth=AuthSettings(
        issuer_url=public,
        resource_server_url=f"{public}/mcp",
        required_scopes=[SCOPE],
        validate_token_resource=False,
        client_registration_options=ClientRegistrationOptions(
            enabled=True, valid_scopes=[SCOPE], default_scopes=[SCOPE]
        ),
    ),
)


@server.tool()
def echo(text: str) -> str:
    """Answers with the text it was given."""
    return text


class Whole:
    """Reads the body of a request before the application answers."""

    def __init__(self, application) -> None:
        self.application = application

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        parts = [await receive()]
        while parts[-1].get("more_body"):
            parts.append(await receive())

        async def read():
            return parts.pop(0) if parts else await receive()

        await self.application(scope, read, send)


if __name__ == "__main__":
    application = server.streamable_http_app(host="127.0.0.1")
    uvicorn.run(Whole(application) if "whole" in sys.argv else application, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
