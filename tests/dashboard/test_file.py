"""The dashboards' files: valid, complete, and naming only metrics and labels that exist. No process is started."""

import re
from copy import deepcopy
from itertools import combinations

import pytest

import board
import schema
import vocabulary

DASHBOARD = board.load()
RUNBOOK = board.load(board.FILE.with_name("mcp-runbook.json"))
PANELS = board.panels(DASHBOARD)
# Series of Envoy that the collector keeps.
ENVOY = {name: vocabulary.TARGET for name in ("envoy_server_uptime", "envoy_server_memory_physical_size")}
KNOWN = vocabulary.vocabulary() | ENVOY
VALUES = board.variables(DASHBOARD) | board.times(5, 15, 900)
QUERIES = [pytest.param(target.expression, id=f"{panel['id']} {panel['title']} {target.reference}")
           for panel in PANELS for target in board.targets(panel)]
ANNOTATIONS = [pytest.param(one["expr"], id=one["name"]) for one in DASHBOARD["annotations"]["list"]]
VARIABLE_QUERY = re.compile(r"label_values\((.*), (\w+)\)")
BOTH = [pytest.param(one, id=one["uid"]) for one in (DASHBOARD, RUNBOOK)]


def placed(dashboard: dict) -> list[dict]:
    """Rows and panels, including the panels of closed rows."""
    return dashboard["panels"] + [panel for row in dashboard["panels"] for panel in row.get("panels", [])]


def overlap(one: dict, other: dict) -> bool:
    a, b = one["gridPos"], other["gridPos"]
    return a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


@pytest.mark.parametrize("dashboard", BOTH)
def test_schema(dashboard: dict) -> None:
    assert schema.problems(dashboard) == []


def test_the_schema_refuses_what_is_wrong() -> None:
    wrong = deepcopy(DASHBOARD)
    wrong["refersh"] = "30s"
    wrong["panels"][1]["options"]["colourMode"] = "value"
    wrong["panels"][1]["gridPos"]["w"] = "wide"
    assert len(schema.problems(wrong)) >= 3


@pytest.mark.parametrize("dashboard", BOTH)
def test_ids_are_unique_and_places_do_not_overlap(dashboard: dict) -> None:
    panels = placed(dashboard)
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    open_now = [panel for panel in dashboard["panels"]]
    assert [(a["id"], b["id"]) for a, b in combinations(open_now, 2) if overlap(a, b)] == []
    for row in dashboard["panels"]:
        assert [(a["id"], b["id"]) for a, b in combinations(row.get("panels", []), 2) if overlap(a, b)] == []


@pytest.mark.parametrize("panel", [pytest.param(panel, id=panel["title"]) for panel in PANELS])
def test_panel_has_description_no_value_text_and_unit(panel: dict) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert len(panel["description"]) > 20, "what to conclude"
    assert defaults["noValue"], "what it means that there is nothing"
    if panel["type"] not in ("table", "state-timeline"):
        assert defaults["unit"]
    references = [target.reference for target in board.targets(panel)]
    assert references and len(references) == len(set(references))
    assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


@pytest.mark.parametrize("query", QUERIES + ANNOTATIONS)
def test_query_names_what_exists(query: str) -> None:
    assert vocabulary.problems(board.filled(query, VALUES), KNOWN) == []


def test_variables_ask_for_what_exists() -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = VARIABLE_QUERY.fullmatch(board.filled(variable["query"]["query"], VALUES)).groups()
            metrics = re.search(r'__name__=~"(.*?)"', selector)
            for metric in metrics[1].split("|") if metrics else [selector.split("{")[0]]:
                assert label in KNOWN[metric], (variable["name"], metric)


def test_links_lead_to_sections_of_the_runbook() -> None:
    titles = {f"/d/mcp-runbook?viewPanel=panel-{panel['id']}": panel["title"] for panel in RUNBOOK["panels"]}
    links = [link for panel in PANELS for link in panel.get("links", [])]
    assert {titles[link["url"]] for link in links} >= {"MCPHighErrorRate", "MCPUpstreamDown", "MCPFilterBlind", "MCPToolFailing"}
    assert all(titles[link["url"]] in link["title"] for link in links)


def test_links_of_cells_set_variables_that_exist() -> None:
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    urls = re.findall(r'"url": "(/d/mcp-observability[^"]*)"', board.FILE.read_text(encoding="utf-8"))
    assert {name for url in urls for name in re.findall(r"var-(\w+)=|\$\{(\w+):queryparam}", url) for name in name if name} <= names
    assert {name for url in urls for name in re.findall(r"var-(\w+)=", url)} == {"server", "method", "tool"}


def test_of_alerts_the_projects_own_are_counted() -> None:
    """Alerts of other projects in the same Prometheus do not count."""
    [query] = {target.expression for panel in PANELS for target in board.targets(panel) if "ALERTS" in target.expression}
    [pattern] = re.findall(r'alertname=~"([^"]+)"', query)
    names = {rule["alert"] for rule in vocabulary.rules() if "alert" in rule}
    assert {name for name in {*names, "Watchdog", "KubeMCPDown"} if re.fullmatch(pattern, name)} == names
