"""A FastMCP template whose name includes slashes, `docs://{path*}`: reads at any depth are counted under the template."""

from clients import command
from counts import after, alarms, total
from support.matrix import Operation, Row, read
from support.relay import Relay
from support.rows import drive

SERVER = "fastmcp-4.2.3"
READS = ["docs://a", "docs://a/b", "docs://a/b/c.md"]


def test_reads_are_labelled_by_the_template(sidecar_of) -> None:
    row = Row("fastmcp-4.2.3", SERVER, "2025-11-25", [Operation("resources/templates/list"), *map(read, READS)], mode="legacy")
    sidecar = sidecar_of(SERVER)
    relay = Relay(sidecar.port)
    client = drive(row, relay.port, command)
    exchanges = relay.close().exchanges
    assert client.returncode == 0, client.stderr[-3000:]
    samples = after(sidecar, len(exchanges))
    reads = len(READS) * row.sessions
    assert total(samples, "mcp_resource_reads_total", status="ok") == reads
    assert total(samples, "mcp_resource_reads_total", resource_uri="docs://{path*}", status="ok") == reads
    assert alarms(samples) == {}
