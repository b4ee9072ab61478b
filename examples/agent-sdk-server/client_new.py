"""One session on the Python SDK 2.3.0, which speaks the 2026-07-28 revision: the agent's question comes as a result that asks for
more, and the call is made again with the answer. It also leaves a run that would never end. client_new.py URL.

Prints what it was answered, for scripts/demo/example.py, whose folder has the module `session`.
"""

import sys

import anyio
from calls import HUMAN_SECONDS, PERSON, ask_everything
from mcp import Client, MCPError
from mcp_types import ElicitResult
from session import Seen

seen = Seen()
answers = iter(PERSON)


async def person(context, question) -> ElicitResult:
    """The person, who takes a while. That there is a question tells that a call was answered with it."""
    seen.operations[("tools/call", "delegate_task", "input_required", "")] += 1
    await anyio.sleep(HUMAN_SECONDS)
    action, form = next(answers)
    return ElicitResult(action=action, content=form)


async def leave(client: Client) -> None:
    """A call that its client leaves as soon as the agent has begun."""
    with anyio.CancelScope() as scope:

        async def begun(progress: float, total: float | None, message: str | None) -> None:
            await seen.note_progress(progress, total, message)
            scope.cancel()

        await client.call_tool("ask_agent", {"question": "Please wait."}, progress_callback=begun)
    seen.operations[("tools/call", "ask_agent", "cancelled", "")] += 1


async def main(url: str) -> None:
    async with Client(url, elicitation_callback=person) as client:
        seen.opened("server/discover", client.protocol_version)
        await ask_everything(client, seen, MCPError)
        await leave(client)
    seen.print()


anyio.run(main, sys.argv[1])
