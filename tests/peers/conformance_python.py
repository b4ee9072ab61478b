"""An MCP server on the Python SDK 2.3.0 for the MCP conformance suite.

    conformance_python.py PORT
    conformance_python.py stdio

It serves `/conformance` with all protocol versions of the SDK, or standard input and output. conformance.json, which the Rust server reads too, lists its
tools, resources and prompts; this file has the behaviour of each kind of tool. The SDK has no tasks extension, so the server
has none. It keeps the events of every session until the process ends, which is suitable for tests only.
"""

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from pydantic import TypeAdapter

OFFER = json.loads(Path(__file__).with_name("conformance.json").read_text())
TOOLS = {tool["definition"]["name"]: tool for tool in OFFER["tools"] if "task" not in tool}
RESOURCES = {resource["definition"]["uri"]: resource for resource in OFFER["resources"]}
PROMPTS = {prompt["definition"]["name"]: prompt for prompt in OFFER["prompts"]}
# The client capability that each kind of question needs.
CAPABILITIES = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
QUESTION: TypeAdapter[types.InputRequest] = TypeAdapter(types.InputRequest)
PAUSE = 0.05

bus = InMemorySubscriptionBus()


class Events(EventStore):
    """All events of all streams, numbered from 0."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.kept.append((stream_id, message))
        return str(len(self.kept) - 1)

    async def replay_events_after(self, last_event_id: str, send_callback: Any) -> str | None:
        last = int(last_event_id)
        if not 0 <= last < len(self.kept):
            return None
        stream_id = self.kept[last][0]
        for number, (stream, message) in enumerate(self.kept[last + 1 :], last + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


def filled(value: Any, words: dict[str, Any]) -> Any:
    """Returns the value with every `{name}` in its texts replaced."""
    text = json.dumps(value)
    for name, word in words.items():
        text = text.replace("{" + name + "}", json.dumps(str(word))[1:-1])
    return json.loads(text)


# === tools ===


async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool.model_validate(tool["definition"]) for tool in TOOLS.values()])


async def call_tool(context: Any, params: Any) -> types.CallToolResult | types.InputRequiredResult:
    tool = TOOLS.get(params.name)
    if tool is None:
        raise MCPError(types.INVALID_PARAMS, f"unknown tool {params.name}")
    if "answer" in tool:
        return types.CallToolResult.model_validate(filled(tool["answer"], params.arguments or {}))
    if "rounds" in tool:
        return next_round(context, params, tool) or text_result("Thank you.")
    if "asks" in tool:
        return await ask(context, filled(tool["asks"], params.arguments or {}))
    await BEHAVIOURS[tool["behaviour"]](context)
    return text_result("Done.")


def text_result(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)])


async def ask(context: Any, question: dict[str, Any]) -> types.CallToolResult:
    """Sends a server request on the stream of the call (up to 2025-11-25)."""
    if question["method"] == "elicitation/create":
        asked = question["params"]
        answer = await context.session.elicit_form(asked["message"], asked["requestedSchema"], context.request_id)
    else:
        asked = types.CreateMessageRequestParams.model_validate(question["params"])
        answer = await context.session.create_message(
            asked.messages, max_tokens=asked.max_tokens, related_request_id=context.request_id
        )
    return text_result(answer.model_dump_json(by_alias=True))


def next_round(context: Any, params: Any, offer: dict[str, Any]) -> types.InputRequiredResult | None:
    """The questions for an `input_required` result (since 2026-07-28); None after all were answered."""
    rounds = offer["rounds"]
    number = int(params.request_state or 0)
    if set(rounds[number]) <= set(params.input_responses or {}):
        number += 1
    if number == len(rounds):
        return None
    declared = (context.session.client_capabilities or types.ClientCapabilities()).model_dump(exclude_none=True)
    able = {key: ask for key, ask in rounds[number].items() if CAPABILITIES[ask["method"]] in declared}
    if not able:
        missing = {CAPABILITIES[ask["method"]]: {} for ask in rounds[number].values()}
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY, "the client cannot answer", {"requiredCapabilities": missing}
        )
    return types.InputRequiredResult(
        input_requests={key: QUESTION.validate_python(ask) for key, ask in able.items()},
        request_state=str(number) if offer.get("keepsState") else None,
    )


async def log(context: Any) -> None:
    for step in ("started", "going on", "done"):
        await context.session.send_log_message("info", step, related_request_id=context.request_id)
        await anyio.sleep(PAUSE)


async def progress(context: Any) -> None:
    for step in (0, 50, 100):
        await context.session.report_progress(step, 100)
        await anyio.sleep(PAUSE)


async def reconnection(context: Any) -> None:
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await anyio.sleep(PAUSE)


async def tools_changed(context: Any) -> None:
    await bus.publish(ToolsListChanged())


async def prompts_changed(context: Any) -> None:
    await bus.publish(PromptsListChanged())


BEHAVIOURS = {
    "log": log,
    "progress": progress,
    "reconnection": reconnection,
    "tools_changed": tools_changed,
    "prompts_changed": prompts_changed,
}


# === resources and prompts ===


async def list_resources(context: Any, params: Any) -> types.ListResourcesResult:
    return types.ListResourcesResult(
        resources=[types.Resource.model_validate(resource["definition"]) for resource in RESOURCES.values()]
    )


async def list_templates(context: Any, params: Any) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(
        resource_templates=[types.ResourceTemplate.model_validate(entry["definition"]) for entry in OFFER["templates"]]
    )


async def read_resource(context: Any, params: Any) -> types.ReadResourceResult:
    if params.uri in RESOURCES:
        contents = RESOURCES[params.uri]["contents"]
    else:
        contents = from_template(params.uri)
    return types.ReadResourceResult.model_validate({"contents": [contents]})


def from_template(uri: str) -> dict[str, Any]:
    for template in OFFER["templates"]:
        before, after = template["definition"]["uriTemplate"].split("{id}")
        if uri.startswith(before) and uri.endswith(after):
            return filled(template["contents"], {"id": uri[len(before) : -len(after)]})
    raise MCPError(types.INVALID_PARAMS, "no such resource", {"uri": uri})


async def list_prompts(context: Any, params: Any) -> types.ListPromptsResult:
    return types.ListPromptsResult(
        prompts=[types.Prompt.model_validate(prompt["definition"]) for prompt in PROMPTS.values()]
    )


async def get_prompt(context: Any, params: Any) -> types.GetPromptResult | types.InputRequiredResult:
    prompt = PROMPTS.get(params.name)
    if prompt is None:
        raise MCPError(types.INVALID_PARAMS, f"unknown prompt {params.name}")
    if "rounds" in prompt and (questions := next_round(context, params, prompt)):
        return questions
    return types.GetPromptResult.model_validate({"messages": filled(prompt["messages"], params.arguments or {})})


async def complete(context: Any, params: Any) -> types.CompleteResult:
    values = [value for value in ("paris", "park", "party") if value.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))


async def nothing(context: Any, params: Any) -> types.EmptyResult:
    return types.EmptyResult()


def make_server() -> Server[Any]:
    server: Server[Any] = Server(
        "conformance-python",
        version="1",
        get_tool_input_schema=lambda name: TOOLS[name]["definition"]["inputSchema"] if name in TOOLS else None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=nothing,
        on_unsubscribe_resource=nothing,
        on_subscriptions_listen=ListenHandler(bus),
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
        on_set_logging_level=nothing,
    )
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=server.name))
    return server


async def on_pipes() -> None:
    server = make_server()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        anyio.run(on_pipes)
        sys.exit()
    application = make_server().streamable_http_app(
        streamable_http_path="/conformance", event_store=Events(), retry_interval=100
    )
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
