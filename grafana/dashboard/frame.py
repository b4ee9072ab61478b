"""The dashboard's variables, annotations and links."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from panels import DATASOURCE, runbook_page
from queries import INSTANCE, SERVER, series

ALL = models.VariableOption(selected=True, text="All", value="$__all")


@dataclass
class Variable:
    """A variable at the top of the dashboard; `expression` is the query of its values."""

    name: str
    label: str
    expression: str
    description: str


# A sidecar without traffic has only the series of its health check.
KNOWN = '{__name__=~"mcp_upstream_available|mcp_filter_streams_total"}'
VARIABLES = [
    Variable("server", "Server", f"label_values({KNOWN}, server_name)", "server_name: one MCP server with all its sidecars"),
    Variable("instance", "Sidecar", 'label_values(mcp_filter_info, instance)', "instance: one sidecar, that is one replica"),
    Variable("method", "Method", 'label_values(mcp_requests_total{server_name=~"$server"}, method)', "the MCP method"),
    Variable("tool", "Tool", 'label_values(mcp_tool_calls_total{server_name=~"$server"}, tool_name)', "the tool's name"),
]


class PrometheusAnnotation(models.AnnotationQuery):
    """An annotation with the fields of the Prometheus datasource, which the general schema does not have."""

    def __init__(self, name: str, color: str, expression: str, title: str, text: str) -> None:
        super().__init__(name=name, datasource=DATASOURCE, enable=True, icon_color=color, expr=expression)
        self.title, self.text = title, text

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {"titleFormat": self.title, "textFormat": self.text}


def variables() -> list:
    chosen = models.VariableOption(selected=True, text="Prometheus", value="prometheus")
    datasource = dashboard.DatasourceVariable("datasource").label("Datasource").type("prometheus").current(chosen)
    return [datasource, *(_choice(variable) for variable in VARIABLES)]


def annotations() -> list[models.AnnotationQuery]:
    def drift(change: str) -> str:
        selected = series("mcp_list_changes_total", SERVER, f'change="{change}"')
        return f"sum by (server_name, method) (increase({selected}[$__rate_interval])) > 0"

    return [
        PrometheusAnnotation("Definition changed", "red", drift("changed"), "Definition changed",
                             "{{server_name}}: an item of {{method}} has changed"),
        PrometheusAnnotation("Definition added", "blue", drift("added"), "Definition added",
                             "{{server_name}}: {{method}} has a new item"),
        PrometheusAnnotation("Sidecar restarted", "yellow",
                             f"{series('envoy_server_uptime', INSTANCE)} < 60",
                             "Sidecar restarted", "{{instance}}: counters restart at zero"),
    ]


def links() -> list[dashboard.DashboardLink]:
    return [dashboard.DashboardLink("Runbook").type(models.DashboardLinkType.LINK).icon("doc")
            .tooltip("What each alert means and what to do").url(f"/d/{runbook_page.UID}")]


def _choice(variable: Variable) -> dashboard.QueryVariable:
    query = {"qryType": 5, "query": variable.expression, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
    return (dashboard.QueryVariable(variable.name).label(variable.label).description(variable.description).query(query)
            .datasource(DATASOURCE).current(ALL).multi(True).include_all(True).all_value(".*")
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC))
