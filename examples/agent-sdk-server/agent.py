"""One run of an agent of the Claude Agent SDK on the files of one folder.

With ANTHROPIC_API_KEY the agent uses the real model, without it the scripted one. Only the transport differs.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKError,
    PermissionResultAllow,
    PermissionResultDeny,
    ResultMessage,
    TextBlock,
    ToolPermissionContext,
    ToolUseBlock,
    query,
)
from scripted import ScriptedModel

FOLDER = Path(os.environ.get("AGENT_FOLDER", Path(__file__).parent / "notes"))
READING = ["Read", "Glob", "Grep"]
WRITING = ["Edit", "Write"]
TURN_LIMIT = 20
BUDGET_USD = 0.5
INSTRUCTIONS = "You look after a folder of notes. Answer in one or two sentences, from the notes alone."


class AgentFailed(Exception):
    """A run ended without a result; the message is the reason."""


def options(may_write: bool) -> ClaudeAgentOptions:
    """The agent may use only its folder, and does not read the settings of the user who started the server."""

    async def permit(tool: str, arguments: dict[str, Any], context: ToolPermissionContext) -> PermissionResultAllow | PermissionResultDeny:
        if context.blocked_path:
            return PermissionResultDeny(message=f"{context.blocked_path} is outside the notes")
        if tool in READING or (may_write and tool in WRITING):
            return PermissionResultAllow()
        return PermissionResultDeny(message=f"{tool} was not allowed")

    return ClaudeAgentOptions(cwd=FOLDER, tools=READING + WRITING, system_prompt=INSTRUCTIONS, can_use_tool=permit,
                              max_turns=TURN_LIMIT, max_budget_usd=BUDGET_USD, setting_sources=[])


def described(message: AssistantMessage) -> list[str]:
    """One line for each text and each tool call of the agent."""
    lines = []
    for block in message.content:
        if isinstance(block, TextBlock):
            lines.append(block.text)
        elif isinstance(block, ToolUseBlock):
            lines.append(f"uses {block.name}")
    return lines


async def run(prompt: str, may_write: bool, report: Callable[[str], Awaitable[None]]) -> str:
    """Returns the agent's result. Calls `report` with each step."""
    transport = None if os.environ.get("ANTHROPIC_API_KEY") else ScriptedModel()
    messages = query(prompt=prompt, options=options(may_write), transport=transport)
    try:
        async for message in messages:
            if isinstance(message, AssistantMessage):
                for line in described(message):
                    await report(line)
            elif isinstance(message, ResultMessage):
                if message.is_error:
                    raise AgentFailed("; ".join(message.errors or []) or message.result or message.subtype)
                return message.result or ""
    except ClaudeSDKError as error:
        raise AgentFailed(str(error)) from error
    finally:
        # Ends the program that the SDK started, even if the caller was cancelled.
        await messages.aclose()
    raise AgentFailed("the run ended without a result")
