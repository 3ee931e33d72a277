"""MariaDB: every type with its extremes, and reading that goes on from any key."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from headwater.protocol.messages import Records
from headwater.sql.mysql import Mysql
from headwater.testing import read
from tests.services.mariadb import MariaDb, mariadb
from tests.sql.mariadb_tables import Sql, source_of, sql
from tests.sql.sources import (
    changes_of,
    chosen,
    conform,
    cut_off,
    rows_of,
)

__all__ = ["mariadb", "sql"]
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
    ("int(8) zerofill", "42", 42),
    ("bigint unsigned zerofill", "18446744073709551615", 2**64 - 1),
    ("decimal(9,2) zerofill", "1.5", 1.5),
    ("double zerofill", "0.25", 0.25),
    ("float", "1.1", 1.100000023841858),
    ("double", "0.1e0 + 0.2e0", 0.1 + 0.2),
    ("double", "1.7976931348623157e308", 1.7976931348623157e308),
    ("double", "2.2250738585072014e-308", 2.2250738585072014e-308),
    ("boolean", "true", True),
    ("boolean", "false", False),
    ("bit(1)", "b'1'", True),
    ("bit(64)", "b'" + "1" * 64 + "'", 2**64 - 1),
    ("year", "2155", 2155),
    ("year", "0", 0),
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
    ("varchar(9) character set ascii", "x'67fc3f'", LOST),
    ("varchar(9) character set ascii", "'wh?t'", "wh?t"),
    ("varchar(9) character set latin1", "x'67fc81'", "gü\x81"),
    ("text character set gbk", "x'd6d0a140'", LOST),
    ("text character set gbk", "x'd6d03f'", "中?"),
    ("char(4) character set sjis", "x'93fa3f'", "日?"),
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
    assert kinds["decimal(38,0)"] == {"type": ["null", "integer"], "airbyte_type": "big_integer"}


def test_all_digits_of_a_decimal_are_in_the_record(sql: Sql) -> None:
    sql("CREATE TABLE t (id int PRIMARY KEY, v decimal(65,30))")
    sql("INSERT INTO t VALUES (1, '12345678901234567890123456789012345.123456789012345678901234567891')")
    catalog = source_of(sql).discover().configured()
    data = [bytes(one) for m in source_of(sql).read(catalog) if isinstance(m, Records) for one in m.data]
    assert b"12345678901234567890123456789012345.123456789012345678901234567891" in data[0]


KEYS = [
    ("bigint unsigned", ["0", "9007199254740993", "18446744073709551615"]),
    ("decimal(40,10)", ["-1.5", "12345678901234567890.1234567891", "12345678901234567890.1234567892"]),
    ("decimal(65,0)", [f"-{'9' * 65}", "1" + "0" * 64, "1" + "0" * 63 + "1"]),
    ("decimal(65,30)", [f"{'9' * 35}.{'0' * 29}1", f"{'9' * 35}.{'0' * 29}2"]),
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
