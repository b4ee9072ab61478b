"""Compares the series in an example's README with those of a scrape.

A README has one block of them, fenced as `prometheus`, in the form of the text format. They are all the series that are not
zero, but for those that differ from run to run: times, and the size of messages that tell a time or an id.
"""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from scrape import Scrape

BLOCK = re.compile(r"^```prometheus\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Of a histogram only the count; and not the filter's version, which changes with each release.
VARYING = re.compile(r"_(bucket|sum|created)$|^mcp_(message|tool_request)_bytes_total$|^mcp_filter_info$")
# Samples of one example, named by its folder, that differ from run to run beside those.
VARYING_IN = {
    # An answer within 50 ms is JSON, a later one an event stream.
    "stdio": ("mcp_first_event_duration_microseconds_count",),
}


def figures(samples: list, without: tuple[str, ...] = ()) -> list[str]:
    """One line, sorted, for each sample that is not zero and is the same in every run; `without` names further samples that are not."""
    lines = []
    for sample in samples:
        if sample.value and not VARYING.search(sample.name) and sample.name not in without:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()) if name != "server_name")
            lines.append(f"{sample.name}{{{labels}}} {sample.value:.0f}")
    return sorted(lines)


def promised(readme: Path) -> list[str]:
    """The lines of the block in a README."""
    [block] = BLOCK.findall(readme.read_text(encoding="utf-8"))
    return figures([sample for family in text_string_to_metric_families(block) for sample in family.samples])


def differences(scrape: Scrape, readme: Path) -> list[str]:
    """One line for each series that only one of the two has."""
    expected, scraped = promised(readme), figures(scrape.samples, VARYING_IN.get(readme.parent.name, ()))
    return [*(f"promised and not scraped: {line}" for line in expected if line not in scraped),
            *(f"scraped and not promised: {line}" for line in scraped if line not in expected)]
