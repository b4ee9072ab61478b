"""Computes the number of series of one sidecar for each family: the product of label values, times the series of a histogram.

Three cases: `start`, before any traffic; `typical`, a server of usual size; `limits`, the upper bound for any traffic. The first
two give the labels of every series. A case has terms for each family. A term is a product of dimensions; the terms of a family
have no series in common.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from core_tables import Family, Label, budgets, families, initial_series, label_values
from core_tables import limits as shipped_limits

SETS = label_values()
FAMILIES = families()
SEMCONV = "mcp_server_operation_duration_microseconds"
# In the sidecar this family comes from Envoy's health check, not from the filter.
AVAILABLE = "mcp_upstream_available"
# Only with `labels.client_name: "tools"`.
CLIENT_CALLS = "mcp_client_tool_calls_total"
# Only with `rate_limit`. Its rules have all series from the start.
RATE_LIMITS = "mcp_rate_limit_total"
OF_SETTINGS = (SEMCONV, CLIENT_CALLS, RATE_LIMITS)
# A label has as many confirmed names as its limit, this number of unconfirmed ones, and `other`.
UNCONFIRMED, OTHER = budgets()["unconfirmed"], 1
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
NAMED = ("tools/call", "resources/read", "prompts/get")
INVALID_REQUEST = (-32700, -32600, -32601, -32602, -32002)
OK = ("ok", "")
# The name of all clients of a typical server.
CLIENT = "desk"
OUTCOME = ("status", "error_type")
# The words for label values in the tables of docs/fleet.md. For other labels: the name with an "s".
WORDS = {
    "status": "statuses", "protocol_version": "protocol versions", "tool_name": "tools", "client_name": "clients", "error_code": "codes",
    "prompt_name": "prompts", "resource_uri": "resources",
}
WORDS_OF = {
    ("mcp_list_changes_total", "method"): "lists", ("mcp_server_requests_total", "status"): "ends",
    ("mcp_tasks_total", "status"): "ends", ("mcp_listed_items", "method"): "lists", ("mcp_listed_bytes", "method"): "lists",
}


@dataclass(frozen=True)
class Dimension:
    """One label with its values, or several labels with their combinations of values."""

    word: str
    labels: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]


Term = tuple[Dimension, ...]
Terms = dict[str, list[Term]]


@dataclass(frozen=True)
class Typical:
    """A server in use: clients of two protocol versions used all its tools, prompts and resources, with and without errors. It
    responds with event streams, as SDKs do by default."""

    tools: int = 12
    prompts: int = 5
    resources: int = 5
    codes: tuple[int, ...] = (-32602, -32603, -32000)
    protocol_versions: tuple[str, ...] = ("2025-06-18", "2025-11-25")
    methods: tuple[str, ...] = field(default=("initialize", "ping", *LISTS, *NAMED))

    def names(self, kind: str) -> tuple[str, ...]:
        form = {"tools": "tool_{}", "prompts": "prompt_{}", "resources": "docs://page/{}"}[kind]
        return tuple(form.format(number) for number in range(getattr(self, kind)))


@dataclass(frozen=True)
class Limits:
    """The filter's `limits` that affect the number of series, with their defaults."""

    tool_names: int = shipped_limits()["tool_names"]
    prompt_names: int = shipped_limits()["prompt_names"]
    resource_uris: int = shipped_limits()["resource_uris"]
    client_names: int = shipped_limits()["client_names"]
    error_codes: int = shipped_limits()["error_codes"]


def one(word: str, label: str, values: tuple[str, ...]) -> Dimension:
    return Dimension(word, (label,), tuple((value,) for value in values))


def outcomes(values: list[tuple[str, str]], word: str = "outcomes") -> Dimension:
    return Dimension(word, OUTCOME, tuple(values))


def failed(*error_types: str) -> list[tuple[str, str]]:
    return [("error", error_type) for error_type in error_types]


def error_type(code: int) -> str:
    """The error type of an error code."""
    return "invalid_request" if code in INVALID_REQUEST else "rpc_error"


def start(semconv: bool = False) -> Terms:
    """The series before the first request: the initial series."""
    initial = {name: factored(name, series) for name, series in initial_series(semconv).items()}
    return initial | {AVAILABLE: [()], "mcp_requests_total": initial_requests()}


def factored(name: str, series: list[dict[str, str]]) -> list[Term]:
    """One product of all labels, if it gives exactly these series; otherwise the combinations of labels as one dimension."""
    series = [{label: value for label, value in labels.items() if label != "filter_version"} for labels in series]
    labels = [label.name for label in FAMILIES[name].labels if label.name in series[0]]
    term = tuple(one(word(name, label), label, unique(labels[label] for labels in series)) for label in labels)
    if combinations([term]) == len(series):
        return [term]
    together = tuple(tuple(values[label] for label in labels) for values in series)
    return [(Dimension(name.removeprefix("mcp_").removesuffix("_total"), tuple(labels), together),)]


def initial_requests() -> list[Term]:
    """The outcomes that all methods with initial series have; then the other outcomes of each method."""
    found: dict[str, list[tuple[str, str]]] = {}
    for labels in initial_series()["mcp_requests_total"]:
        found.setdefault(labels["method"], []).append((labels["status"], labels["error_type"]))
    methods = tuple(method for method, of in found.items() if OK in of)
    common = [outcome for outcome in found[methods[0]] if all(outcome in found[method] for method in methods)]
    terms: list[Term] = [(one("methods", "method", methods), outcomes(common))]
    for method, of in found.items():
        further = [outcome for outcome in of if method not in methods or outcome not in common]
        if further:
            terms.append((one("methods", "method", (method,)), outcomes(further)))
    return terms


def initial_errors() -> set[str]:
    """The error types that every method has from the start."""
    return {error for _, error in initial_requests()[0][1].values}


def unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def word(family: str, label: str) -> str:
    return WORDS_OF.get((family, label), WORDS.get(label, f"{label}s"))


def typical(server: Typical, semconv: bool = False) -> Terms:
    """The initial series, and those that the traffic of `traffic.py` adds."""
    terms = start(semconv)
    tools = one("tools", "tool_name", server.names("tools"))
    methods, named = (one("methods", "method", of) for of in (server.methods, NAMED))
    lists = one("lists", "method", LISTS)
    codes = one("codes", "error_code", tuple(map(str, server.codes)))
    ends = one("ends", "status", ("ok", "error"))
    client = one("clients", "client_name", (CLIENT,))
    versions = one("protocol versions", "protocol_version", server.protocol_versions)
    terms["mcp_sessions_total"] += [(versions, one("transports", "transport", ("streamable_http",)), client)]
    terms["mcp_client_requests_total"] += [(client, ends)]
    error_types = sorted({error_type(code) for code in server.codes})
    terms["mcp_requests_total"] += [
        (named, outcomes(failed(*(each for each in error_types if each not in initial_errors())))),
        (one("methods", "method", ("resources/templates/list",)), outcomes([OK])),
    ]
    terms |= {
        "mcp_request_duration_microseconds": [
            (methods, one("ends", "status", ("ok",))), (named, one("ends", "status", ("error",))),
        ],
        "mcp_protocol_errors_total": [(codes, named)],
        "mcp_tool_calls_total": [(tools, outcomes([OK, *failed("tool_error", *error_types)]))],
        "mcp_tool_duration_microseconds": [(tools,)],
        "mcp_tool_result_bytes": [(tools,)],
        "mcp_tool_request_bytes_total": [(tools,)],
        "mcp_tool_definition_bytes": [(tools,)],
        "mcp_resource_reads_total": [(one("resources", "resource_uri", server.names("resources")), ends)],
        "mcp_prompt_gets_total": [(one("prompts", "prompt_name", server.names("prompts")), ends)],
        "mcp_listed_items": [(lists,)],
        "mcp_listed_bytes": [(lists,)],
        "mcp_first_event_duration_microseconds": [(methods,)],
        "mcp_session_duration_microseconds": [()],
    }
    return terms | ({SEMCONV: semconv_terms(server, tools)} if semconv else {})


def semconv_terms(server: Typical, tools: Dimension) -> list[Term]:
    """The histogram of `semconv`: all labels multiplied."""
    pair = ("error_type", "error_code")
    # Errors of the caller have no error type in the conventions.
    refused = [("" if error_type(code) == "invalid_request" else error_type(code), str(code)) for code in server.codes]
    versions = one("protocol versions", "protocol_version", server.protocol_versions)
    call, none = one("methods", "method", ("tools/call",)), one("tools", "tool_name", ("",))
    others = tuple(method for method in server.methods if method != "tools/call")
    return [
        (call, tools, Dimension("outcomes", pair, (("", ""), ("tool_error", ""), *refused)), versions),
        (one("methods", "method", others), none, Dimension("outcomes", pair, (("", ""),)), versions),
        (one("methods", "method", NAMED[1:]), none, Dimension("outcomes", pair, tuple(refused)), versions),
    ]


def most_values(of: Limits) -> dict[str, int]:
    """The most values of each label with a budget, those known without traffic not included."""
    return {
        "tool_name": of.tool_names + UNCONFIRMED + OTHER, "prompt_name": of.prompt_names + UNCONFIRMED + OTHER,
        "resource_uri": of.resource_uris + UNCONFIRMED + OTHER, "error_code": of.error_codes + OTHER,
        "client_name": of.client_names + UNCONFIRMED + OTHER,
    }


def limits(of: Limits, semconv: bool = False) -> Terms:
    """The maximum for any traffic: all values of all labels, except combinations that cannot occur."""
    budgeted = most_values(of)
    tools = one("tools", "tool_name", numbers(budgeted["tool_name"]))
    known = (*SETS["KnownMethod"], "other")
    methods = one("methods", "method", known)
    timed = one("methods", "method", tuple(method for method in known if method != "subscriptions/listen"))
    statuses = one("statuses", "status", SETS["Status"])
    ends = outcomes([*((status, "") for status in SETS["Status"] if status != "error"), *failed(*SETS["ErrorType"])])
    begun = start(semconv)
    most = {SEMCONV: semconv_at_most()} if semconv else {}
    rest = [family for name, family in FAMILIES.items() if name not in begun and name not in OF_SETTINGS]
    return begun | {family.name: [at_most(family, budgeted)] for family in rest} | most | {
        "mcp_requests_total": [(one("methods", "method", values_of("mcp_requests_total", "method")), ends)],
        "mcp_request_duration_microseconds": [(timed, statuses)],
        "mcp_tool_calls_total": [(tools, ends)],
        "mcp_listed_items": [(one("lists", "method", LISTS),)],
        "mcp_listed_bytes": [(one("lists", "method", LISTS),)],
        "mcp_notifications_total": [(methods, one("directions", "direction", SETS["Direction"]))],
        "mcp_server_requests_total": [(methods, one("ends", "status", SETS["ServerRequestStatus"]))],
        "mcp_server_request_duration_microseconds": [(methods,)],
        "mcp_first_event_duration_microseconds": [(timed,)],
        **{name: [at_most(FAMILIES[name], budgeted)] for name in ("mcp_sessions_total", "mcp_client_requests_total")},
    }


def at_most(family: Family, budgeted: dict[str, int]) -> Term:
    """The product of all values of all labels."""
    def dimension(label: Label) -> Dimension:
        names = numbers(budgeted[label.budget]) if label.budget else ()
        return one(word(family.name, label.name), label.name, (*label.values, *names))

    return tuple(dimension(label) for label in family.labels if label.name != "server_name")


def client_calls_at_most(of: Limits) -> int:
    """The most series of the tool calls by client."""
    return combinations([at_most(FAMILIES[CLIENT_CALLS], most_values(of))])


def series_of_rule() -> int:
    """The series of one rule of `rate_limit`."""
    return len(values_of(RATE_LIMITS, "outcome"))


def values_of(family: str, label: str) -> tuple[str, ...]:
    """The values of a label without a budget."""
    [values] = [each.values for each in FAMILIES[family].labels if each.name == label]
    return values


def numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def semconv_at_most() -> list[Term]:
    """The maximum of the histogram of `semconv`, which has a budget for all its labels together."""
    error_types = ("", *(name for name in SETS["ErrorType"] if name != "invalid_request"))
    return [(one("places", "method", numbers(budgets()["semconv"])),), (one("error types", "error_type", error_types),)]


def combinations(terms: list[Term]) -> int:
    return sum(math.prod(len(dimension.values) for dimension in term) for term in terms)


def series(family: Family, terms: list[Term]) -> int:
    return combinations(terms) * family.each


def counts(terms: Terms) -> dict[str, int]:
    """The number of series of each family that has any."""
    return {name: series(FAMILIES[name], of) for name, of in terms.items()}


def total(terms: Terms) -> int:
    return sum(counts(terms).values())


def label_sets(terms: list[Term]) -> Iterator[dict[str, str]]:
    """Every combination of label values, without `server_name` and `le`."""
    for term in terms:
        for values in itertools.product(*(dimension.values for dimension in term)):
            yield {label: text for dimension, texts in zip(term, values, strict=True)
                   for label, text in zip(dimension.labels, texts, strict=True)}
