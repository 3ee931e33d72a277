"""Exact numbers, from one database into another: no digit is lost."""

from __future__ import annotations

from decimal import Decimal

from headwater.bridge import sync
from tests.bridge.databases import Database
from tests.services.postgres import Postgres
from tests.sql.sources import postgres_source

NUMBERS = {
    "wide": ("numeric(20,4)", "1234567890123456.7891"),
    "any": ("numeric", "-0.123456789"),
    "whole": ("numeric(30,0)", "123456789012345678901234567890"),
    "cash": ("money", "-92233720368547758.08"),
    "short": ("numeric(12,2)", "1234567890.12"),
}


def test_all_digits_arrive(db: Database, postgres: Postgres) -> None:
    url = postgres.database()
    name = url.rpartition("/")[2]
    columns = ", ".join(f'"{column}" {kind}' for column, (kind, _) in NUMBERS.items())
    values = ", ".join(f"'{value}'" for _, value in NUMBERS.values())
    postgres.sql(f"CREATE TABLE issues (id integer PRIMARY KEY, {columns})", database=name)
    postgres.sql(f"INSERT INTO issues VALUES (1, {values})", database=name)
    source = postgres_source(url)
    catalog = source.discover().configured()
    sync(source, catalog, db.sink())
    table = "public.issues" if db.typed else "public__issues"
    chosen = ", ".join(f'CAST("{column}" AS {"VARCHAR" if db.typed else "TEXT"})' for column in NUMBERS)
    (row,) = db.query(f"SELECT {chosen} FROM {table}")
    assert [Decimal(value) for value in row] == [Decimal(value) for _, value in NUMBERS.values()]
