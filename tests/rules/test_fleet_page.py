"""docs/fleet.md: its tables equal the arithmetic, and its settings are valid. So do the cells of README.md. No sidecar is started."""

import re
import subprocess
import textwrap
from pathlib import Path

import parts
import pytest
import yaml
from vocabulary import rules, selectors

from fleet import arithmetic, document
from fleet.arithmetic import Limits, Typical
from support.peers import get

TEXT = document.PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^ *```yaml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def blocks() -> list[dict]:
    return [yaml.safe_load(textwrap.dedent(block)) for block in BLOCK.findall(TEXT)]


def test_tables_of_the_page_equal_the_arithmetic() -> None:
    assert document.written(TEXT) == TEXT, "docs/fleet.md is out of date: scripts/fleet-tables.sh"


def test_cells_of_the_readme_equal_the_arithmetic() -> None:
    text = document.README.read_text(encoding="utf-8")
    assert document.readme(text) == text, "README.md is out of date: scripts/fleet-tables.sh"


def test_readme_without_the_row_is_an_error() -> None:
    with pytest.raises(ValueError, match="series, at most"):
        document.readme(document.README.read_text(encoding="utf-8").replace("| series, at most", "| series"))


@pytest.mark.parametrize("case", ["typical server", "limits"])
def test_arithmetic_has_every_label_of_a_family(case: str) -> None:
    terms = arithmetic.limits(Limits(), True) if case == "limits" else arithmetic.typical(Typical(), True)
    wrong = []
    for name, of in terms.items():
        labels = {label.name for label in arithmetic.FAMILIES[name].labels} - {"server_name", "filter_version"}
        for term in of if name != arithmetic.SEMCONV else ():
            wrong += [name] if {label for dimension in term for label in dimension.labels} != labels else []
    assert not wrong, f"tests/stack/fleet/arithmetic.py has other labels than the core: {wrong}"


def test_table_without_its_marks_is_an_error() -> None:
    for name in document.TABLES:
        try:
            document.written(TEXT.replace(f"<!-- {name} -->", ""))
        except ValueError as error:
            assert name in str(error)
        else:
            raise AssertionError(f"the table {name} was not missed")


def test_prometheus_takes_the_blocks(tmp_path: Path) -> None:
    config = yaml.safe_load((parts.COLLECTOR / "prometheus.yml").read_text(encoding="utf-8"))
    for block in blocks():
        config["global"] |= block.pop("global", {})
        [job] = [job for job in config["scrape_configs"] if job["job_name"] == "collector"]
        job |= {key: block.pop(key) for key in list(block) if key == "metric_relabel_configs"}
        config |= block
    assert {"remote_write"} < config.keys()
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = subprocess.run([get("promtool"), "check", "config", file], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_rule_needs_what_is_dropped() -> None:
    """The rules need no dropped family and no dropped bucket. Prometheus writes whole bounds with or without `.0`."""
    dropped = [rule for block in blocks() for rule in block.get("metric_relabel_configs", [])]
    assert len(dropped) == 2
    buckets = set()
    for rule in rules():
        for selector in selectors(rule["expr"]):
            buckets |= set(re.findall(r'le=~?"([^"]*)"', selector.text))
            assert not re.fullmatch(dropped[0]["regex"], selector.metric)
    bounds = {bound for text in buckets for bound in text.split("|")} | {"+Inf"}
    assert {"5", "5.0", "+Inf"} <= bounds
    assert not [bound for bound in bounds if re.fullmatch(dropped[1]["regex"], f"mcp_request_duration_seconds_bucket;{bound}")]
    assert re.fullmatch(dropped[1]["regex"], "mcp_request_duration_seconds_bucket;2.0")


def test_alerts_and_variables_that_it_names_exist() -> None:
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert set(re.findall(r"`(MCP[A-Z][a-z]\w*|CollectorDown)`", TEXT)) <= alerts
    read = "".join((parts.COLLECTOR / file).read_text(encoding="utf-8") for file in ("collector.yaml", "export-otlp.yaml"))
    variables = set(re.findall(r"\b(?:MCP|OTEL|COLLECTOR)_[A-Z_]+\b", TEXT))
    assert variables and all(f"${{env:{name}" in read for name in variables)
