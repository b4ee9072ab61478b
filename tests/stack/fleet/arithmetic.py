"""Series of one sidecar, family by family: label values multiplied, and a histogram's buckets, sum and count.

Three cases: `start`, before any traffic; `typical`, a server of ordinary size in use; `limits`, whatever arrives. The first two
name every series; the third is an upper bound. A case gives each family its terms; a term is a product of dimensions, and the
terms of a family have no series in common.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from .source import Family, closed, families

SETS = closed()
FAMILIES = families()
JOINT = "mcp_server_operation_duration_microseconds"
# Names that no answer of the server confirmed share these places beside a limit (names.rs), and all the others are `other`.
UNCONFIRMED, OTHER = 20, 1
# Most combinations of labels in the joint histogram (budgets.rs); the others are told apart by their outcome alone.
JOINT_PLACES = 1000
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
NAMED = ("tools/call", "resources/read", "prompts/get")
# What is there before any traffic (born.rs).
BORN_METHODS = ("initialize", "server/discover", "ping", *LISTS[:3], *NAMED)
BORN_ERRORS = ("rpc_error", "http_error", "timeout", "upstream_unavailable", "reset", "overload", "no_response")
UNSEEN, UNSEEN_ERRORS = "unseen", ("http_error", "upstream_unavailable")
BORN_NOTIFICATIONS = (
    ("notifications/initialized", "in"), ("notifications/cancelled", "in"), ("notifications/progress", "out"),
    ("notifications/message", "out"), ("notifications/tools/list_changed", "out"),
)
HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
SERVER_REQUESTS = ("sampling/createMessage", "elicitation/create", "roots/list")
WITHOUT_LABELS = (
    "mcp_active_connections", "mcp_sse_streams_active", "mcp_requests_in_flight", "mcp_tools_listed_total",
    "mcp_resources_listed_total", "mcp_prompts_listed_total", "mcp_filter_streams_total", "mcp_filter_info",
    "mcp_upstream_available",
)
INVALID_REQUEST = (-32700, -32600, -32601, -32602, -32002)
OK = ("ok", "")
OUTCOME = ("status", "error_type")


@dataclass(frozen=True)
class Dimension:
    """One label, or several that go together, with the values they take."""

    word: str
    labels: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]


Term = tuple[Dimension, ...]
Terms = dict[str, list[Term]]


@dataclass(frozen=True)
class Typical:
    """A server in use: its tools, prompts and resources were all used, well and badly, by clients of two revisions. It answers
    by event streams, as the SDKs do by default."""

    tools: int = 12
    prompts: int = 5
    resources: int = 5
    codes: tuple[int, ...] = (-32602, -32603, -32000)
    revisions: tuple[str, ...] = ("2025-06-18", "2025-11-25")
    methods: tuple[str, ...] = field(default=("initialize", "ping", *LISTS, *NAMED))

    def names(self, kind: str) -> tuple[str, ...]:
        form = {"tools": "tool_{}", "prompts": "prompt_{}", "resources": "docs://page/{}"}[kind]
        return tuple(form.format(number) for number in range(getattr(self, kind)))


@dataclass(frozen=True)
class Limits:
    """The filter's `limits`, with their defaults."""

    tool_names: int = 200
    prompt_names: int = 100
    resource_uris: int = 100
    error_codes: int = 32


def one(word: str, label: str, values: tuple[str, ...]) -> Dimension:
    return Dimension(word, (label,), tuple((value,) for value in values))


def outcomes(values: list[tuple[str, str]], word: str = "outcomes") -> Dimension:
    return Dimension(word, OUTCOME, tuple(values))


def failed(*kinds: str) -> list[tuple[str, str]]:
    return [("error", kind) for kind in kinds]


def error_type(code: int) -> str:
    """What an error code counts as."""
    return "invalid_request" if code in INVALID_REQUEST else "rpc_error"


def start(semconv: bool = False) -> Terms:
    """Before the first request: what alerts and dashboards build on is there at 0."""
    budgets = tuple(label for label in SETS["BudgetedLabel"] if semconv or label != "semconv")
    directions = one("directions", "direction", SETS["Direction"])
    return {name: [()] for name in WITHOUT_LABELS} | {
        "mcp_requests_total": [
            (one("methods", "method", BORN_METHODS), outcomes([OK, *failed(*BORN_ERRORS)])),
            (one("methods", "method", ("tools/call",)), outcomes(failed("tool_error"))),
            (one("methods", "method", (UNSEEN,)), outcomes(failed(*UNSEEN_ERRORS))),
        ],
        "mcp_message_bytes_total": [(directions,)],
        "mcp_parse_skipped_total": [(directions, one("reasons", "reason", SETS["SkipReason"]))],
        "mcp_list_changes_total": [(one("lists", "method", LISTS), one("changes", "change", SETS["ListChange"]))],
        "mcp_notifications_total": [(Dimension("notifications", ("method", "direction"), BORN_NOTIFICATIONS),)],
        "mcp_sessions_total": [
            (one("revisions", "protocol_version", HANDSHAKES), one("transports", "transport", ("streamable_http",))),
        ],
        "mcp_server_requests_total": [
            (one("methods", "method", SERVER_REQUESTS), one("ends", "status", ("ok", "error", "lost"))),
        ],
        "mcp_stream_opens_total": [(one("statuses", "status", SETS["StreamOpen"]),)],
        "mcp_unmatched_responses_total": [(one("reasons", "reason", SETS["UnmatchedReason"]),)],
        "mcp_header_mismatch_total": [(one("headers", "header", SETS["MirrorHeader"]),)],
        "mcp_labels_overflowed_total": [(one("labels", "label", budgets),)],
    }


def typical(server: Typical, semconv: bool = False) -> Terms:
    """What is there from the start, and what the traffic of `traffic.py` adds."""
    terms = start(semconv)
    tools = one("tools", "tool_name", server.names("tools"))
    methods, named = (one("methods", "method", of) for of in (server.methods, NAMED))
    lists = one("lists", "method", LISTS)
    codes = one("codes", "error_code", tuple(map(str, server.codes)))
    ends = one("ends", "status", ("ok", "error"))
    kinds = sorted({error_type(code) for code in server.codes})
    terms["mcp_requests_total"] += [
        (named, outcomes(failed(*(kind for kind in kinds if kind not in BORN_ERRORS)))),
        (one("methods", "method", ("resources/templates/list",)), outcomes([OK])),
    ]
    terms |= {
        "mcp_request_duration_microseconds": [
            (methods, one("ends", "status", ("ok",))), (named, one("ends", "status", ("error",))),
        ],
        "mcp_protocol_errors_total": [(codes, named)],
        "mcp_tool_calls_total": [(tools, outcomes([OK, *failed("tool_error", *kinds)]))],
        "mcp_tool_duration_microseconds": [(tools,)],
        "mcp_tool_result_bytes": [(tools,)],
        "mcp_resource_reads_total": [(one("resources", "resource_uri", server.names("resources")), ends)],
        "mcp_prompt_gets_total": [(one("prompts", "prompt_name", server.names("prompts")), ends)],
        "mcp_listed_items": [(lists,)],
        "mcp_listed_bytes": [(lists,)],
        "mcp_first_event_duration_microseconds": [(methods,)],
        "mcp_session_duration_microseconds": [()],
    }
    return terms | ({JOINT: joint(server, tools)} if semconv else {})


def joint(server: Typical, tools: Dimension) -> list[Term]:
    """The family behind OpenTelemetry's histogram: all labels multiplied."""
    pair = ("error_type", "error_code")
    # The conventions hold some codes for the caller's fault: no type.
    refused = [("" if error_type(code) == "invalid_request" else error_type(code), str(code)) for code in server.codes]
    revisions = one("revisions", "protocol_version", server.revisions)
    call, none = one("methods", "method", ("tools/call",)), one("tools", "tool_name", ("",))
    others = tuple(method for method in server.methods if method != "tools/call")
    return [
        (call, tools, Dimension("outcomes", pair, (("", ""), ("tool_error", ""), *refused)), revisions),
        (one("methods", "method", others), none, Dimension("outcomes", pair, (("", ""),)), revisions),
        (one("methods", "method", NAMED[1:]), none, Dimension("outcomes", pair, tuple(refused)), revisions),
    ]


def limits(of: Limits, semconv: bool = False) -> Terms:
    """The most there can be, whatever clients and servers send."""
    places = {
        "tool_name": of.tool_names + UNCONFIRMED + OTHER, "prompt_name": of.prompt_names + UNCONFIRMED + OTHER,
        "resource_uri": of.resource_uris + UNCONFIRMED + OTHER, "error_code": of.error_codes + OTHER,
    }
    tools, prompts, resources, codes = (
        one(word, label, tuple(map(str, range(places[label]))))
        for word, label in (("tools", "tool_name"), ("prompts", "prompt_name"), ("resources", "resource_uri"), ("codes", "error_code"))
    )
    known = (*SETS["KnownMethod"], "other")
    methods = one("methods", "method", known)
    timed = one("methods", "method", tuple(method for method in known if method != "subscriptions/listen"))
    statuses = one("statuses", "status", SETS["Status"])
    ends = outcomes([*((status, "") for status in SETS["Status"] if status != "error"), *failed(*SETS["ErrorType"])])
    most = {JOINT: joint_at_most()} if semconv else {}
    return start(semconv) | most | {
        "mcp_requests_total": [(one("methods", "method", (*known, UNSEEN)), ends)],
        "mcp_request_duration_microseconds": [(timed, statuses)],
        "mcp_protocol_errors_total": [(codes, one("methods", "method", (*known, UNSEEN, "none")))],
        "mcp_tool_calls_total": [(tools, ends)],
        "mcp_tool_duration_microseconds": [(tools,)],
        "mcp_tool_result_bytes": [(tools,)],
        "mcp_resource_reads_total": [(resources, statuses)],
        "mcp_prompt_gets_total": [(prompts, statuses)],
        "mcp_listed_items": [(one("lists", "method", LISTS),)],
        "mcp_listed_bytes": [(one("lists", "method", LISTS),)],
        "mcp_notifications_total": [(methods, one("directions", "direction", SETS["Direction"]))],
        "mcp_server_requests_total": [(methods, one("ends", "status", SETS["ServerRequestStatus"]))],
        "mcp_server_request_duration_microseconds": [(methods,)],
        "mcp_first_event_duration_microseconds": [(timed,)],
        "mcp_sessions_total": [
            (one("revisions", "protocol_version", SETS["Revision"]), one("transports", "transport", SETS["Transport"])),
        ],
        "mcp_session_duration_microseconds": [()],
        "mcp_tasks_total": [(tools, one("ends", "status", SETS["TaskStatus"]))],
    }


def joint_at_most() -> list[Term]:
    """Its own budget, whatever those of its labels are."""
    error_types = ("", *(name for name in SETS["ErrorType"] if name != "invalid_request"))
    return [(one("places", "method", tuple(map(str, range(JOINT_PLACES)))),), (one("error types", "error_type", error_types),)]


def combinations(terms: list[Term]) -> int:
    return sum(math.prod(len(dimension.values) for dimension in term) for term in terms)


def series(family: Family, terms: list[Term]) -> int:
    return combinations(terms) * family.each


def counts(terms: Terms) -> dict[str, int]:
    """Series of every family that has any."""
    return {name: series(FAMILIES[name], of) for name, of in terms.items()}


def total(terms: Terms) -> int:
    return sum(counts(terms).values())


def label_sets(terms: list[Term]) -> Iterator[dict[str, str]]:
    """Every combination of label values, without `server_name` and `le`."""
    for term in terms:
        for values in itertools.product(*(dimension.values for dimension in term)):
            yield {label: text for dimension, texts in zip(term, values, strict=True)
                   for label, text in zip(dimension.labels, texts, strict=True)}
