"""Computes the tables of docs/fleet.md and two cells of README.md. `scripts/fleet-tables.sh` writes them; `tests/rules` compares."""

import re
from dataclasses import replace

import vocabulary
from core_tables import ROOT

from . import arithmetic
from .arithmetic import FAMILIES, OF_SETTINGS, SEMCONV, Limits, Term, Typical
from .page import family_of

PAGE = ROOT / "docs" / "fleet.md"
README = ROOT / "README.md"
# The series of Envoy that the collector keeps, and the series that it adds for each target.
OF_ENVOY = (
    "envoy_http_downstream_rq_total", "envoy_http_downstream_rq_active", "envoy_http_downstream_cx_total",
    "envoy_http_downstream_cx_active", "envoy_server_uptime", "envoy_server_memory_allocated",
    "envoy_server_memory_physical_size", "envoy_server_concurrency",
)
OF_TARGET = ("up", "target_info", "scrape_duration_seconds", "scrape_samples_scraped",
             "scrape_samples_post_metric_relabeling", "scrape_series_added")
# The family of which the collector makes a copy for the conventions, and the number of its bounds that the copy lacks.
COPIED = "mcp_session_duration_microseconds"
MERGED_BOUNDS = 3
FLEETS = (1, 200, 1000, 5000)
# Limits for a server of the typical size, with room for more names.
TIGHT = Limits(tool_names=20, prompt_names=10, resource_uris=10, client_names=10, error_codes=10)
# Families with this many series or fewer have no row.
SMALL = 4
INTERVAL_SECONDS = 10
# The upper value in Prometheus' documentation ("on average 1-2 bytes per sample").
BYTES_PER_SAMPLE = 2
SECONDS_PER_DAY = 86_400


def after_collector(name: str) -> str:
    return re.sub("_microseconds$", "_seconds", name)


def number(value: float) -> str:
    return f"{value:,.0f}"


def in_prometheus(terms: arithmetic.Terms) -> int:
    """The series of one sidecar in Prometheus, without those of rules."""
    shown = arithmetic.total(terms) + len(OF_ENVOY) + len(OF_TARGET)
    if COPIED in terms:
        shown += arithmetic.counts(terms)[COPIED]
    if SEMCONV in terms:
        shown -= arithmetic.combinations(terms[SEMCONV]) * MERGED_BOUNDS
    return shown


def recorded(terms: arithmetic.Terms) -> dict[str, int]:
    """The series of the recording rules for each sidecar, by rule."""
    ended = [labels for labels in arithmetic.label_sets(terms["mcp_requests_total"]) if labels["method"] != "ping"]
    failed = {(labels["method"], labels["error_type"]) for labels in ended
              if labels["status"] == "error" and labels["error_type"] not in ("unauthorized", "invalid_request", "rate_limited")}
    return {
        "method_error_type:mcp_requests_failed:increase5m": len(failed),
        "method:mcp_requests_judged:increase5m": len({labels["method"] for labels in ended if labels["status"] in ("ok", "error")}),
        "instance:mcp_error_ratio:5m": 1,
    }


def formula(terms: list[Term], each: int) -> str:
    """A text such as `12 tools × 20 = 240`; only the number if there is nothing to multiply."""
    products = [" × ".join(factors(term, of_sum=len(terms) > 1)) or "1" for term in terms]
    text = " + ".join(products)
    if each > 1:
        text = f"({text}) × {each}" if len(terms) > 1 else f"{text} × {each}" if text != "1" else str(each)
    value = number(arithmetic.combinations(terms) * each)
    return value if text == value else f"{text} = {value}"


def factors(term: Term, of_sum: bool) -> list[str]:
    """`12 tools` for each label with several values. A term of a sum also names single values, so that it can be told apart."""
    several = [f"{number(len(dimension.values))} {dimension.word}" for dimension in term if len(dimension.values) > 1]
    single = [f"`{'/'.join(filter(None, dimension.values[0]))}`" for dimension in term if len(dimension.values) == 1]
    return several + (single if of_sum else [])


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join([row(*head), f"|{'---|' * len(head)}", *(row(*cells) for cells in rows)]) + "\n"


def series() -> str:
    """The table of all families in the three cases, the other series of a sidecar, and the sum."""
    start, typical, most = arithmetic.start(), arithmetic.typical(Typical()), arithmetic.limits(Limits())
    rows = []
    for name, family in FAMILIES.items():
        if name in OF_SETTINGS:
            continue
        begun = number(arithmetic.series(family, start.get(name, [])))
        cells = [formula(terms[name], family.each) if name in terms else "0" for terms in (typical, most)]
        rows.append((f"`{after_collector(name)}`", begun, *cells))
    copied = number(FAMILIES[COPIED].each)
    rows.append(("`mcp_server_session_duration_seconds`, by the collector", "0", copied, copied))
    rows += [(text, *[number(len(names))] * 3) for text, names in (("Envoy's own", OF_ENVOY), ("`up`, `target_info`, `scrape_*`", OF_TARGET))]
    cases = (start, typical, most)
    rows.append(("**one sidecar, by scrape**", *(f"**{number(in_prometheus(terms))}**" for terms in cases)))
    rows.append(("made of it by the recording rules", *(number(sum(recorded(terms).values())) for terms in cases)))
    head = ("family", "from the start", "typical server", "at the limits")
    return table(head, rows)


def more() -> str:
    """The table of what one more tool, prompt, resource or error code adds."""
    base, most = Typical(), Limits()
    grown = {
        "tool": (replace(base, tools=base.tools + 1), replace(most, tool_names=most.tool_names + 1)),
        "prompt": (replace(base, prompts=base.prompts + 1), replace(most, prompt_names=most.prompt_names + 1)),
        "resource": (replace(base, resources=base.resources + 1), replace(most, resource_uris=most.resource_uris + 1)),
        "error code": (replace(base, codes=(*base.codes, -32001)), replace(most, error_codes=most.error_codes + 1)),
    }
    rows = []
    for word, (server, limits) in grown.items():
        plain = in_prometheus(arithmetic.typical(server)) - in_prometheus(arithmetic.typical(base))
        with_semconv = in_prometheus(arithmetic.typical(server, True)) - in_prometheus(arithmetic.typical(base, True))
        worst = in_prometheus(arithmetic.limits(limits)) - in_prometheus(arithmetic.limits(most))
        rows.append((word, number(plain), number(with_semconv), number(worst)))
    whole = [in_prometheus(arithmetic.typical(base, semconv)) for semconv in (False, True)]
    rows.append(("the whole sidecar", *map(number, whole), number(in_prometheus(arithmetic.limits(most)))))
    return table(("one more", "typical server", "with `semconv`", "at the limits"), rows)


def fleets() -> str:
    """The table of sums over a fleet of typical servers."""
    typical = arithmetic.typical(Typical())
    each = in_prometheus(typical) + sum(recorded(typical).values())
    rows = []
    for sidecars in FLEETS:
        samples = sidecars * each / INTERVAL_SECONDS
        gigabytes = samples * SECONDS_PER_DAY * BYTES_PER_SAMPLE / 1e9
        rows.append((number(sidecars), number(sidecars * each), number(samples), f"{gigabytes:,.2f} GB"))
    return table(("sidecars", "series", "samples per second", "stored per day, at most"), rows)


def bounds() -> str:
    """The table of the maximum of a sidecar, by its limits."""
    rows = []
    for text, of in (("as shipped", Limits()), ("near what the server has", TIGHT)):
        most = [in_prometheus(arithmetic.limits(of, semconv)) for semconv in (False, True)]
        rows.append((text, *(str(limit) for limit in vars(of).values()), *map(number, most)))
    return table(("`limits`", *(f"`{name}`" for name in vars(TIGHT)), "series at most", "with `semconv`"), rows)


def unread() -> str:
    """The table of families that no rule reads, the largest first."""
    terms = arithmetic.typical(Typical())
    read = {after_collector(family_of(name)) for name in read_by_rules()}
    sizes = {after_collector(name): count for name, count in arithmetic.counts(terms).items()}
    left = sorted(((count, name) for name, count in sizes.items() if name not in read), reverse=True)
    return table(("no rule reads", "series, typical server"), [(f"`{name}`", number(count)) for count, name in left if count > SMALL])


def read_by_rules() -> set[str]:
    """The families in the selectors of all rules, with their names on the sidecar's page."""
    names = {selector.metric for rule in vocabulary.rules() for selector in vocabulary.selectors(rule["expr"])}
    return {name.replace("_seconds", "_microseconds") for name in names}


def labels() -> str:
    """The labels that the rules select or group by."""
    used: set[str] = set()
    for rule in vocabulary.rules():
        used |= vocabulary.grouping(rule["expr"]).union(*(selector.labels for selector in vocabulary.selectors(rule["expr"])))
    return ", ".join(f"`{label}`" for label in sorted(used)) + "\n"


TABLES = {"series": series, "more": more, "bounds": bounds, "fleets": fleets, "unread": unread, "labels": labels}


def written(text: str) -> str:
    """The page with the computed tables. A table without its marks is an error."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"docs/fleet.md does not have the marks of the table {name} once")
        before, rest = text.split(begin)
        text = before + begin + make() + end + rest.split(end)[1]
    return text


def readme(text: str) -> str:
    """README.md with the computed cells of its table of costs. A row that is missing is an error."""
    most = [number(in_prometheus(arithmetic.limits(Limits(), semconv))) for semconv in (False, True)]
    cells = {
        "series, a server with a dozen tools in full use": f"about {number(round(in_prometheus(arithmetic.typical(Typical())), -2))}",
        "series, at most, whatever servers and clients send": f"{most[0]}, or {most[1]} with `semconv`",
    }
    for name, cell in cells.items():
        text, rows = re.subn(rf"^\| {name} \| .* \|$", row(name, cell), text, flags=re.MULTILINE)
        if rows != 1:
            raise ValueError(f"README.md does not have the row {name!r} once")
    return text


if __name__ == "__main__":
    for page, make in ((PAGE, written), (README, readme)):
        page.write_text(make(page.read_text(encoding="utf-8")), encoding="utf-8")
