"""Runs the complete OAuth flow of an MCP server with the Python SDK 2.3.0, calls a tool, and prints the token.

    client_auth.py URL

Instead of a user's log-in, it requests the authorization page, which redirects at once.
"""

import asyncio
import sys
from urllib.parse import parse_qs, urlparse

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken


class Storage:
    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Requests the authorization URL and keeps the address of the redirect."""

    def __init__(self) -> None:
        self.answer: dict[str, list[str]] = {}

    async def log_in(self, url: str) -> None:
        async with httpx2.AsyncClient(follow_redirects=False) as browser:
            response = await browser.get(url)
        self.answer = parse_qs(urlparse(response.headers["location"]).query)

    async def came_back(self) -> AuthorizationCodeResult:
        state = self.answer.get("state", [None])[0]
        return AuthorizationCodeResult(code=self.answer["code"][0], state=state)


async def main(url: str) -> None:
    storage, person = Storage(), Person()
    metadata = OAuthClientMetadata(client_name="e2e", redirect_uris=["http://127.0.0.1:1/callback"])
    provider = OAuthClientProvider(url, metadata, storage, person.log_in, person.came_back)
    async with httpx2.AsyncClient(auth=provider) as http_client:
        async with Client(streamable_http_client(url, http_client=http_client), mode="legacy") as client:
            await client.list_tools()
            result = await client.call_tool("echo", {"text": "a"})
            assert not result.is_error
    assert storage.tokens
    print(storage.tokens.access_token)


asyncio.run(main(sys.argv[1]))
