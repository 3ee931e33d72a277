"""A standby of PostgreSQL, which cancels queries that need what it must remove."""

from __future__ import annotations

import time
from typing import Any

import pytest

from headwater.sql.postgres import Postgres as Database
from headwater.testing.reading import result_of
from tests.services.postgres import Postgres
from tests.services.standby import Standby
from tests.sql.sources import after_first_records, chosen, postgres_source, rows_of

ROWS = 60_000


def test_a_conflict_with_recovery_is_outlived(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr("headwater.sql.reader.pause", lambda seconds: time.sleep(0.05))
    monkeypatch.setattr(Database, "part_size", 8 * 1024 * 1024)
    with Postgres({"wal_level": "replica", "max_wal_senders": "5", "hot_standby": "on"}) as primary:
        primary.sql("CREATE TABLE keyed (id int PRIMARY KEY, pad text)")
        primary.sql(f"INSERT INTO keyed SELECT g, repeat('x', 500) FROM generate_series(1, {ROWS}) g")
        primary.sql("ANALYZE")
        with Standby(primary, {"max_standby_streaming_delay": "0"}) as standby:
            source = postgres_source(standby.url(), concurrency=2)
            catalog = chosen(source.discover(), "full_refresh", "keyed")

            def change() -> None:
                primary.sql("UPDATE keyed SET pad = pad || 'y' WHERE id % 10 = 0")
                primary.sql("VACUUM keyed")
                standby.receive()

            for _ in range(10):  # nobody knows when it removes what it was told to
                messages = after_first_records(source.read(catalog), change)
                rows = rows_of(result_of(messages, catalog), "keyed")
                assert sorted(row["id"] for row in rows) == list(range(1, ROWS + 1))
                if "conflict with recovery" in caplog.text:
                    break
    assert "It goes on after the last row that was read." in caplog.text
