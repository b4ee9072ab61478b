"""Runs a plan with one conversation per session. The clients on both major versions of the Python SDK share this module."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack


async def run(plan: dict, conversation: type) -> list[dict]:
    """Runs the same operations in every session. Returns all outcomes."""
    seen = []
    async with AsyncExitStack() as stack:
        opened = [conversation() for _ in range(plan["sessions"])]
        for each in opened:
            await each.open(plan, stack)
        for each in opened:
            for operation in plan["operations"]:
                if operation["method"] == "await":
                    await each.roots_told.wait()
                else:
                    seen.append(await each.run_one(operation))
    return seen


def main(conversation: type) -> None:
    """Runs the plan in the first argument, and prints the outcomes as JSON."""
    print(json.dumps(asyncio.run(run(json.loads(sys.argv[1]), conversation))))
