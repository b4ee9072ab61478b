"""Pages tell what to do about the responses and limits that come from Envoy and not from the server. No process is started."""

import re

import pytest

from vocabulary import ROOT

ADVICE = {
    "setting of the timeout": ("docs/settings.md", r"^\| `MCP_UPSTREAM_TIMEOUT_MS` \|.*above your slowest tool"),
    "limit of the timeout": ("docs/limits.md", r"504 after `MCP_UPSTREAM_TIMEOUT_MS`"),
    "runbook for the timeout": ("docs/runbook.md", r"^\| `timeout` \|.*set `MCP_UPSTREAM_TIMEOUT_MS` above it"),
    "redirects past the sidecar": ("docs/limits.md", r"`Location`"),
    "framing that Envoy refuses": ("docs/limits.md", r"^- .*502.*`Content-Length`|`Content-Length`.*502"),
    "memory of a stream": ("docs/limits.md", r"\| memory of one open stream \|.*HTTP/2"),
}


@pytest.mark.parametrize("advice", ADVICE)
def test_page_has_the_advice(advice: str) -> None:
    page, pattern = ADVICE[advice]
    text = re.sub(r"\n +(?=\S)", " ", (ROOT / page).read_text(encoding="utf-8"))
    assert re.search(pattern, text, re.MULTILINE), f"{page}: {pattern}"
