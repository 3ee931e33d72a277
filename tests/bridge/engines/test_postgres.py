"""PostgreSQL's own ways: locks, restarts, rights, passwords, TLS, limits, and what hangs on a table."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from headwater.bridge.sinks import open_sink, postgres
from headwater.bridge.sinks.postgres_url import PostgresUrl
from headwater.errors import DestinationError, FlowError
from tests.bridge.databases import Database
from tests.bridge.fakes import records, state, status
from tests.bridge.landing import records_of, stream
from tests.needs import missing
from tests.services.postgres import Postgres, own

INT = {"type": "integer"}
TEXT = {"type": "string"}
PROPERTIES = {"id": INT, "v": TEXT}


@contextmanager
def held(pg: Database, statement: str) -> Iterator[None]:
    """Another session that holds a lock meanwhile."""
    with psycopg.connect(pg.url) as other:
        other.execute(statement.encode())
        yield


def test_another_session_holds_the_table(pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = stream(properties=PROPERTIES)
    pg.land(catalog, {"id": 1})
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 0.2)
    with held(pg, "LOCK TABLE issues IN ACCESS EXCLUSIVE MODE"), pytest.raises(DestinationError) as told:
        pg.run(catalog, records("issues", 2), status("issues"))
    assert "lock timeout. Another session has held" in str(told.value) and "run again" in str(told.value)
    pg.run(catalog, records("issues", 2), status("issues"))
    assert pg.values("id") == [1, 2]


def test_the_server_restarts_between_two_batches() -> None:
    with Postgres() as server:
        pg = Database("postgres", server.url())
        pg.run(
            stream(properties=PROPERTIES), records("issues", 1), state("issues", 1), server.restart,
            records("issues", 2), state("issues", 2), status("issues"), batch_bytes=1,
        )  # fmt: skip
        assert pg.values("id") == [1, 2]


def test_the_server_crashes_midway_and_is_gone() -> None:
    with Postgres() as server:
        pg = Database("postgres", server.url())
        catalog = stream(properties=PROPERTIES)

        def crash() -> None:
            server.stop("immediate")

        script = [records("issues", 1), state("issues", 1), records("issues", 2), crash, records("issues", 3)]
        with pytest.raises(DestinationError, match="Is the server running") as told:
            pg.run(catalog, *script, status("issues"), batch_bytes=1)
        assert server.url() in str(told.value)
        with pytest.raises(DestinationError, match="Is the server running"):
            pg.run(catalog, status("issues"))
        server.start()
        again = pg.run(catalog, records("issues", 2, 3), state("issues", 3), status("issues"))
        assert [one.stream_state for one in again.started_from[0]] == [{"at": 1}]
        assert pg.values("id") == [1, 2, 3]


def test_a_session_that_is_ended_within_a_transaction(pg: Database, postgres: Postgres) -> None:
    """What an administrator, or a crash, does while a statement waits."""
    catalog = stream(properties=PROPERTIES)
    pg.land(catalog, {"id": 1})
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        f"AND datname = '{pg.url.rpartition('/')[2]}'"
    )
    stop = threading.Event()

    def ending() -> None:
        while not postgres.sql(end) and not stop.wait(0.02):
            pass

    killer = threading.Thread(target=ending)
    with held(pg, "LOCK TABLE issues IN ACCESS EXCLUSIVE MODE"):
        killer.start()
        try:
            with pytest.raises(DestinationError, match="Run again"):
                pg.run(catalog, records("issues", 2), status("issues"))
        finally:
            stop.set()
            killer.join()
    assert pg.values("id") == [1]


@pytest.fixture
def role(postgres: Postgres) -> Iterator[str]:
    """A user who may log in, and nothing else."""
    postgres.sql("CREATE ROLE limited LOGIN PASSWORD 'se:cr@t 1'")
    yield "limited"
    postgres.sql("DROP OWNED BY limited")
    postgres.sql("DROP ROLE limited")


def test_rights_that_are_missing(pg: Database, postgres: Postgres, role: str) -> None:
    name = pg.url.rpartition("/")[2]
    limited = Database("postgres", postgres.url(name, user=role, password="se:cr@t 1"))
    catalog = stream(properties=PROPERTIES)
    with pytest.raises(
        DestinationError, match=r"permission denied for schema public.*Grant the user that right"
    ) as told:
        limited.land(catalog, {"id": 1})
    assert "cr@t" not in str(told.value) and "cr%40t" not in str(told.value)
    postgres.sql(f"GRANT CREATE ON SCHEMA public TO {role}", database=name)
    limited.land(catalog, {"id": 1})
    with pytest.raises(DestinationError, match="permission denied for database"):
        Database("postgres", f"{limited.url}?schema=mine").land(catalog, {"id": 1})
    postgres.sql(f"REVOKE INSERT ON issues FROM {role}", database=name)
    with pytest.raises(DestinationError, match="permission denied for table issues"):
        limited.land(catalog, {"id": 2})
    assert pg.values("id") == [1]
    postgres.sql(f"DROP OWNED BY {role}", database=name)


def test_the_schema_of_the_url(pg: Database) -> None:
    there = Database("postgres", f"{pg.url}?schema=My%20Own&application_name=x")
    there.land(stream(properties=PROPERTIES), {"id": 1})
    assert pg.query('SELECT id FROM "My Own".issues') == [(1,)]
    assert pg.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    there.run(stream(properties=PROPERTIES), records("issues", 2), state("issues", 2), status("issues"))
    assert there.run(stream(properties=PROPERTIES), status("issues")).started_from[0] != []


def test_passwords_and_tls_and_what_is_not_there() -> None:
    with Postgres(tls=True) as server:
        server.sql("CREATE ROLE writer LOGIN PASSWORD 'pa ss'")
        server.sql("GRANT CREATE ON SCHEMA public TO writer")
        server.hba("host all postgres 127.0.0.1/32 trust\nhostssl all writer 127.0.0.1/32 scram-sha-256\n")
        catalog = stream(properties=PROPERTIES)
        good = server.url(user="writer", password="pa ss") + f"?sslmode=verify-full&sslrootcert={server.authority}"
        Database("postgres", good).land(catalog, {"id": 1})
        for url, said in [
            (server.url(user="writer", password="wr0ng"), "password authentication failed.*Look at the user"),
            (server.url(user="writer", password="pa ss") + "?sslmode=disable", "no encryption.*pg_hba.conf"),
            (server.url("nowhere"), 'database "nowhere" does not exist'),
            (server.url() + "?sslmode=verify-full", "certificate.*sslrootcert|sslrootcert"),
            (server.url().replace(str(server.port), "1"), r"Connection refused\. Is the server running, and are host"),
        ]:
            with pytest.raises(DestinationError, match=f"(?s){said}") as told:
                Database("postgres", url).land(catalog, {"id": 1})
            assert told.value.failure_type == ("system_error" if "running" in said else "config_error"), said
            assert "wr0ng" not in str(told.value) and "pa ss" not in str(told.value), told.value


def test_no_secret_in_what_is_shown() -> None:
    url = PostgresUrl.parse("postgres://me:p%40ss%2Fword@h:5/db?schema=s&sslpassword=hidden&sslmode=require")
    assert (url.shown, url.schema) == ("postgresql://me@h:5/db", "s")
    assert url.conninfo == "postgresql://me:p%40ss%2Fword@h:5/db?sslpassword=hidden&sslmode=require"
    assert url.masked("p@ss/word, p%40ss%2Fword, hidden") == "****, ****, ****"
    assert not any(secret in repr(url) for secret in ("ss", "hidden") if secret != "ss") and "p%40" not in repr(url)


@pytest.mark.parametrize(
    "bad",
    [
        "postgresql://me:secret@[h/db",
        "postgresql://me:secret@h/db?schema",
        "postgresql://me:secret#x@h/db",
        "postgresql://me:secret/x@h/db",
        "postgresql://me:secret?x@h/db",
        "postgresql://me:secret?x=y@h/db",
        "postgresql://me:x@secret@h/db",
        "postgresql://me:secret x@h/db",
        "postgresql://me:secret%zz@h/db",
        "postgresql://me:secret",
    ],
)
def test_no_part_of_a_password_with_special_characters_is_shown(bad: str) -> None:
    with pytest.raises(FlowError, match=r"written as %XX|has no parameter") as told:
        open_sink(bad)
    assert "secret" not in str(told.value)


def test_a_misspelt_parameter_is_told_before_anything_is_read() -> None:
    with pytest.raises(FlowError, match='no parameter "shcema"'):
        open_sink("postgresql://me:secret@h/db?shcema=s")
    PostgresUrl.parse("postgresql://me@h,i:6/db?user=you@corp&password=a%40b&target_session_attrs=any")
    PostgresUrl.parse("postgresql:///db?host=/tmp")


def test_a_disk_that_is_full() -> None:
    if os.geteuid() != 0:
        missing("a small file system for PostgreSQL: run as root")
    with Postgres() as server:
        small = server.folder / "small"
        small.mkdir()
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m,mode=777", "tmpfs", str(small)], check=False
        ).returncode:
            missing("a small file system for PostgreSQL: run where tmpfs may be mounted")
        try:
            own(small)
            server.sql(f"CREATE TABLESPACE small LOCATION '{small}'")
            server.sql("ALTER ROLE postgres SET default_tablespace TO small")
            pg = Database("postgres", server.url())
            catalog = stream(properties=PROPERTIES)
            pg.run(catalog, records("issues", 1), state("issues", 1), status("issues"))
            big = [{"id": n, "v": os.urandom(50_000).hex()} for n in range(2, 100)]
            with pytest.raises(DestinationError, match=r"(?i)no space left.*Make room"):
                pg.run(catalog, records_of(catalog, *big), state("issues", 99), status("issues"))
            assert pg.values("id") == [1]
            again = pg.run(catalog, records("issues", 2), state("issues", 2), status("issues"))
            assert [one.stream_state for one in again.started_from[0]] == [{"at": 1}]
        finally:
            server.stop("immediate")
            subprocess.run(["umount", str(small)], check=True)


def test_limits_of_rows_columns_and_keys(pg: Database) -> None:
    pg.land(stream("wide"), {"id": 1})
    pg.query("ALTER TABLE wide " + ", ".join(f"ADD COLUMN c{n} bigint" for n in range(1590)))
    with pytest.raises(DestinationError, match=r"at most 1600 columns.*select columns"):
        pg.land(stream("wide"), {f"more{n}": n for n in range(20)})
    catalog = stream("keyed", PROPERTIES, mode="append_dedup", key=[["v"]])
    rows = [{"id": 1, "v": "a"}, {"id": 2, "v": os.urandom(5000).hex()}]
    with pytest.raises(DestinationError, match="refused a record: index row"):
        pg.land(catalog, *rows)
    pg.land(catalog, *rows, refused="table")
    assert pg.values("id", table="keyed") == [1]
    assert pg.query("SELECT length(record) > 10000 FROM _headwater_refused") == [(True,)]


def test_grants_views_and_columns_outlive_an_overwrite(pg: Database, postgres: Postgres, role: str) -> None:
    catalog = stream(properties=PROPERTIES, mode="overwrite")
    pg.land(catalog, {"id": 1, "v": "a"})
    name = pg.url.rpartition("/")[2]
    postgres.sql(f"GRANT SELECT ON issues TO {role}", database=name)
    pg.query("CREATE VIEW seen AS SELECT id FROM issues")
    limited = Database("postgres", postgres.url(name, user=role, password="se:cr@t 1"))
    pg.land(stream(properties={"id": INT, "w": INT}, mode="overwrite"), {"id": 2, "w": 3})
    assert limited.query("SELECT id, v, w FROM issues") == [(2, None, 3)]
    assert pg.query("SELECT id FROM seen") == [(2,)]
    postgres.sql(f"DROP OWNED BY {role}", database=name)


def test_a_column_that_a_view_uses_is_not_widened_but_told(pg: Database) -> None:
    catalog = stream(properties={"id": INT})
    pg.land(catalog, {"id": 1})
    pg.query("CREATE VIEW seen AS SELECT id FROM issues")
    with pytest.raises(DestinationError, match=r"used by a view or rule.*Drop that, run again"):
        pg.land(catalog, {"id": "one"})


def test_types_that_somebody_chose(pg: Database) -> None:
    catalog = stream(properties=PROPERTIES)
    pg.land(catalog, {"id": 1})
    pg.query("ALTER TABLE issues ALTER COLUMN id TYPE integer, ALTER COLUMN v TYPE varchar(5), ADD COLUMN u uuid")
    unique = "b7bd3f2c-6a0f-4f6c-8a58-6d1a6d4ab5d1"
    rows: list[dict[str, Any]] = [{"id": 2, "v": "short", "u": unique}, {"id": 2**40}, {"id": 3, "v": "too long"}]
    pg.land(catalog, *rows, refused="table")
    assert pg.values("id", "v") == [(1, None), (2, "short")]
    reasons = [reason for (reason,) in pg.query("SELECT reason FROM _headwater_refused ORDER BY reason")]
    assert "out of range" in reasons[0] and "too long" in reasons[1]


def test_without_psycopg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "find_spec", lambda _: None)
    with pytest.raises(FlowError, match=r"pip install 'headwater\[postgres\]'"):
        open_sink("postgresql://h/db")


def test_a_service_file_and_the_environment(pg: Database, postgres: Postgres, monkeypatch: Any, tmp_path: Path) -> None:
    name = pg.url.rpartition("/")[2]
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(postgres.port))
    monkeypatch.setenv("PGUSER", "postgres")
    Database("postgres", f"postgresql:///{name}").land(stream(properties=PROPERTIES), {"id": 1})
    assert pg.values("id") == [1]
