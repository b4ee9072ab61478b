"""A scripted model, which replaces the program that the Claude Agent SDK starts.

It is a transport of the SDK, so the SDK's own control protocol, parsing and permission callback are used. No tools run: their
results are in the script. The model plays the first scene whose word is in the prompt.
"""

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
from claude_agent_sdk import Transport

SCRIPT = json.loads((Path(__file__).parent / "script.json").read_text(encoding="utf-8"))
# A pause, so that the steps of a run can be seen.
THINKING_SECONDS = 0.3
SESSION = "scripted"


class ScriptedModel(Transport):
    """One run of the script."""

    def __init__(self) -> None:
        self.sender, self.receiver = anyio.create_memory_object_stream[dict[str, Any]](100)
        self.numbers = itertools.count(1)
        self.turns = 0
        self.denied = False

    async def connect(self) -> None:
        """Starts nothing."""

    def is_ready(self) -> bool:
        return True

    async def write(self, data: str) -> None:
        """Receives a message of the SDK: a control request, the prompt, or the response to a request."""
        for line in data.splitlines():
            await self.sender.send(json.loads(line))

    async def end_input(self) -> None:
        self.sender.close()

    async def close(self) -> None:
        self.sender.close()
        self.receiver.close()

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yields the messages of the model until the SDK closes its side."""
        async for message in self.receiver:
            if message["type"] == "control_request":
                yield {"type": "control_response", "response": {"subtype": "success", "request_id": message["request_id"], "response": {}}}
            elif message["type"] == "user":
                async for said in self.play(message["message"]["content"]):
                    yield said

    async def play(self, prompt: str) -> AsyncIterator[dict[str, Any]]:
        """Plays one scene, step by step."""
        for step in next(scene["steps"] for scene in SCRIPT if scene["when"] in prompt):
            await anyio.sleep(THINKING_SECONDS)
            self.turns += 1
            if "say" in step:
                yield self.assistant({"type": "text", "text": step["say"]})
            elif "use" in step:
                async for said in self.use(step):
                    yield said
            elif "answer" in step:
                text = step["denied"] if self.denied else step["answer"]
                yield self.assistant({"type": "text", "text": text})
                yield self.result("success", result=text)
            elif "fail" in step:
                yield self.result(step["fail"], errors=[step["message"]])
            else:
                await anyio.sleep_forever()

    async def use(self, step: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Uses a tool, if the permission callback allows it."""
        use_id = f"toolu_{next(self.numbers)}"
        yield self.assistant({"type": "tool_use", "id": use_id, "name": step["use"], "input": step["input"]})
        yield {"type": "control_request", "request_id": f"permission_{use_id}", "request": {
            "subtype": "can_use_tool", "tool_name": step["use"], "input": step["input"], "tool_use_id": use_id}}
        # No other request is open, so the next message is the response.
        answer = (await self.receiver.receive())["response"]
        self.denied = answer["subtype"] == "error" or answer["response"]["behavior"] == "deny"
        content = "not allowed" if self.denied else step["result"]
        yield {"type": "user", "session_id": SESSION, "parent_tool_use_id": None, "message": {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": use_id, "content": content, "is_error": self.denied}]}}

    def assistant(self, block: dict[str, Any]) -> dict[str, Any]:
        """One message of the model."""
        return {"type": "assistant", "session_id": SESSION, "parent_tool_use_id": None,
                "message": {"role": "assistant", "model": SESSION, "content": [block]}}

    def result(self, subtype: str, **more: Any) -> dict[str, Any]:
        """The last message of the run."""
        return {"type": "result", "subtype": subtype, "is_error": subtype != "success", "num_turns": self.turns, "session_id": SESSION,
                "duration_ms": int(self.turns * THINKING_SECONDS * 1000), "duration_api_ms": 0, **more}
