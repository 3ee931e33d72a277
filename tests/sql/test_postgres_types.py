"""Every type of PostgreSQL, with its extremes: the value is right, and it fulfils the schema that was discovered."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from headwater.sql.postgres import Postgres as Database
from headwater.testing import read
from tests.services.postgres import Postgres
from tests.sql.sources import changes_of, chosen, conform, cut_off, postgres_source, rows_of

LONE = "lost"  # a value without a form: null, and told

VALUES: list[tuple[str, str, Any]] = [
    ("smallint", "-32768", -32768),
    ("integer", "2147483647", 2147483647),
    ("bigint", "-9223372036854775808", -9223372036854775808),
    ("bigint", "9223372036854775807", 9223372036854775807),
    ("numeric(12,2)", "1234567890.10", 1234567890.10),
    ("numeric(38,0)", "99999999999999999999999999999999999999", 10**38 - 1),
    ("numeric(5,-2)", "12345", 12300),
    ("numeric(12,2)", "'NaN'", LONE),
    ("numeric", "123456789012345678901234567890.123456789", 123456789012345678901234567890.123456789),
    ("numeric", "'NaN'", LONE),
    ("numeric", "'Infinity'", LONE),
    ("numeric", "'1e130000'", LONE),
    ("real", "1.1", 1.1),
    ("double precision", "0.1::float8 + 0.2", 0.1 + 0.2),
    ("double precision", "1.7976931348623157e308", 1.7976931348623157e308),
    ("double precision", "5e-324", 5e-324),
    ("double precision", "'-0'", 0),
    ("double precision", "'NaN'", LONE),
    ("double precision", "'-Infinity'", LONE),
    ("real", "'Infinity'", LONE),
    ("money", "'$1,234.56'", 1234.56),
    ("oid", "4294967295", 4294967295),
    ("boolean", "true", True),
    ("text", "E'tab\\t quote\" back\\\\slash line\\n \\x01 \u2028 \U0001f600'",
     'tab\t quote" back\\slash line\n \x01 \u2028 \U0001f600'),
    ("text", "'NaN'", "NaN"),
    ("text", "'infinity'", "infinity"),
    ("text", "chr(1)", "\x01"),
    ("text", "''", ""),
    ("char(4)", "'a'", "a   "),
    ("varchar(3)", "'äöü'", "äöü"),
    ("\"char\"", "'x'", "x"),
    ("name", "'n'", "n"),
    ("bytea", "'\\x00ff10'", base64.b64encode(b"\x00\xff\x10").decode()),
    ("bytea", "decode(repeat('ab', 200), 'hex')", base64.b64encode(b"\xab" * 200).decode()),
    ("date", "'2024-02-29'", "2024-02-29"),
    ("date", "'0044-03-15 BC'", "0044-03-15 BC"),
    ("date", "'infinity'", LONE),
    ("date", "'-infinity'", LONE),
    ("date", "'10000-01-01'", LONE),
    ("timestamp", "'2024-02-29 12:34:56.123456'", "2024-02-29T12:34:56.123456"),
    ("timestamp", "'0044-03-15 12:00:00 BC'", "0044-03-15T12:00:00 BC"),
    ("timestamp", "'infinity'", LONE),
    ("timestamp", "'294276-12-31'", LONE),
    ("timestamptz", "'2024-02-29 12:34:56+05:30'", "2024-02-29T07:04:56+00:00"),
    ("timestamptz", "'-infinity'", LONE),
    ("timestamptz", "'9999-12-31 23:00:00-05'", LONE),
    ("time", "'23:59:59.999999'", "23:59:59.999999"),
    ("time", "'24:00'", LONE),
    ("timetz", "'12:00:00+02'", "12:00:00+02:00"),
    ("timetz", "'12:00:00.5-03:30'", "12:00:00.5-03:30"),
    ("timetz", "'12:00:00+02:30:15'", LONE),
    ("timetz", "'24:00:00+00'", LONE),
    ("interval", "'-1 year 2 mons 3 days 04:05:06.7'", "P-10M3DT4H5M6.7S"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("jsonb", "'{\"a\": [1, null, {\"b\": \"\\u00e9\"}]}'", {"a": [1, None, {"b": "é"}]}),
    ("jsonb", "'12345678901234567890123456789'", 12345678901234567890123456789),
    ("jsonb", "'\"text\"'", "text"),
    ("jsonb", "'null'", None),
    ("json", "E'{\\n  \"b\" : 1,\\r\\n \"a\":\\t\"x\\\\ny\" }'", {"b": 1, "a": "x\ny"}),
    ("json", "'[\"\\ud83d\\ude00 \\ud83d \\\\ud83d\"]'", ["\U0001f600 \ufffd \\ud83d"]),
    ("xml", "'<a b=\"1\"/>'", '<a b="1"/>'),
    ("inet", "'192.168.0.1/24'", "192.168.0.1/24"),
    ("cidr", "'10.0.0.0/8'", "10.0.0.0/8"),
    ("macaddr", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03"),
    ("bit(4)", "B'1010'", "1010"),
    ("varbit", "B''", ""),
    ("int4range", "'[1,10)'", "[1,10)"),
    ("int8multirange", "'{[1,3),[5,8)}'", "{[1,3),[5,8)}"),
    ("tstzrange", "'[2024-01-01 00:00+00,)'", '["2024-01-01 00:00:00+00",)'),
    ("point", "'(1,2)'", "(1,2)"),
    ("tsvector", "'a fat cat'", "'a' 'cat' 'fat'"),
    ("pg_lsn", "'16/B374D848'", "16/B374D848"),
    ("regclass", "'pg_class'", "pg_class"),
    ("integer[]", "'{1,null,3}'", [1, None, 3]),
    ("integer[]", "'{{1,2},{3,4}}'", [[1, 2], [3, 4]]),
    ("integer[]", "'{}'", []),
    ("text[]", "ARRAY['a\"b', null, 'NULL']", ['a"b', None, "NULL"]),
    ("bytea[]", "ARRAY['\\x00'::bytea, null]", ["AA==", None]),
    ("bytea[]", "'{}'", []),
    ("date[]", "ARRAY['2024-01-01', 'infinity']::date[]", LONE),
    ("double precision[]", "'{1.5,NaN}'", LONE),
    ("timetz[]", "ARRAY['12:00:00+02']::timetz[]", ["12:00:00+02:00"]),
    ("jsonb[]", "ARRAY['{\"a\":1}'::jsonb]", [{"a": 1}]),
    ("mood", "'very \"happy\"'", 'very "happy"'),
    ("mood[]", "ARRAY['sad']::mood[]", ["sad"]),
    ("positive", "5", 5),
    ("deep", "7", 7),
    ("spot", "ROW(1, 'here')", {"x": 1, "label": "here"}),
    ("hstore", "'a=>1, b=>NULL'", {"a": "1", "b": None}),
]  # fmt: skip
INSIDE = {"date[]": ["2024-01-01", None], "double precision[]": [1.5, None]}


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    url = postgres.database()
    name = url.rpartition("/")[2]
    for statement in (
        "CREATE EXTENSION hstore",
        "CREATE TYPE mood AS ENUM ('sad', 'very \"happy\"')",
        "CREATE DOMAIN positive AS integer CHECK (value > 0)",
        "CREATE DOMAIN deep AS positive",
        "CREATE TYPE spot AS (x integer, label text)",
    ):
        postgres.sql(statement, database=name)
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(VALUES))
    postgres.sql(f"CREATE TABLE every (id integer PRIMARY KEY, {columns})", database=name)
    postgres.sql(f"INSERT INTO every VALUES (1, {', '.join(value for _, value, _ in VALUES)})", database=name)
    postgres.sql("INSERT INTO every (id) VALUES (2)", database=name)
    return url


def test_every_value_is_right_and_fulfils_its_schema(database: str) -> None:
    source = postgres_source(database)
    catalog = source.discover()
    result = read(source)
    row, nulls = rows_of(result, "every")
    wrong = {}
    for number, (kind, value, due) in enumerate(VALUES):
        due = INSIDE.get(kind) if due is LONE else due
        found = row[f"c{number}"]
        if found != due or type(found) is not type(due):
            wrong[f"{kind} {value}"] = (found, due)
    assert not wrong
    assert set(nulls.values()) == {2, None}
    lost = {(f"c{number}", "NULLED") for number, (_, _, due) in enumerate(VALUES) if due is LONE}
    assert {change for change in changes_of(result) if change[1] == "NULLED"} == lost
    lone = [f"c{number}" for number, (_, value, _) in enumerate(VALUES) if "ud8" in value]
    assert [change for change in changes_of(result) if change[1] != "NULLED"] == [(name, "TRUNCATED") for name in lone]
    conform(catalog, result)


def test_the_schema_says_what_the_protocol_calls_each_type(database: str) -> None:
    (stream,) = postgres_source(database).discover().streams
    properties = stream.json_schema["properties"]
    found = {kind: properties[f"c{number}"] for number, (kind, _, _) in enumerate(VALUES)}
    assert stream.json_schema["properties"]["id"] == {"type": "integer"}
    assert found["numeric(38,0)"] == {"type": ["null", "integer"], "airbyte_type": "big_integer"}
    assert found["numeric"] == {"type": ["null", "number"], "airbyte_type": "big_number"}
    assert found["date"] == {"type": ["null", "string"], "format": "date"}
    assert found["timestamp"]["airbyte_type"] == "timestamp_without_timezone"
    assert found["timestamptz"]["airbyte_type"] == "timestamp_with_timezone"
    assert found["time"]["airbyte_type"] == "time_without_timezone"
    assert found["timetz"]["airbyte_type"] == "time_with_timezone"
    assert found["bytea"] == {"type": ["null", "string"], "contentEncoding": "base64"}
    assert found["jsonb"]["airbyte_type"] == "json"
    assert found["deep"] == {"type": ["null", "integer"]}
    assert found["integer[]"]["items"] == {"type": ["null", "integer", "array"]}


KEYS = ["date", "timestamp", "timestamptz", "numeric", "bytea", "text", "uuid", "boolean", "mood", "char(4)", "inet"]


@pytest.mark.parametrize("kind", [*KEYS, "time", "money", "numeric(12,2)", "double precision"])
def test_reading_goes_on_from_any_key(
    database: str, postgres: Postgres, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each of its values as the state has them: a key of every type that orders rows."""
    name = database.rpartition("/")[2]
    table = re.sub(r"\W", "_", f"keyed_{kind}")
    values = [value for each, value, due in VALUES if each == kind and due is not LONE]
    postgres.sql(f"CREATE TABLE {table} (k {kind} PRIMARY KEY)", database=name)
    postgres.sql(f"INSERT INTO {table} VALUES {', '.join(f'({value})' for value in values)}", database=name)
    source = postgres_source(database, tables=[table])
    monkeypatch.setattr(Database, "rows_per_step", 1)
    monkeypatch.setattr(Database, "page_size", 1)
    keys = [row["k"] for row in rows_of(read(source, full_refresh=True), table)]
    assert len(keys) == len(values)
    for count in range(1, len(keys) + 1):
        begun = cut_off(source, chosen(source.discover(), "full_refresh"), count)
        assert [row["k"] for row in rows_of(begun, table)] == keys[:count]
        rest = rows_of(read(source, state=begun, full_refresh=True, same_job=True), table)
        assert [row["k"] for row in rest] == keys[count - 1 :]  # the last one was not yet covered by a state
