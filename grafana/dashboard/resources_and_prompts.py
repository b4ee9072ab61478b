"""Resources and prompts: reads, gets, and their errors."""

from panels import RED, Column, Panel, Query, rows, time_series
from queries import SERVER, count, rate, ratio, quantile

TITLE = "Resources and prompts"
STEPS = [(0.05, "yellow"), (0.5, RED)]


def panels() -> list[Panel]:
    return [
        _outcomes("Resources", "Reads by resource: the listed URI, else the matching template, else the scheme. Errors on one "
                  "template: often clients read resources that do not exist.", "mcp_resource_reads_total", "resource_uri"),
        _outcomes("Prompts", "Gets by prompt. Errors are most often missing arguments.",
                  "mcp_prompt_gets_total", "prompt_name"),
        time_series("Reads by resource", "Per second. One resource read repeatedly: a client without a cache.",
                    Query(rate("mcp_resource_reads_total", SERVER, by="resource_uri"), "{{resource_uri}}"), unit="reqps",
                    no_value="no reads"),
        time_series("Lists and gets", "How often clients fetch the lists, and how often they get prompts.",
                    Query(rate("mcp_resources_listed_total", SERVER), "resources/list"),
                    Query(rate("mcp_prompts_listed_total", SERVER), "prompts/list"),
                    Query(rate("mcp_prompt_gets_total", SERVER), "prompts/get"), unit="reqps"),
        time_series("p95 of reads and gets", "Slow reads delay a model as slow tools do.",
                    Query(quantile(0.95, "mcp_request_duration_seconds", SERVER, 'method=~"resources/read|prompts/get"',
                                   by="method"), "{{method}}"), unit="s", no_value="no reads"),
    ]


def _outcomes(title: str, description: str, family: str, label: str) -> Panel:
    events = count(family, SERVER, by=label)
    return rows(title, description, [
        Column(label, width=280),
        Column("Operations", events),
        Column("Errors", ratio(count(family, SERVER, 'status="error"', by=label),
                               count(family, SERVER, 'status=~"ok|error"', by=label)), "percentunit", 1, STEPS),
    ], sort_by="Operations", span=12, no_value="nothing listed or used")
