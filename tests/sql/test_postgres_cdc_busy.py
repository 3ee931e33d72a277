"""A replication slot that somebody else reads yet: the connection of a connector that was killed ends when its server
sees that, and not before."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import psycopg
import pytest

from headwater.errors import TransientError
from tests.services.postgres import wait_until
from tests.sql.captured import rows, run, server, sql

__all__ = ["server", "sql"]


def holder(sql: Any) -> psycopg.Connection:
    """A connection that reads the slot for as long as it is there."""
    connection = psycopg.connect(f"{sql.url}?replication=database", autocommit=True)
    options = "proto_version '1', publication_names 'pub'"
    connection.pgconn.send_query(f'START_REPLICATION SLOT "{sql.slot}" LOGICAL 0/0 ({options})'.encode())
    wait_until(lambda: sql(f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{sql.slot}'")[0][0])
    return connection


def test_it_is_waited_for(sql: Any, caplog: pytest.LogCaptureFixture) -> None:
    first = run(sql)
    sql("INSERT INTO orders VALUES (1), (2)")
    connection = holder(sql)

    def end() -> None:
        wait_until(lambda: "which is waited for" in caplog.text)
        connection.close()

    ending = threading.Thread(target=end)
    ending.start()
    second = run(sql, first)
    ending.join()
    assert [row["id"] for row in rows(second)] == [1, 2]
    assert f"The replication slot '{sql.slot}' is read by process" in caplog.text


def test_it_is_not_waited_for_without_end(sql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.sql.postgres_slot._PATIENCE", 0.1)
    first = run(sql)
    with closing(holder(sql)), pytest.raises(TransientError, match="is read by process") as told:
        run(sql, first).ok()
    assert told.value.failure_type == "transient_error"
    run(sql, first).ok()
