"""Shared helpers of the suites: processes, clients and servers on the wire, the expected series, the scrape."""
