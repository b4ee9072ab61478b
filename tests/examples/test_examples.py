"""Each folder of examples/ runs with one command and has the series on its page."""

import subprocess
from pathlib import Path

import pytest
import series
from scrape import Scrape

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(folder.name for folder in (ROOT / "examples").iterdir() if (folder / "README.md").is_file())
SECONDS = 300


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str) -> None:
    done = subprocess.run([ROOT / "scripts/example.sh", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout
    assert "Every figure" in done.stdout


def test_readme_names_the_command() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in EXAMPLES:
        assert f"\nexample-{name}: " in makefile, name
        assert f"make example-{name}" in (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8"), name


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    page = tmp_path / "README.md"
    page.write_text('# Page\n\n```prometheus\nmcp_requests_total{method="tools/call",status="ok"} 2\nmcp_tools_listed_total{} 1\n```\n')
    return page


def scraped(lines: str) -> Scrape:
    return Scrape(lines + "\n")


def test_equal_series_have_no_difference(readme: Path) -> None:
    scrape = scraped('mcp_requests_total{method="tools/call",server_name="a",status="ok"} 2\n'
                     'mcp_requests_total{method="tools/call",server_name="a",status="error"} 0\n'
                     'mcp_tools_listed_total{server_name="a"} 1\nmcp_message_bytes_total{direction="in",server_name="a"} 77')
    assert series.differences(scrape, readme) == []


@pytest.mark.parametrize(("lines", "told"), [
    ('mcp_requests_total{method="tools/call",status="ok"} 2',
     ["promised and not scraped: mcp_tools_listed_total{} 1"]),
    ('mcp_requests_total{method="tools/call",status="ok"} 3\nmcp_tools_listed_total 1',
     ['promised and not scraped: mcp_requests_total{method="tools/call",status="ok"} 2',
      'scraped and not promised: mcp_requests_total{method="tools/call",status="ok"} 3']),
    ('mcp_requests_total{method="tools/call",status="ok"} 2\nmcp_tools_listed_total 1\nmcp_prompts_listed_total 1',
     ["scraped and not promised: mcp_prompts_listed_total{} 1"]),
])
def test_series_that_differ(readme: Path, lines: str, told: list[str]) -> None:
    assert series.differences(scraped(lines), readme) == told
