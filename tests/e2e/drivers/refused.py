"""Runs the calls of a plan and records what their caller sees. The clients on both major versions of the Python SDK share this module.

PLAN is a JSON object: `transport` (streamable_http or http_sse), `url`, `mode`, `patience`, `waits` and `steps`. A step is
`{call, arguments}` or `{wait}`, in seconds. Prints a JSON list with one entry per call: `outcome` is `ok`, `error`, `hangs` (no
answer within `patience` seconds) or `closed` (the client closed the connection during the call or before it). `error` and `closed`
have `type`, `text`, `code` and `data` of the exception, as far as there is one that has them.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import anyio

Call = Callable[[str, dict], Awaitable[object]]


def describe(error: BaseException) -> dict:
    """The exception as an application sees it. A group with one member is described by that member."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    told = getattr(error, "error", None)
    return {
        "outcome": "error",
        "type": type(error).__name__,
        "text": str(error),
        "code": getattr(told, "code", None),
        "data": getattr(told, "data", None),
    }


def waiting(transport: type) -> type:
    """The transport of httpx or httpx2, as one that waits for `retry-after` and sends the request again."""

    class Waiting(transport):
        async def handle_async_request(self, request):
            response = await super().handle_async_request(request)
            while response.status_code == 429:
                await response.aclose()
                await anyio.sleep(int(response.headers["retry-after"]))
                response = await super().handle_async_request(request)
            return response

    return Waiting


async def attempt(call: Call, step: dict, patience: float) -> dict:
    try:
        with anyio.fail_after(patience):
            await call(step["call"], step["arguments"])
    except TimeoutError:
        return {"outcome": "hangs"}
    except Exception as error:
        return describe(error)
    return {"outcome": "ok"}


async def run(plan: dict, connect: Callable[[dict], AbstractAsyncContextManager[Call]]) -> list[dict]:
    seen: list[dict] = []
    calls = sum("call" in step for step in plan["steps"])
    try:
        async with connect(plan) as call:
            for step in plan["steps"]:
                if "wait" in step:
                    await anyio.sleep(step["wait"])
                else:
                    seen.append(await attempt(call, step, plan["patience"]))
    except Exception as error:
        # The client has cancelled the call that was running, if there is one.
        seen += [{**describe(error), "outcome": "closed"}] * (len(seen) < calls)
    return seen + [{"outcome": "closed"}] * (calls - len(seen))


def main(connect: Callable[[dict], AbstractAsyncContextManager[Call]]) -> None:
    print(json.dumps(asyncio.run(run(json.loads(sys.argv[1]), connect))))
