"""One session of the Python SDK 1.30.0, in which the agent's question is a server request: client_old.py URL.

Prints the results for scripts/demo/example.py. The module `session` is in the same folder as that script.
"""

import sys

import anyio
from calls import HUMAN_SECONDS, PERSON, ask_everything
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult
from session import Seen

seen = Seen()
answers = iter(PERSON)


async def person(context, question) -> ElicitResult:
    """The person's answer, after a while."""
    await anyio.sleep(HUMAN_SECONDS)
    action, form = next(answers)
    return ElicitResult(action=action, content=form)


async def main(url: str) -> None:
    async with (streamable_http_client(url) as (read, write, _),
                ClientSession(read, write, elicitation_callback=person) as session):
        seen.opened("initialize", (await session.initialize()).protocolVersion)
        await ask_everything(session, seen, McpError)
    seen.print()


anyio.run(main, sys.argv[1])
