"""The tests' own PostgreSQL does what the tests of sources and destinations need of it."""

from __future__ import annotations

import psycopg
import pytest

from tests.services.postgres import Postgres


def test_each_database_is_fresh(postgres: Postgres, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE seen (id integer)")
    with psycopg.connect(postgres.database()) as other:
        found = other.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'seen'").fetchone()
    assert found == (0,)


def test_what_was_committed_outlives_a_crash_on_the_same_port() -> None:
    with Postgres() as server:
        port = server.port
        server.sql("CREATE TABLE kept (id integer)")
        server.sql("INSERT INTO kept VALUES (1)")
        session = psycopg.connect(server.url())
        session.execute("INSERT INTO kept VALUES (2)")
        server.restart("immediate", work_mem="7MB")
        with pytest.raises(psycopg.OperationalError):
            session.commit()
        assert server.port == port
        assert server.sql("SELECT id FROM kept") == [(1,)]
        assert server.sql("SHOW work_mem") == [("7MB",)]
        assert "database system was not properly shut down" in server.log()
        server.sql("SELECT sum(n) FROM generate_series(1, 3000000) AS n")  # many ticks of the clock that counts
        assert server.cpu() > 0


def test_settings_passwords_and_tls() -> None:
    with Postgres({"wal_level": "logical"}, tls=True) as server:
        assert server.sql("SHOW wal_level") == [("logical",)]
        server.sql("CREATE ROLE reader LOGIN PASSWORD 'a b'")
        server.hba("host all postgres 127.0.0.1/32 trust\nhostssl all reader 127.0.0.1/32 scram-sha-256\n")
        secure = f"?sslmode=verify-full&sslrootcert={server.authority}"
        with psycopg.connect(server.url(user="reader", password="a b") + secure) as connection:
            assert connection.info.pgconn.ssl_in_use
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url(user="reader", password="wrong") + secure)
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            psycopg.connect(server.url(user="reader", password="a b") + "?sslmode=disable")
