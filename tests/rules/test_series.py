"""A series that a test or a page writes out has all labels of its family. No process is started.

Read are the repository's texts `mcp_x_total{a="..."} 1` (a page of Envoy), `mcp_x_total{a=...} 1` (`tests/fake-envoy`) and
`series: 'mcp_x_total{a="..."}'` (tests of rules), and calls such as `series("mcp_x_total", a=...)` in Python. Selectors are not
read, because a selector may leave labels out.
"""

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from core_tables import ROOT, Family, Label, families

FAMILIES = families()
# Pages with selectors only, and this file.
SKIPPED = ("docs/", "grafana/", "tests/rules/")
VALUE = r'"(?:[^"\\]|\\.)*"'
# In Rust's format strings, braces are doubled and values are `{name}`.
LABELS = rf"\{{\{{?((?:\s*\w+=(?:{VALUE}|\{{\w*\}}|[^{{}}\",=]*),?)*)(?:\{{\w+\}})?\}}?\}}"
# Behind a series on a page is its value. The series of `tests/fake-envoy`, with label values without quotes, are no selectors,
# so they need no value behind them.
ON_PAGE = re.compile(rf"(mcp_[a-z_]+){LABELS}(?= (?:[0-9]|\[|IN\b|OUT\b|\{{))")
UNQUOTED = re.compile(r'(mcp_[a-z_]+)\{((?:\w+=[^{}",=]+,?)+)\}(?=")')
OF_RULE = re.compile(rf"series: '(mcp_[a-z_]+){LABELS}'")
LABEL = re.compile(rf"(\w+)=(?:{VALUE}|[^,]*)")
CALLS = ("series", "add")
# The labels of a series that are not the family's: of a bucket, of Prometheus, and of `server_name` where all series have one.
BESIDE = {"le", "instance", "job", "deployment_environment"}
# Texts that leave out a label on purpose.
LEFT_OUT = {
    ("tests/loadtest/src/tally.rs", "resource_uri"),  # The load test does not compare it.
    ("tests/fake-envoy/tests/filter/semantics/names.rs", "resource_uri"),  # A test of `labels.resource_uri: "off"`.
}

# The family of the tests of this check, so that a new label does not break them.
NOTIFICATIONS = Family(
    "mcp_notifications_total", "counter",
    tuple(Label(name, ("in",), None, False) for name in ("method", "direction", "server_name")), (),
)

Found = tuple[int, str, set[str], bool]


def family_of(name: str) -> Family | None:
    base = re.sub("_seconds(?=$|_)", "_microseconds", name)
    return FAMILIES.get(base) or FAMILIES.get(re.sub("_(bucket|sum|count)$", "", base))


def in_text(text: str) -> Iterator[Found]:
    for pattern in (ON_PAGE, UNQUOTED, OF_RULE):
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, match[1], {label[1] for label in LABEL.finditer(match[2])}, True


def in_python(text: str) -> Iterator[Found]:
    """Calls with a family's name. The flag: all labels are written in the call, none come from a `**mapping`."""
    for call in ast.walk(ast.parse(text)):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in CALLS and call.args:
            name = getattr(call.args[0], "value", None)
            if isinstance(name, str) and name.startswith("mcp_"):
                labels = {keyword.arg for keyword in call.keywords if keyword.arg}
                yield call.lineno, name, labels, all(keyword.arg for keyword in call.keywords)


def wrong(file: str, found: Iterable[Found]) -> list[str]:
    """One line for each series whose labels are not those of its family. A label that can be empty may be left out."""
    lines = []
    for line, name, labels, is_whole in found:
        family = family_of(name)
        if family is None:
            lines.append(f"{file}:{line}: {name} is no family")
            continue
        needed = {label.name for label in family.labels if not label.optional and "" not in label.values and label.name != "server_name"}
        missing = {label for label in needed - labels if is_whole and (file, label) not in LEFT_OUT}
        more = labels - {label.name for label in family.labels} - BESIDE
        lines += [f"{file}:{line}: {name} lacks the label {label}" for label in sorted(missing)]
        lines += [f"{file}:{line}: {name} has no label {label}" for label in sorted(more)]
    return lines


def files() -> list[str]:
    done = subprocess.run(("git", "ls-files", "*.md", "*.rs", "*.py", "*.yml"), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return [file for file in done.stdout.splitlines() if not file.startswith(SKIPPED) and (ROOT / file).exists()]


def found_in(file: str) -> list[Found]:
    text = Path(ROOT / file).read_text(encoding="utf-8")
    return [*in_text(text), *(in_python(text) if file.endswith(".py") else ())]


def test_every_series_has_the_labels_of_its_family() -> None:
    lines = [line for file in files() for line in wrong(file, found_in(file))]
    assert not lines, "\n" + "\n".join(lines)


@pytest.mark.parametrize("file", [
    "docs/source.md", "examples/postgres/README.md", "tests/fake-envoy/tests/filter/semantics/streams.rs",
    "tests/loadtest/src/tally.rs", "collector/rules/tests/tools.yml", "tests/e2e/support/expected.py",
    "tests/e2e/support/expected_operations.py", "tests/e2e/support/matrix.py",
])
def test_series_of_the_file_are_found(file: str) -> None:
    assert len(found_in(file)) > 4


@pytest.mark.parametrize(("text", "says"), [
    ('mcp_notifications_total{direction="in"} 1', "lacks the label method"),
    ("mcp_notifications_total{{direction=in,method={method}}} {count}", ""),
    ("mcp_tool_calls_total{tool_name=add,status=ok} 1", ""),
    ("mcp_tool_calls_total{status=ok} 1", "lacks the label tool_name"),
    ('mcp_tools_listed_total{method="tools/list"} 1', "has no label method"),
    ('mcp_tool_duration_microseconds_bucket{tool_name="a",le="5"} 1', ""),
    ("series: 'mcp_tool_duration_seconds_count{instance=\"a\"}'", "lacks the label tool_name"),
    ('mcp_tool_total{tool_name="a"} 1', "is no family"),
    ('"mcp_tool_calls_total{tool_name=a}"', "lacks the label status"),
    ('mcp_tool_calls_total{status="ok"}[5m]', ""),
    ("'mcp_tool_calls_total{status=\"ok\"}'", ""),
])
def test_wrong_series_in_a_text_is_reported(text: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "mcp_notifications_total", NOTIFICATIONS)
    lines = wrong("x.md", in_text(text))
    assert all(says in line for line in lines) and bool(lines) == bool(says), lines


def test_wrong_series_in_a_call_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "mcp_notifications_total", NOTIFICATIONS)
    text = 'add("mcp_notifications_total", 1, direction="in")\nadd("mcp_notifications_total", **given)\nseries("mcp_tasks_total", tool="a", **given)'
    assert wrong("x.py", in_python(text)) == [
        "x.py:1: mcp_notifications_total lacks the label method", "x.py:3: mcp_tasks_total has no label tool",
    ]
