"""Settings of every connector to a database."""

from __future__ import annotations

from typing import Annotated

from headwater.config import Config, Setting
from headwater.sql.database import Timeouts

_ADVANCED = {"group": "advanced"}


class TableSettings(Config, kw_only=True):
    """What is said of a table, or of several."""

    title = "Table"
    table: Annotated[
        str,
        Setting("Table", "By name or as schema.name, with patterns as in `tables`.", examples=["orders", "sales.*"]),
    ]
    cursor_field: Annotated[
        str | None,
        Setting(
            "Cursor column", "By which it is read incrementally, where the sync names none.", examples=["updated_at"]
        ),
    ] = None
    primary_key: Annotated[
        list[str],
        Setting("Primary key", "The columns that identify a row of a view, or of a table that declares no key.",
                examples=[["day", "shop_id"]]),
    ] = []  # fmt: skip
    row_filter: Annotated[
        str | None,
        Setting(
            "Row filter", "A condition in SQL that its rows must fulfil to be read.", examples=["deleted_at IS NULL"]
        ),
    ] = None


class SqlConfig(Config):
    """What every connector to a database can be told."""

    tables: Annotated[
        list[str],
        Setting("Tables", "Which tables and views are streams, by name or as schema.name; * and ? stand for any "
                "characters, one character. Default: all.", examples=[["orders", "sales.*"]],
                extra={"order": 50, **_ADVANCED}),
    ] = []  # fmt: skip
    exclude_tables: Annotated[
        list[str],
        Setting("Tables to leave out", "As `tables`.", examples=[["*_backup"]], extra={"order": 51, **_ADVANCED}),
    ] = []
    table_settings: Annotated[
        list[TableSettings],
        Setting("Settings of tables", "What is said of some tables. The first entry that fits and says it counts.",
                examples=[[{"table": "orders", "cursor_field": "updated_at"}]], extra={"order": 52, **_ADVANCED}),
    ] = []  # fmt: skip
    lookback: Annotated[
        float | None,
        Setting("Lookback", "An incremental read begins so far before the last value of the cursor, for rows that "
                "were committed late: seconds, for a cursor that is a time; else a number.", minimum=0,
                extra={"order": 53, **_ADVANCED}),
    ] = None  # fmt: skip
    concurrency: Annotated[
        int,
        Setting("Concurrency", "How many connections read at the same time, where the database lets several see the "
                "same point in time.", minimum=1, maximum=64, extra={"order": 54, **_ADVANCED}),
    ] = 4  # fmt: skip
    lock_timeout: Annotated[
        float,
        Setting("Lock time-out", "Seconds that a query waits for somebody who changes the table; 0: without end.",
                minimum=0, extra={"order": 55, **_ADVANCED}),
    ] = 60.0  # fmt: skip
    statement_timeout: Annotated[
        float,
        Setting("Statement time-out", "Seconds that one query may run, and a part of a table is one query; 0: "
                "without end.", minimum=0, extra={"order": 56, **_ADVANCED}),
    ] = 0.0  # fmt: skip

    def timeouts(self) -> Timeouts:
        """How long the database may take."""
        return Timeouts(lock=self.lock_timeout or None, statement=self.statement_timeout or None)
