"""One session with the PostgreSQL server, like that of a model that makes mistakes in SQL: client.py URL.

Prints the results for scripts/demo/example.py. The module `session` is in the same folder as that script.
"""

import sys

import anyio
from mcp import Client, MCPError
from session import LISTS, Seen

# Tool and arguments. The mistakes, in this order: a name that does not exist, a write, a second statement, a statement that
# takes longer than the server allows, a syntax error, a table that does not exist.
CALLS = [
    ("list_tables", {}),
    ("describe_table", {"table": "orders"}),
    ("query", {"sql": "SELECT country, count(*) FROM customers GROUP BY country ORDER BY country"}),
    ("query", {"sql": "SELECT name, sum(quantity * price_cents) / 100.0 AS revenue FROM orders JOIN products ON products.id = product_id"
                      " GROUP BY name ORDER BY revenue DESC LIMIT 5"}),
    ("query", {"sql": "SELECT * FROM orders ORDER BY id"}),
    ("query", {"sql": "SELECT customer FROM orders"}),
    ("query", {"sql": "DELETE FROM orders"}),
    ("query", {"sql": "SELECT 1; DROP TABLE orders"}),
    ("query", {"sql": "SELECT pg_sleep(30)"}),
    ("query", {"sql": "SELEC 1"}),
    ("describe_table", {"table": "invoices"}),
]
RESOURCES = ["postgres://shop/tables", "postgres://shop/orders/schema", "postgres://shop/customers/schema", "postgres://shop/invoices/schema"]


async def main(url: str) -> None:
    seen = Seen()
    async with Client(url) as client:
        seen.opened("server/discover", client.protocol_version)
        for method, name in LISTS.items():
            await seen.ask(method, "", getattr(client, name)(), MCPError)
        for tool, arguments in CALLS:
            await seen.ask("tools/call", tool, client.call_tool(tool, arguments), MCPError)
        for uri in RESOURCES:
            await seen.ask("resources/read", uri, client.read_resource(uri), MCPError)
        await seen.ask("prompts/get", "explain_table", client.get_prompt("explain_table", {"table": "orders"}), MCPError)
    seen.print()


anyio.run(main, sys.argv[1])
