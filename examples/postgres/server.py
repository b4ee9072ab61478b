"""A read-only MCP server in front of one PostgreSQL database.

    DATABASE_URL=postgresql://reader@127.0.0.1:5432/shop HOST=127.0.0.1 PORT=8000 python server.py

Every SQL statement runs in a read-only transaction for at most one second, and returns at most 100 rows. These limits are no
access control: give the role in DATABASE_URL access only to what clients may read. If the database refuses a statement, the tool
fails (`isError`) with the database's message, which a model can read and correct.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import psycopg
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from psycopg.rows import dict_row

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql://reader@127.0.0.1:5432/shop")
DATABASE_NAME = psycopg.conninfo.conninfo_to_dict(DATABASE_URL)["dbname"]
CONNECT_SECONDS = 5
STATEMENT_TIMEOUT_MS = 1000
ROW_LIMIT = 100

TABLES = """
SELECT relname AS "table", greatest(reltuples, 0)::bigint AS estimated_rows, obj_description(oid, 'pg_class') AS comment
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
ORDER BY relname
"""
COLUMNS = """
SELECT attname AS "column", format_type(atttypid, atttypmod) AS type, attnotnull AS required
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relname = %s AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""

server = MCPServer("postgres", version="1.0.0", instructions="Call list_tables, describe_table, then query.", log_level="WARNING")


@asynccontextmanager
async def read_only() -> AsyncIterator[psycopg.AsyncConnection[dict]]:
    """A connection for one request, with a read-only transaction that is never committed."""
    options = f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    connection = await psycopg.AsyncConnection.connect(
        DATABASE_URL, row_factory=dict_row, connect_timeout=CONNECT_SECONDS, options=options)
    try:
        yield connection
    finally:
        await connection.close()


async def rows_of(sql: str, parameters: list[str] | None = None) -> list[dict]:
    """Returns the rows of one statement: at most ROW_LIMIT, and one more if there are more. Further rows are not read.

    `stream` uses the extended protocol, which accepts exactly one statement: a second one after a semicolon is refused.
    """
    found: list[dict] = []
    try:
        # Closing the stream cancels a statement that has further rows.
        async with read_only() as connection, connection.cursor() as cursor, aclosing(cursor.stream(sql, parameters)) as rows:
            async for row in rows:
                found.append(row)
                if len(found) > ROW_LIMIT:
                    break
    except psycopg.Error as error:
        raise ToolError(f"{type(error).__name__}: {error.diag.message_primary or error}") from error
    return found


async def columns_of(table: str) -> list[dict]:
    """The columns of a table; empty if the table does not exist."""
    return await rows_of(COLUMNS, [table])


def as_json(value: object) -> str:
    """Numbers, texts and booleans become JSON values; other types, such as dates, become PostgreSQL's text."""
    return json.dumps(value, ensure_ascii=False, default=str)


# === Tools ===


@server.tool(structured_output=False)
async def list_tables() -> str:
    """Every table, with about how many rows it has and what it is for."""
    return as_json(await rows_of(TABLES))


@server.tool(structured_output=False)
async def describe_table(table: str) -> str:
    """A table's columns and their types."""
    columns = await columns_of(table)
    if not columns:
        raise ToolError(f"no table {table!r}; list_tables names them")
    return as_json(columns)


@server.tool(structured_output=False)
async def query(sql: str) -> str:
    """One SELECT. Answers at most 100 rows; cancelled after one second."""
    rows = await rows_of(sql)
    return as_json({"rows": rows[:ROW_LIMIT], "truncated": len(rows) > ROW_LIMIT})


# === Resources ===


@server.resource(f"postgres://{DATABASE_NAME}/tables", mime_type="application/json")
async def tables() -> str:
    """Every table of the database."""
    return as_json(await rows_of(TABLES))


@server.resource(f"postgres://{DATABASE_NAME}/{{table}}/schema", mime_type="application/json")
async def schema(table: str) -> str:
    """The columns of one table."""
    columns = await columns_of(table)
    if not columns:
        raise ResourceNotFoundError(f"no table {table!r}")
    return as_json(columns)


# === Prompts ===


@server.prompt()
def explain_table(table: str) -> str:
    """Explain what a table holds."""
    return f"Read postgres://{DATABASE_NAME}/{table}/schema, query ten rows of {table}, and say in plain words what it holds."


if __name__ == "__main__":
    server.run("streamable-http", host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
