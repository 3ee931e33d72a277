"""Change data capture of a real PostgreSQL: first the rows, then what was changed, nothing lost in between."""

from __future__ import annotations

import copy
import random
import threading
from typing import Any

import psycopg
import pytest

from headwater.errors import ConfigError, IncompleteError
from headwater.protocol.messages import Records, State, Status, StreamStatus
from headwater.sql.postgres import Postgres as Database
from headwater.testing.reading import result_of
from tests.services.postgres import Postgres
from tests.sql.captured import rows, run, server, source_of, sql, table_of, truth
from tests.sql.sources import chosen, conform, cut_off, postgres_source

__all__ = ["server", "sql"]


def test_rows_and_then_what_was_changed(sql: Any) -> None:
    sql("INSERT INTO orders SELECT g, 'n' || g, now(), '\\x00ff', '{\"a\": 1}' FROM generate_series(1, 5) g")
    source = source_of(sql)
    catalog = source.discover()
    (stream,) = catalog.streams
    assert stream.source_defined_cursor and stream.default_cursor_field == ("_ab_cdc_lsn",)
    first = run(sql)
    assert [row["id"] for row in rows(first)] == [1, 2, 3, 4, 5]
    assert all(row["_ab_cdc_deleted_at"] is None and row["_ab_cdc_lsn"] > 0 for row in rows(first))
    assert {state.type for state in first.messages if isinstance(state, State)} == {"GLOBAL"}
    sql("INSERT INTO orders VALUES (6, E'tab\\t \"q\" \U0001f600 100%', '2024-01-01 00:00+00', '\\x01', '[1, null]')")
    sql("UPDATE orders SET note = NULL WHERE id = 2")
    sql("DELETE FROM orders WHERE id = 3")
    sql("UPDATE orders SET id = 40 WHERE id = 4")
    second = run(sql, first)
    found = [(row["id"], bool(row["_ab_cdc_deleted_at"])) for row in rows(second)]
    assert found == [(6, False), (2, False), (3, True), (4, True), (40, False)]
    lsns = [row["_ab_cdc_lsn"] for row in rows(second)]
    assert lsns == sorted(lsns) and lsns[0] >= max(row["_ab_cdc_lsn"] for row in rows(first))
    assert rows(second)[0]["note"] == 'tab\t "q" \U0001f600 100%' and rows(second)[0]["raw"] == "AQ=="
    assert table_of(first, second) == truth(sql)
    conform(catalog, first)
    conform(catalog, second)
    third = run(sql, second)
    assert rows(third) == [] and third.states


def test_the_slot_is_moved_on_only_by_a_state_that_was_stored(sql: Any) -> None:
    def confirmed() -> Any:
        return sql(f"SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{sql.slot}'")[0][0]

    first = run(sql)
    sql("INSERT INTO orders VALUES (1)")
    before = confirmed()
    second = run(sql, first)
    after = confirmed()
    assert [row["id"] for row in rows(second)] == [1]
    again = run(sql, first)  # its state was never stored
    assert [row["id"] for row in rows(again)] == [1] and confirmed() == after >= before
    run(sql, second)
    assert confirmed() > after
    with pytest.raises(ConfigError, match="what was changed in between is lost"):
        run(sql, first).ok()


def test_no_gap_and_no_phantom_while_others_write(sql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody inserts, changes and deletes all the time, while reads begin, are cut off and go on."""
    monkeypatch.setattr(Database, "part_size", 8192)
    monkeypatch.setattr(Database, "page_size", 2000)
    monkeypatch.setattr(Database, "rows_per_step", 5)
    sql("INSERT INTO orders SELECT g, repeat('x', 100) FROM generate_series(1, 1000) g")
    stop = threading.Event()

    def write() -> None:
        rng = random.Random(5)
        with psycopg.connect(sql.url, autocommit=True) as connection:
            number = 1000
            while not stop.is_set():
                number += 1
                connection.execute("INSERT INTO orders VALUES (%s, 'new')", (number,))
                connection.execute(
                    "UPDATE orders SET note = %s WHERE id = %s", (f"v{number}", rng.randrange(1, number))
                )
                connection.execute("DELETE FROM orders WHERE id = %s", (rng.randrange(1, number),))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        source = source_of(sql, concurrency=2)
        catalog = source.discover().configured()
        results = [cut_off(source, catalog, 300)]
        for _ in range(2):
            results.append(cut_off(source, catalog, 400, results[-1].states[-1:]))
        results.append(run(sql, results[-1]))
        results.append(run(sql, results[-1]))
    finally:
        stop.set()
        writer.join()
    results.append(run(sql, results[-1]))
    found, due = table_of(*results), truth(sql)
    assert sorted(found) == sorted(due)
    assert {key: (row["note"], due[key]["note"]) for key, row in found.items() if row != due[key]} == {}


def test_a_transaction_larger_than_memory_comes_row_by_row(sql: Any) -> None:
    first = run(sql)
    sql("INSERT INTO orders SELECT g, repeat('y', 300) FROM generate_series(1, 20000) g")
    source = source_of(sql)
    catalog = source.discover().configured()
    batches = []
    states_within = 0
    for message in source.read(catalog, first.states[-1:]):
        if isinstance(message, Records):
            batches.append(len(message))
        elif isinstance(message, State) and sum(batches) < 20000:
            states_within += 1
    assert sum(batches) == 20000 and max(batches) <= 500
    assert states_within == 0  # a state in the middle of a transaction would lose the rest of it


def test_streams_that_are_added_and_tables_that_are_not_captured(sql: Any) -> None:
    sql("INSERT INTO orders VALUES (1)")
    source = source_of(sql)
    catalog = source.discover().configured()
    first = result_of(source.read(catalog), catalog)
    sql("CREATE TABLE late (id int PRIMARY KEY)")
    sql("INSERT INTO late VALUES (1), (2)")
    sql("CREATE TABLE keyless (id int)")
    sql("INSERT INTO keyless VALUES (9)")
    sql("INSERT INTO orders VALUES (2)")
    modes = {stream.name: stream.supported_sync_modes for stream in source_of(sql).discover().streams}
    assert modes["keyless"] == ("full_refresh",) and "incremental" in modes["late"]
    second = run(sql, first)
    assert sorted({row["id"] for row in rows(second, "late")}) == [1, 2]
    assert [row["id"] for row in rows(second)] == [2]
    assert rows(second, "keyless") == [{"id": 9}]
    assert table_of(first, second) == truth(sql)


def test_check_says_what_is_not_ready(sql: Any, server: Postgres, postgres: Postgres) -> None:
    source_of(sql).check()
    for changed, said in (
        ({"replication_slot": "nope"}, r"slot 'nope' is not there. Make it: SELECT pg_create_logical_replication_slot"),
        ({"publication": "nope"}, r"no publication 'nope'"),
    ):
        method = {"method": "CDC", "replication_slot": sql.slot, "publication": "pub", **changed}
        with pytest.raises(ConfigError, match=said):
            postgres_source(sql.url, replication_method=method).check()
    name = sql.url.rpartition("/")[2]
    server.sql(f"CREATE ROLE r_{name} LOGIN")
    sql(f"GRANT SELECT ON orders TO r_{name}")
    method = {"method": "CDC", "replication_slot": sql.slot, "publication": "pub"}
    with pytest.raises(ConfigError, match="lacks REPLICATION"):
        postgres_source(server.url(name, user=f"r_{name}"), replication_method=method).check()
    server.sql(f"ALTER ROLE r_{name} REPLICATION")
    limited = postgres_source(server.url(name, user=f"r_{name}"), replication_method=method)
    catalog = limited.discover().configured()
    assert result_of(limited.read(catalog), catalog).ok()
    sql(f"DROP OWNED BY r_{name}")
    server.sql(f"DROP ROLE r_{name}")
    with pytest.raises(ConfigError, match="wal_level to be logical; it is replica"):
        other = postgres.database()
        postgres.sql("CREATE TABLE t (id int)", database=other.rpartition("/")[2])
        postgres_source(other, replication_method=method).check()


def test_a_state_of_another_kind_and_a_stream_that_fails(sql: Any) -> None:
    source = source_of(sql)
    catalog = source.discover().configured()
    state = State.of_stream(catalog.streams[0].descriptor, {"id": 1})
    with pytest.raises(ConfigError, match="of a read by cursor"):
        list(source.read(catalog, [state]))
    sql("INSERT INTO orders VALUES (1)")
    sql("CREATE TABLE broken (id int PRIMARY KEY)")
    catalog = source_of(sql).discover().configured()
    sql("DROP TABLE broken")
    result = result_of(source_of(sql).read(catalog), catalog)
    assert result.records["public.orders"][0]["id"] == 1
    with pytest.raises(IncompleteError, match=r"public\.broken"):
        result.ok()
    assert chosen(source_of(sql).discover(), "full_refresh").streams[0].sync_mode == "full_refresh"


def test_the_changes_of_a_stream_whose_first_read_fails_midway_are_not_passed_over(sql: Any) -> None:
    """The place in the log moves on for all streams: what is not given now is never given."""
    sql("INSERT INTO orders VALUES (1, 'old'), (2, 'gone')")
    sql("CREATE TABLE other (id int PRIMARY KEY)")
    first = run(sql)
    state = copy.deepcopy(first.states[-1].raw)
    for each in state["global"]["stream_states"]:
        if each["stream_descriptor"]["name"] == "orders":  # it has given rows, and can't go on
            each["stream_state"] = {"key": ["id"], "ranges": [{"after": ["not a number"]}]}
    sql("UPDATE orders SET note = 'new' WHERE id = 1")
    sql("DELETE FROM orders WHERE id = 2")
    sql("INSERT INTO other VALUES (7)")
    second = run(sql, [State(state)])
    with pytest.raises(IncompleteError, match=r"public\.orders"):
        second.ok()
    found = [(row["id"], row["note"], bool(row["_ab_cdc_deleted_at"])) for row in second.records["public.orders"]]
    assert found == [(1, "new", False), (2, None, True)]
    assert [row["id"] for row in second.records["public.other"]] == [7]
    of_orders = [
        message
        for message in second.messages
        if isinstance(message, (Records, StreamStatus)) and message.stream.name == "orders"
    ]
    assert isinstance(of_orders[-1], StreamStatus) and of_orders[-1].status is Status.INCOMPLETE
