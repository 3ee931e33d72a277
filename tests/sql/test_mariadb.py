"""MariaDB: rights, locks, TLS, tunnels, and servers that die."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from headwater.errors import ConfigError, Stopped, TransientError
from headwater.protocol.messages import Records
from headwater.testing import read
from headwater.testing.reading import result_of
from source_mysql import MysqlSource
from tests.services.mariadb import MariaDb, mariadb
from tests.services.sshd import Sshd
from tests.sql.mariadb_tables import source_of, sql
from tests.sql.sources import (
    chosen,
    config_of,
    rows_of,
)

__all__ = ["mariadb", "sql"]


def test_rights_that_are_missing(mariadb: MariaDb, sql: Any, caplog: Any) -> None:
    name = sql.url.rpartition("/")[2]
    sql("CREATE TABLE t (id int PRIMARY KEY, secret int)")
    sql("CREATE TABLE inserts (id int PRIMARY KEY)")
    sql("CREATE TABLE hidden (id int PRIMARY KEY)")
    sql("INSERT INTO t VALUES (1, 2)")
    sql("CREATE USER IF NOT EXISTS reader@'%'")
    sql(f"GRANT SELECT (id) ON {name}.t TO reader@'%'")
    sql(f"GRANT INSERT ON {name}.inserts TO reader@'%'")
    url = mariadb.url(name, user="reader")
    source = MysqlSource.from_config(config_of(url))
    with caplog.at_level(logging.WARNING, "headwater"):
        source.check()
    assert f"the user lacks SELECT on {name}.inserts" in caplog.text
    assert rows_of(read(source), "t") == [{"id": 1}]
    with pytest.raises(ConfigError, match=f"lacks SELECT on {name}.inserts"):
        MysqlSource.from_config(config_of(url, tables=["t", "inserts"])).check()
    with pytest.raises(ConfigError, match="no table 'hidden', or the user may not see it"):
        MysqlSource.from_config(config_of(url, tables=["t", "hidden"])).check()
    with source.connection() as connection, pytest.raises(Exception, match="READ ONLY"):
        connection.exec_driver_sql("INSERT INTO inserts VALUES (1)")
    source.close()


def test_who_is_not_let_in_and_what_is_not_there(mariadb: MariaDb, sql: Any) -> None:
    sql("CREATE USER IF NOT EXISTS locked@'%' IDENTIFIED BY 'right'")
    with pytest.raises(ConfigError, match="Access denied") as told:
        MysqlSource.from_config(config_of(mariadb.url("x", user="locked", password="wr0ng"))).check()
    assert "wr0ng" not in str(told.value)
    with pytest.raises(ConfigError, match="Unknown database"):
        MysqlSource.from_config(config_of(mariadb.url("nowhere"))).check()
    with pytest.raises(TransientError, match=r"127\.0\.0\.1"):
        MysqlSource.from_config(config_of("mysql://root@127.0.0.1:1/x")).check()


def test_a_lock_is_waited_for_no_longer_than_the_time_out(mariadb: MariaDb, sql: Any, monkeypatch: Any) -> None:
    import pymysql

    monkeypatch.setattr("headwater.sql.reader._TRIES", 1)
    sql("CREATE TABLE t (id int PRIMARY KEY)")
    other = pymysql.connect(host="127.0.0.1", port=mariadb.port, user="root", database=sql.url.rpartition("/")[2])
    with other, other.cursor() as cursor:
        source = source_of(sql, lock_timeout=1)
        catalog = chosen(source.discover(), "full_refresh")
        cursor.execute("LOCK TABLES t WRITE")
        with pytest.raises(Exception, match="Lock wait timeout") as told:
            list(source.read(catalog))
    assert getattr(told.value, "failure_type", None) == "transient_error"


@pytest.fixture(scope="module")
def secure() -> Iterator[MariaDb]:
    """A server that takes TLS alone, and is killed."""
    with MariaDb({"require_secure_transport": "OFF"}, tls=True) as server:
        server.sql("CREATE DATABASE shop")
        server.sql("CREATE TABLE t (id int PRIMARY KEY, pad text)", database="shop")
        server.sql("INSERT INTO t SELECT seq, REPEAT('x', 500) FROM seq_1_to_60000", database="shop")
        server.sql("CREATE USER reader@'%' IDENTIFIED BY 'p@ss' REQUIRE SSL")
        server.sql("GRANT SELECT ON shop.* TO reader@'%'")
        yield server


def test_modes_of_tls(secure: MariaDb) -> None:
    url = secure.url("shop", user="reader", password="p@ss")
    ca = secure.authority.read_text()
    for mode in ("preferred", "required", "verify_ca", "verify_identity"):
        MysqlSource.from_config(config_of(url, ssl_mode={"mode": mode, "ca_certificate": ca})).check()
    name = {"ssl_mode": {"mode": "verify_identity", "ca_certificate": ca}, "host": "localhost"}
    with pytest.raises(ConfigError, match="certificate"):
        MysqlSource.from_config({**config_of(url), **name}).check()
    with pytest.raises(ConfigError, match="`ssl_mode`: a certificate or key is none"):
        MysqlSource.from_config(config_of(url, ssl_mode={"mode": "verify_ca", "ca_certificate": "no pem"})).check()


def test_a_tunnel_with_tls_to_the_servers_own_name(secure: MariaDb) -> None:
    with Sshd() as sshd:
        tunnel = {"tunnel_method": "SSH_KEY_AUTH", "tunnel_host": "127.0.0.1", "tunnel_port": sshd.port,
                  "tunnel_user": sshd.user, "ssh_key": sshd.key}  # fmt: skip
        ssl = {"mode": "verify_identity", "ca_certificate": secure.authority.read_text()}
        url = secure.url("shop", user="reader", password="p@ss")
        MysqlSource.from_config(config_of(url, tunnel_method=tunnel, ssl_mode=ssl)).check()
        assert "Accepted publickey" in sshd.log()


def test_stopped_in_the_middle_of_an_answer(mariadb: MariaDb, sql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection can't be asked any more; that is not what is raised."""
    source = MysqlSource.from_config(config_of(sql.url))

    def stopped(*_: object) -> None:
        raise Stopped

    with pytest.raises(Stopped), source.connection() as connection:
        monkeypatch.setattr("pymysql.connections.Connection._read_bytes", stopped)
        connection.exec_driver_sql("SELECT 1")
    monkeypatch.undo()
    with source.connection() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    source.close()


def test_a_read_outlives_its_server(secure: MariaDb, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.sql.reader._TRIES", 2000)  # a server may take long to start
    monkeypatch.setattr("headwater.sql.reader.pause", lambda seconds: None)
    source = MysqlSource.from_config(config_of(secure.url("shop", user="reader", password="p@ss")))
    catalog = chosen(source.discover(), "full_refresh")
    messages: list[Any] = []
    killed = False
    for message in source.read(catalog):
        messages.append(message)
        if isinstance(message, Records) and not killed:
            killed = True
            secure.restart()
    rows = rows_of(result_of(iter(messages), catalog), "t")
    assert [row["id"] for row in rows] == list(range(1, 60001))
    assert "It goes on after the last row that was read." in caplog.text
