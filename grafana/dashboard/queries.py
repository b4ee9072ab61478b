"""PromQL that panels share: selectors and query forms.

Names are those after the collector. Graphs read counters by `rate()` and tables by `increase()`, because counters restart at
zero with Envoy. A query that would be 0/0 has no value, so that the panel shows "no traffic".
"""

# Each panel follows the variables at the top of the dashboard, as far as its families have the label.
INSTANCE = 'instance=~"$instance"'
SERVER = 'server_name=~"$server",' + INSTANCE
METHOD = f'{SERVER},method=~"$method"'
TOOL = f'{SERVER},tool_name=~"$tool"'

# The two sides of the error ratio, as collector/rules/recording.yml defines it.
FAILED = 'status="error",error_type!~"unauthorized|invalid_request|rate_limited"'
JUDGED = 'status=~"ok|error"'
NO_PING = 'method!="ping"'
# The operations whose duration the alert on latency reads.
TIMED = 'status=~"ok|cancelled"'

# All error types, by origin.
BY_SERVER = "tool_error|rpc_error"
BY_TRANSPORT = "timeout|upstream_unavailable|reset|overload|http_error|no_response"
BY_CLIENT = "invalid_request|unauthorized|rate_limited"


def series(family: str, *selectors: str) -> str:
    """A family's series under some selectors."""
    return f"{family}{{{','.join(selectors)}}}"


def rate(family: str, *selectors: str, by: str = "") -> str:
    """Events per second."""
    return _sum(f"rate({series(family, *selectors)}[$__rate_interval])", by)


def count(family: str, *selectors: str, by: str = "") -> str:
    """Events in the dashboard's time range."""
    return _sum(f"increase({series(family, *selectors)}[$__range])", by)


def count_with_first(family: str, *selectors: str, by: str) -> str:
    """Events in the time range, for a family whose series begin with their first event, which `increase()` does not count. For
    a series that is new in the range, the lowest value is added."""
    events = count(family, *selectors, by=by)
    selected = series(family, *selectors)
    first = _sum(f"(min_over_time({selected}[$__range]) unless {selected} offset $__range)", by)
    return f"{events} + ({first} or 0 * {events})"


def ratio(failed: str, judged: str) -> str:
    """The share of failures; 0 without failures, no value without events."""
    return f"({failed} or 0 * {judged}) / ({judged} > 0)"


def quantile(share: float, family: str, *selectors: str, by: str = "", window: str = "$__rate_interval") -> str:
    """A quantile of a histogram; no value without observations."""
    labels = f"{by}, le" if by else "le"
    buckets = f"sum by ({labels}) (rate({series(f'{family}_bucket', *selectors)}[{window}]))"
    return f"histogram_quantile({share}, {buckets}) >= 0"


def mean(family: str, *selectors: str, by: str = "", window: str = "$__rate_interval") -> str:
    """The mean of a histogram; no value without observations."""
    total = _sum(f"rate({series(f'{family}_sum', *selectors)}[{window}])", by)
    number = _sum(f"rate({series(f'{family}_count', *selectors)}[{window}])", by)
    return f"{total} / ({number} > 0)"


def top(number: int, expression: str) -> str:
    """The highest values, in descending order."""
    return f"sort_desc(topk({number}, {expression}))"


def _sum(expression: str, by: str) -> str:
    return f"sum by ({by}) ({expression})" if by else f"sum({expression})"
