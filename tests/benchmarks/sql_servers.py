"""Databases with a table of so many rows and 10 columns, for as long as its standard input is open.

Prints where they are, as JSON: an own process, as a parent's memory is counted into its children's peaks.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import date, datetime, timedelta
from pathlib import Path

import psycopg

from tests.services.mariadb import MariaDb
from tests.services.postgres import Postgres

_POSTGRES = """
CREATE TABLE bench AS SELECT g::bigint AS id, 'name ' || g AS name, g % 7 AS kind, (g * 1.25)::numeric(12,2) AS price,
  g % 2 = 0 AS active, timestamptz '2024-01-01 00:00+00' + g * interval '1 second' AS updated_at,
  date '2020-01-01' + g % 1000 AS day, md5(g::text) AS hash, g * 0.1::float8 AS score,
  CASE WHEN g % 10 = 0 THEN NULL ELSE 'note "' || g || '"' END AS note FROM generate_series(1, {rows}) g
"""
_MARIADB = """
INSERT INTO bench SELECT seq, CONCAT('name ', seq), seq % 7, seq * 1.25, seq % 2,
  TIMESTAMP'2024-01-01 00:00:00' + INTERVAL seq SECOND, DATE'2020-01-01' + INTERVAL seq % 1000 DAY, MD5(seq),
  seq * 0.1e0, IF(seq % 10 = 0, NULL, CONCAT('note "', seq, '"')) FROM seq_1_to_{rows}
"""
_COLUMNS = """
CREATE TABLE bench (id {key} PRIMARY KEY, name VARCHAR(50), kind INT, price DECIMAL(12,2), active BOOLEAN,
  updated_at {moment}, day DATE, hash CHAR(32), score DOUBLE, note TEXT)
"""


DATABASES = ("postgres", "mysql", "sqlite", "log")


def main(rows: int, databases: Sequence[str]) -> None:
    """Make them, say where they are, and wait."""
    makers = {"postgres": _postgres, "mysql": _mariadb, "sqlite": _sqlite, "log": _log}
    with ExitStack() as stack:
        where = {name: makers[name](stack, rows) for name in databases}
        print(json.dumps(where), flush=True)
        sys.stdin.read()


def _postgres(stack: ExitStack, rows: int) -> str:
    server = stack.enter_context(Postgres({"shared_buffers": "256MB", "max_wal_size": "1GB"}))
    server.sql(_POSTGRES.format(rows=rows))
    server.sql("ALTER TABLE bench ADD PRIMARY KEY (id)")
    server.sql("ANALYZE bench")
    return server.url()


def _log(stack: ExitStack, rows: int) -> str:
    """Rows that were inserted, a thousand in a transaction; the place in the log before them is the URL's fragment."""
    server = stack.enter_context(Postgres({"wal_level": "logical", "shared_buffers": "256MB", "max_wal_size": "1GB"}))
    server.sql(_POSTGRES.format(rows=0))
    server.sql("ALTER TABLE bench ADD PRIMARY KEY (id)")
    server.sql("CREATE PUBLICATION pub FOR TABLE bench")
    server.sql("SELECT pg_create_logical_replication_slot('slot', 'pgoutput')")
    with suppress(psycopg.errors.UndefinedFile):  # Debian's postgresql-15-wal2json is not installed
        server.sql("SELECT pg_create_logical_replication_slot('tap', 'wal2json')")
    begin = server.sql("SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = 'slot'")[0][0]
    some = _POSTGRES.partition(" AS ")[2].format(rows=rows) + " WHERE g > number AND g <= number + 1000"
    server.sql(f"DO $$ DECLARE number int; BEGIN FOR number IN 0..{rows - 1} BY 1000 LOOP INSERT INTO bench {some};"
               " COMMIT; END LOOP; END $$")  # fmt: skip
    return f"{server.url()}#{begin}"


def _mariadb(stack: ExitStack, rows: int) -> str:
    server = stack.enter_context(MariaDb({"innodb_buffer_pool_size": "256M"}))
    server.sql("CREATE DATABASE bench")
    server.sql(_COLUMNS.format(key="BIGINT", moment="DATETIME"), database="bench")
    server.sql(_MARIADB.format(rows=rows), database="bench")
    return server.url("bench")


def _sqlite(stack: ExitStack, rows: int) -> str:
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bench.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_COLUMNS.format(key="INTEGER", moment="DATETIME"))
        start, day = datetime(2024, 1, 1), date(2020, 1, 1)
        connection.executemany(
            f"INSERT INTO bench VALUES ({', '.join('?' * 10)})",
            (
                (g, f"name {g}", g % 7, g * 1.25, g % 2, str(start + timedelta(seconds=g)),
                 str(day + timedelta(g % 1000)), hashlib.md5(str(g).encode()).hexdigest(), g * 0.1,
                 f'note "{g}"' if g % 10 else None)
                for g in range(1, rows + 1)
            ),
        )  # fmt: skip
    return str(file)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
