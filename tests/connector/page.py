"""What docs/stdio.md and README.md say: their commands, their configurations, and the table of what does not work."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("docs/stdio.md", "README.md")}
HOME = "/home/USER"


def blocks(language: str) -> list[str]:
    return [block for page in PAGES.values() for block in re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)]


def servers() -> list[dict]:
    """The servers of all configurations, before and after."""
    parsed = [json.loads(block) for block in blocks("json")]
    return [{**server, "name": name} for each in parsed for name, server in (each.get("mcpServers") or each["servers"]).items()]


def wrapped(server: dict) -> bool:
    return server["command"] == f"{HOME}/mcp-sidecar/mcp-sidecar"


WRAPPED = [server for server in servers() if wrapped(server) and "--" in server["args"]]
ONCE = {server["name"]: server for server in WRAPPED}.values()
# The commands that `run` serves on the pages, each once.
RUNS = sorted({command.partition("#")[0].strip() for block in blocks("sh") for command in re.findall(r"mcp-sidecar run -- (.*)", block)})

TROUBLE = PAGES["docs/stdio.md"].partition("## If it does not work\n")[2].partition("\n## ")[0]


def seen(text: str) -> str:
    """A text that is in the first column of the page's table: what one sees."""
    assert any(text in row.split("|")[1] for row in TROUBLE.splitlines() if row.startswith("| ")), text
    return text
