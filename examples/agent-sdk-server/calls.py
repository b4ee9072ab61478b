"""The calls of both clients, and the answers of the person at the client. Works with versions 1 and 2 of the Python SDK."""

# Seconds that the person takes to answer a question. This is longer than the agent's work on a task.
HUMAN_SECONDS = 2.0
# Tool, arguments, and a part of the result, which shows that the person's answer reached the agent.
CALLS = [
    ("ask_agent", {"question": "When does the ferry leave?"}, "07:10"),
    ("ask_agent", {"question": "When does the last ferry leave?"}, "16:40"),
    ("ask_agent", {"question": "Rewrite everything in the notes."}, "maximum number of turns"),
    ("delegate_task", {"task": "Order 20 flares and note it."}, "are noted"),
    ("delegate_task", {"task": "Note that no flares are left."}, "was not allowed"),
    ("delegate_task", {"task": "Forget the flares."}, "not begun"),
]
# The person's answers to the questions before the three tasks: action and form.
PERSON = [("accept", {"change_files": True}), ("accept", {"change_files": False}), ("decline", None)]


async def ask_everything(client, seen, refusal: type[Exception]) -> None:
    """Lists the tools, and makes all calls one after the other."""

    async def call(tool: str, arguments: dict, piece: str):
        result = await client.call_tool(tool, arguments, progress_callback=seen.note_progress)
        text = result.content[0].text
        if piece not in text:
            raise SystemExit(f"{tool} {arguments} was answered {text!r}, without {piece!r}")
        return result

    await seen.ask("tools/list", "", client.list_tools(), refusal)
    for tool, arguments, piece in CALLS:
        await seen.ask("tools/call", tool, call(tool, arguments, piece), refusal)
