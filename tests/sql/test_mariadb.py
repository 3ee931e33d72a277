"""MariaDB: every type with its extremes, ways of reading, TLS, rights, and servers that die."""

from __future__ import annotations

import base64
import logging
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headwater.errors import ConfigError, IncompleteError, TransientError
from headwater.protocol.messages import Records
from headwater.sql.mysql import Mysql
from headwater.testing import read
from headwater.testing.reading import result_of
from source_mysql import MysqlSource
from tests.services.mariadb import MariaDb, mariadb
from tests.services.sshd import Sshd
from tests.sql.sources import (
    changes_of,
    chosen,
    config_of,
    conform,
    cut_off,
    incremental,
    read_by,
    rows_of,
)

__all__ = ["mariadb"]
Sql = Callable[..., list[Any]]
LOST = "lost"  # a value without a form: null, and told
TEXT = "tab\t quote\" back\\slash line\n \x01 \u2028 ' \U0001f600"

VALUES: list[tuple[str, str, Any]] = [
    ("tinyint", "-128", -128),
    ("smallint unsigned", "65535", 65535),
    ("int", "-2147483648", -2147483648),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("bigint unsigned", "18446744073709551615", 2**64 - 1),
    ("decimal(65,30)", "'12345678901234567890123456789012345.123456789012345678901234567891'", 1.2345678901234568e34),
    ("decimal(38,0)", "'99999999999999999999999999999999999999'", 10**38 - 1),
    ("float", "1.1", 1.100000023841858),
    ("double", "0.1e0 + 0.2e0", 0.1 + 0.2),
    ("double", "1.7976931348623157e308", 1.7976931348623157e308),
    ("double", "2.2250738585072014e-308", 2.2250738585072014e-308),
    ("boolean", "true", True),
    ("boolean", "false", False),
    ("bit(1)", "b'1'", True),
    ("bit(64)", "b'" + "1" * 64 + "'", 2**64 - 1),
    ("year", "2155", 2155),
    ("date", "'2024-02-29'", "2024-02-29"),
    ("date", "'0000-00-00'", LOST),
    ("date", "'2024-00-10'", LOST),
    ("date", "'9999-12-31'", "9999-12-31"),
    ("datetime", "'2024-02-29 12:34:56'", "2024-02-29T12:34:56"),
    ("datetime(6)", "'2024-02-29 12:34:56.123456'", "2024-02-29T12:34:56.123456"),
    ("datetime", "'0000-00-00 00:00:00'", LOST),
    ("timestamp(3) null", "'2024-02-29 12:34:56.789'", "2024-02-29T09:34:56.789000Z"),  # the server is at +03:00
    ("timestamp null", "'0000-00-00 00:00:00'", LOST),
    ("time(6)", "'23:59:59.999999'", "23:59:59.999999"),
    ("time", "'838:59:59'", LOST),
    ("time", "'-00:00:01'", LOST),
    ("char(5)", "'ab'", "ab"),
    ("varchar(80)", "%s", TEXT),
    ("varchar(9) character set latin1", "'äöü'", "äöü"),
    ("varchar(9) character set utf16", "'ä\U0001f600'", "ä\U0001f600"),
    ("longtext", "REPEAT('é', 100000)", "é" * 100_000),
    ("text", "'infinity'", "infinity"),
    ("binary(4)", "'ab'", base64.b64encode(b"ab\0\0").decode()),
    ("varbinary(99)", "x'00ff10'", base64.b64encode(b"\x00\xff\x10").decode()),
    ("longblob", "REPEAT(x'ab', 200)", base64.b64encode(b"\xab" * 200).decode()),
    ("enum('a','b\"c','')", "'b\"c'", 'b"c'),
    ("set('x','y')", "'x,y'", "x,y"),
    ("json", "'{\"a\" : [1, null,\\n 12345678901234567890123456789, \"x\\\\ny\"]}'",
     {"a": [1, None, 12345678901234567890123456789, "x\ny"]}),
    ("json", "'\"text\"'", "text"),
    ("point", "POINT(1, 2)", "POINT(1 2)"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("inet6", "'::1'", "::1"),
]  # fmt: skip


@pytest.fixture
def sql(mariadb: MariaDb) -> Iterator[Sql]:
    """Runs statements in a fresh database."""
    name = mariadb.database().rpartition("/")[2]

    def run(statement: str, *parameters: Any) -> list[Any]:
        return mariadb.sql(statement, *parameters, database=name)

    run.url = mariadb.url(name)  # type: ignore[attr-defined]
    yield run
    mariadb.sql(f"DROP DATABASE {name}")


def source_of(sql: Any, **settings: Any) -> MysqlSource:
    return MysqlSource.from_config(config_of(sql.url, **settings))


def test_every_value_is_right_and_fulfils_its_schema(mariadb: MariaDb, sql: Sql) -> None:
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(VALUES))
    sql(f"CREATE TABLE every (id int PRIMARY KEY, {columns}) CHARACTER SET utf8mb4 ROW_FORMAT=DYNAMIC")
    mariadb.sql("SET GLOBAL sql_mode = ''")
    try:
        values = ", ".join(value for _, value, _ in VALUES).replace("%s", "\0").replace("%", "%%").replace("\0", "%s")
        sql(f"INSERT INTO every VALUES (1, {values})", TEXT)
    finally:
        mariadb.sql("SET GLOBAL sql_mode = DEFAULT")
    sql("INSERT INTO every (id) VALUES (2)")
    source = source_of(sql)
    catalog, result = source.discover(), read(source)
    row, nulls = rows_of(result, "every")
    wrong = {}
    for number, (kind, value, due) in enumerate(VALUES):
        due, found = None if due is LOST else due, row[f"c{number}"]
        if found != due or type(found) is not type(due):
            wrong[f"{kind} {value}"[:80]] = (found, due)
    assert not wrong
    assert set(nulls.values()) == {2, None}
    lost = {(f"c{n}", "NULLED") for n, (_, _, due) in enumerate(VALUES) if due is LOST}
    assert {change for change in changes_of(result) if change[1] == "NULLED"} == lost
    conform(catalog, result)
    properties = catalog.streams[0].json_schema["properties"]
    kinds = {kind: properties[f"c{n}"] for n, (kind, _, _) in enumerate(VALUES)}
    assert kinds["bit(1)"] == kinds["boolean"] == {"type": ["null", "boolean"]}
    assert kinds["timestamp null"]["airbyte_type"] == "timestamp_with_timezone"
    assert kinds["datetime"]["airbyte_type"] == "timestamp_without_timezone"
    assert kinds["json"]["airbyte_type"] == "json"
    assert kinds["decimal(38,0)"] == {"type": ["null", "integer"]}


def test_all_digits_of_a_decimal_are_in_the_record(sql: Sql) -> None:
    sql("CREATE TABLE t (id int PRIMARY KEY, v decimal(65,30))")
    sql("INSERT INTO t VALUES (1, '12345678901234567890123456789012345.123456789012345678901234567891')")
    catalog = source_of(sql).discover().configured()
    data = [bytes(one) for m in source_of(sql).read(catalog) if isinstance(m, Records) for one in m.data]
    assert b"12345678901234567890123456789012345.123456789012345678901234567891" in data[0]


KEYS = [
    ("bigint unsigned", ["0", "9007199254740993", "18446744073709551615"]),
    ("decimal(40,10)", ["-1.5", "12345678901234567890.1234567891", "12345678901234567890.1234567892"]),
    ("varchar(20)", ["''", "'a'", "'B'", "'back\\\\slash'", "'it''s'"]),
    ("varchar(20) character set latin1", ["'ä'", "'z'"]),
    ("varbinary(20)", ["x''", "x'00'", "x'ff01'"]),
    ("double", ["-1.5", "0.1", "1e300"]),
    ("date", ["'2023-12-31'", "'2024-01-01'"]),
    ("datetime(6)", ["'2024-01-01 00:00:00.000001'", "'2024-01-01 00:00:00.000002'"]),
    ("timestamp(3)", ["'2024-01-01 00:00:00.001'", "'2024-07-01 00:00:00'"]),
    ("time(3)", ["'00:00:00.001'", "'12:00:00'"]),
    ("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00eebc99-9c0b-1ef8-bb6d-6bb9bd380a11'"]),
]


@pytest.mark.parametrize(("kind", "values"), KEYS)
def test_reading_goes_on_from_any_key(sql: Sql, kind: str, values: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mysql, "rows_per_step", 1)
    monkeypatch.setattr(Mysql, "page_size", 1)
    sql(f"CREATE TABLE t (k {kind}, n int, PRIMARY KEY (k, n))")
    sql(f"INSERT INTO t VALUES {', '.join(f'({value}, {n})' for value in values for n in (1, 2))}".replace("%", "%%"))
    source = source_of(sql)
    keys = rows_of(read(source, full_refresh=True, same_job=True), "t")
    assert len(keys) == 2 * len(values)
    for count in range(1, len(keys) + 1):
        begun = cut_off(source, chosen(source.discover(), "full_refresh"), count)
        assert rows_of(begun, "t") == keys[:count]
        rest = rows_of(read(source, state=begun, full_refresh=True, same_job=True), "t")
        assert rest == keys[count - 1 if count > 1 else 0 :]


def test_by_cursor_with_changes_ties_nulls_and_lookback(sql: Sql, caplog: Any) -> None:
    sql("CREATE TABLE t (id int PRIMARY KEY, at timestamp(6) NULL)")
    sql("INSERT INTO t SELECT seq, timestamp'2024-01-01 00:00:00' + interval seq minute FROM seq_0_to_59")
    sql("INSERT INTO t VALUES (60, NULL)")
    with caplog.at_level(logging.WARNING, "headwater"):
        first = read_by(source_of(sql), "at")
    assert len(rows_of(first, "t")) == 61
    assert "t has rows without a value of its cursor at" in caplog.text
    (state,) = first.states
    assert state.stream_state == {"at": "2023-12-31T21:59:00.000000Z"}
    sql("INSERT INTO t VALUES (61, '2024-01-01 00:59:00'), (62, '2024-01-01 00:57:30')")
    assert [row["id"] for row in rows_of(read_by(source_of(sql), "at", state=first), "t")] == [59, 61]
    again = rows_of(read_by(source_of(sql, lookback=90), "at", state=first), "t")
    assert [row["id"] for row in again] == [62, 58, 59, 61]


def test_cut_off_anywhere_nothing_is_lost(sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mysql, "rows_per_step", 7)
    monkeypatch.setattr(Mysql, "page_size", 100)
    sql("CREATE TABLE t (id int, at int)")
    sql("INSERT INTO t SELECT seq, IF(seq % 5, seq DIV 9, NULL) FROM seq_0_to_499")
    source = source_of(sql)
    rng = random.Random(1)
    for _ in range(10):
        cut = cut_off(source, incremental(source.discover(), "at"), rng.randrange(1, 500))
        rest = read_by(source, "at", state=cut)
        assert {row["id"] for result in (cut, rest) for row in rows_of(result, "t")} == set(range(500))


def test_all_streams_are_seen_at_one_point_in_time(sql: Sql) -> None:
    sql("CREATE TABLE a (id int PRIMARY KEY, pad text)")
    sql("CREATE TABLE b (id int PRIMARY KEY, pad text)")
    sql("INSERT INTO a SELECT seq, REPEAT('x', 500) FROM seq_1_to_20000")
    source = source_of(sql)
    catalog = chosen(source.discover(), "full_refresh")
    messages: list[Any] = []
    moved = False
    for message in source.read(catalog):
        messages.append(message)
        if isinstance(message, Records) and not moved:
            moved = True
            sql("INSERT INTO b SELECT * FROM a")
            sql("DELETE FROM a")
    result = result_of(iter(messages), catalog)
    assert [row["id"] for row in rows_of(result, "a")] == list(range(1, 20001))
    assert rows_of(result, "b") == []


@pytest.mark.parametrize(
    "name", ['Quoted "Name"', "ünïcode 表", "select", "back\\slash", "a.b", "100% s", "`tick`", "o'c"]
)
def test_any_name(sql: Sql, name: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    sql(f"CREATE TABLE {quoted} ({quoted} int PRIMARY KEY, at int)")
    sql(f"INSERT INTO {quoted} VALUES (1, 2), (2, 3)")
    source = source_of(sql)
    (rows,) = read_by(source, name).ok().records.values()
    assert rows == [{name: 1, "at": 2}, {name: 2, "at": 3}]


def test_views_filters_columns_and_a_thousand_of_them(sql: Sql) -> None:
    sql(f"CREATE TABLE wide (id int PRIMARY KEY, {', '.join(f'c{n} int' for n in range(1000))})")
    sql("INSERT INTO wide (id, c999) VALUES (1, 7), (2, 8)")
    sql("CREATE VIEW v AS SELECT id, c999 AS last FROM wide")
    source = source_of(
        sql,
        table_settings=[{"table": "wide", "row_filter": "id = 2"}, {"table": "v", "primary_key": ["id"]}],
    )
    result = read(source)
    (row,) = rows_of(result, "wide")
    assert len(row) == 1001 and row["c999"] == 8
    assert rows_of(result, "v") == [{"id": 1, "last": 7}, {"id": 2, "last": 8}]


def test_a_row_that_is_too_large_for_the_server_is_told(sql: Sql) -> None:
    sql("CREATE TABLE t (id int PRIMARY KEY, v longtext, w longtext)")
    sql("INSERT INTO t VALUES (1, REPEAT('x', 9000000), REPEAT('x', 9000000))")
    with pytest.raises(IncompleteError, match=r"t has a row whose JSON is larger than the server's max_allowed_packet"):
        read(source_of(sql)).ok()


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
