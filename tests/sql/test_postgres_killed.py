"""Servers that die, connections that are cut, and connectors that are killed: nothing is lost, and a read goes on."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import IncompleteError, TransientError
from headwater.protocol.messages import Records, State
from headwater.sql.postgres import Postgres as Database
from headwater.sql.snapshot import PointLost
from headwater.testing.reading import result_of
from tests.connectors.process import Toy
from tests.services.postgres import Postgres
from tests.services.sshd import Sshd
from tests.sql.sources import after_first_records, chosen, config_of, postgres_source, rows_of

ROWS = 60_000
CANCELLED = "canceling statement due to user request"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that is killed: with much more in it than all buffers on the way hold."""
    with Postgres() as server:
        server.sql("CREATE TABLE keyed (id int PRIMARY KEY, pad text)")
        server.sql(f"INSERT INTO keyed SELECT g, repeat('x', 500) FROM generate_series(1, {ROWS}) g")
        server.sql("CREATE TABLE heap AS SELECT * FROM keyed")
        server.sql("ANALYZE")
        yield server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.sql.reader.pause", lambda seconds: time.sleep(0.05))
    monkeypatch.setattr(Database, "part_size", 8 * 1024 * 1024)


@pytest.mark.parametrize("how", ["restart", "terminate"])
def test_a_read_outlives_its_server(server: Postgres, how: str, caplog: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("headwater.sql.reader._TRIES", 2000)  # a server may take long to start
    source = postgres_source(server.url(), concurrency=3)
    catalog = chosen(source.discover(), "full_refresh", "keyed")
    messages: list[Any] = []
    seen = 0
    for message in source.read(catalog):
        messages.append(message)
        before, seen = seen, seen + (len(message) if isinstance(message, Records) else 0)
        if before < 5000 <= seen:
            if how == "restart":
                server.restart("immediate")
            else:
                server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                           " AND backend_type = 'client backend'")  # fmt: skip
    rows = rows_of(result_of(iter(messages), catalog), "keyed")
    assert sorted(row["id"] for row in rows) == list(range(1, ROWS + 1))  # and none twice
    assert "It goes on after the last row that was read." in caplog.text


def test_a_read_outlives_its_tunnel(server: Postgres, caplog: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("headwater.sql.reader._TRIES", 2000)  # its client may take long to see that it is gone
    with Sshd() as sshd:
        tunnel = {"tunnel_method": "SSH_KEY_AUTH", "tunnel_host": "127.0.0.1", "tunnel_port": sshd.port,
                  "tunnel_user": sshd.user, "ssh_key": sshd.key}  # fmt: skip
        source = postgres_source(server.url(), concurrency=2, tunnel_method=tunnel)
        catalog = chosen(source.discover(), "full_refresh", "keyed")

        def restart() -> None:
            sshd.stop()
            sshd.start()

        messages = after_first_records(source.read(catalog), restart)
        rows = rows_of(result_of(messages, catalog), "keyed")
    assert sorted(row["id"] for row in rows) == list(range(1, ROWS + 1))
    assert "It goes on after the last row that was read." in caplog.text


def test_a_connection_that_comes_when_the_point_in_time_is_gone_begins_another(server: Postgres) -> None:
    """One thread lost its connection and has not told yet; another one begins its part."""
    source = postgres_source(server.url(), concurrency=2)
    source.snapshot()._taken()
    server.restart("immediate")
    with pytest.raises(TransientError, match="point in time that is read is gone") as told:
        source.snapshot()._taken()
    source.snapshot().renew(0, told.value)
    with source.connection() as connection:
        assert source.database.value(connection, "SELECT count(*) FROM keyed") == ROWS
    source.close()


def test_a_table_without_a_key_is_not_read_on_at_another_point_in_time(server: Postgres) -> None:
    source = postgres_source(server.url(), concurrency=3)
    catalog = chosen(source.discover(), "full_refresh", "heap")
    messages = after_first_records(source.read(catalog), lambda: server.restart("immediate"))
    result = result_of(messages, catalog)
    with pytest.raises(IncompleteError, match=r"public\.heap") as told:
        result.ok()
    assert told.value.failure_type == "transient_error"
    assert not [message for message in result.messages if isinstance(message, State)]


def test_parts_without_a_key_are_all_of_one_point_in_time(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another stream's thread lost it. A row that moved from a later part to one that was read would be in neither."""
    monkeypatch.setattr(Database, "part_size", 1024 * 1024)
    server.sql("CREATE TABLE moving AS SELECT * FROM keyed LIMIT 20000")
    source = postgres_source(server.url(), concurrency=1)
    catalog = chosen(source.discover(), "full_refresh", "moving")
    snapshot = source.snapshot
    messages = after_first_records(source.read(catalog), lambda: snapshot().renew(snapshot().age, PointLost("gone")))
    with pytest.raises(IncompleteError, match=r"moving has no primary key to go on by") as told:
        result_of(messages, catalog).ok()
    assert told.value.failure_type == "transient_error"
    server.sql("DROP TABLE moving")


def test_queries_that_are_cancelled_go_on_at_the_same_point_in_time(server: Postgres, caplog: Any) -> None:
    source = postgres_source(server.url(), concurrency=2)
    catalog = chosen(source.discover(), "full_refresh", "keyed")
    begun = False

    def messages() -> Iterator[Any]:
        nonlocal begun
        for message in source.read(catalog):
            yield message
            if not isinstance(message, Records):
                continue
            if not begun:
                begun = True
                server.sql("INSERT INTO keyed VALUES (-1, 'later')")
            if CANCELLED not in caplog.text:  # a query may have come to its end before it is
                server.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'")

    rows = rows_of(result_of(messages(), catalog), "keyed")
    server.sql("DELETE FROM keyed WHERE id = -1")
    assert sorted(row["id"] for row in rows) == list(range(1, ROWS + 1))
    assert CANCELLED in caplog.text


def test_a_server_that_stays_away_ends_the_read_with_a_state(server: Postgres) -> None:
    source = postgres_source(server.url(), concurrency=2)
    catalog = chosen(source.discover(), "full_refresh", "keyed")
    messages = after_first_records(source.read(catalog), lambda: server.stop("immediate"))
    try:
        result = result_of(messages, catalog)
    finally:
        server.start()
    with pytest.raises(IncompleteError) as told:
        result.ok()
    assert told.value.failure_type == "transient_error"
    given = [row["id"] for rows in result.records.values() for row in rows]
    rest = result_of(source.read(catalog, result.states), catalog)
    assert {*given, *(row["id"] for row in rows_of(rest, "keyed"))} == set(range(1, ROWS + 1))


def test_a_connector_that_is_killed_anywhere_goes_on(server: Postgres, tmp_path: Path) -> None:
    """kill -9 of the process: what its complete lines say is what the next one begins with."""
    toy = Toy(tmp_path, [str(Path(sys.executable).with_name("source-postgres"))])
    toy.config = config_of(server.url(), tables=["keyed"])
    stream = {
        "name": "keyed", "namespace": "public", "json_schema": {}, "supported_sync_modes": ["full_refresh"],
        "source_defined_primary_key": [["id"]], "is_resumable": True,
    }  # fmt: skip
    catalog = {"stream": stream, "sync_mode": "full_refresh"}
    rng = random.Random(3)
    seen: set[int] = set()
    state: Any = None
    for _ in range(4):
        with toy.start("read", catalog, state=state) as process:  # type: ignore[arg-type]
            process.wait_for(b'"RECORD"')
            assert process.hold(len(process.stdout) + rng.randrange(100_000, 6_000_000))
            process.signal(signal.SIGKILL)
            run = process.end()
        whole = run.stdout[: run.stdout.rfind(b"\n") + 1]
        messages = [json.loads(line) for line in whole.split(b"\n")[:-1]]
        seen |= {m["record"]["data"]["id"] for m in messages if m["type"] == "RECORD"}
        states = [m["state"] for m in messages if m["type"] == "STATE"]
        state = states[-1:] or state
    last = toy.run("read", catalog, state=state)
    assert last.code == 0
    rest = {record["id"] for record in last.records("keyed")}
    assert len(rest) < ROWS
    assert seen | rest == set(range(1, ROWS + 1))
