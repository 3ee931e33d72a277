"""MySQL's and MariaDB's types: their JSON Schemas, and the SQL that gives their values to ``JSON_OBJECT``.

That writes whole and decimal numbers with all their digits. What it does not do: bytes, bits, a ``T`` in a
timestamp, the digits of a FLOAT; and dates that are none (``0000-00-00``, the 31st of February) and times longer
than a day have no form at all. These become null; see :mod:`headwater.sql.marks`.
"""

from __future__ import annotations

from dataclasses import replace

from headwater.sql.tables import Kind
from headwater.sql.types import ANY, BASE64, BOOLEAN, DATE, INTEGER, LOCAL, NUMBER, STRING, TIME, ZONED, exact

MARK = "CHAR(1 USING utf8mb4)"


def _text(sql: str) -> str:
    """A text as ``JSON_OBJECT`` takes it beside others, whatever their character sets and collations."""
    return f"CONVERT({sql} USING utf8mb4) COLLATE utf8mb4_bin"


_INTEGER = Kind(INTEGER, literal="{0}", splits=True)
# MariaDB would write leading zeros, with which a number is no JSON.
_YEAR = replace(_INTEGER, sql="{0} + 0")
_BITS = Kind(INTEGER, "{0} + 0")
_BOOLEAN = Kind(BOOLEAN, "{0} <> 0")
# Of a comparison MariaDB makes true or false. MySQL has a JSON type, and needs no luck with it.
_CAST_BOOLEAN = Kind(BOOLEAN, "CAST(IF({0} IS NULL, NULL, IF({0} <> 0, 'true', 'false')) AS JSON)")
_TEXT = Kind(STRING, _text("{0}"), "{0}")
_UNICODE = frozenset(("utf8mb4", "utf8mb3", "utf8", "latin1", "ucs2", "utf16", "utf16le", "utf32", "koi8r", "macroman"))
"""Character sets all of whose letters are in Unicode. Those of others that are not would be question marks."""
_HAS_NONE = f"CHAR_LENGTH(REPLACE({{0}}, '?', '')) <> CHAR_LENGTH(REPLACE({_text('{0}')}, '?', ''))"
_MARKED_TEXT = _text(f"IF({_HAS_NONE}, {MARK}, {_text('{0}')})")
# A result longer than the server's max_allowed_packet would be null without a word.
_BASE64 = _text(f"IF({{0}} IS NULL, NULL, COALESCE(REPLACE(TO_BASE64({{0}}), '\\n', ''), {MARK}))")
_IS_DATE = "LAST_DAY({0}) IS NOT NULL AND YEAR({0}) > 0"
_SAID = f"IF({{0}} IS NULL, NULL, {MARK})"
_WHOLE = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint"))
_TEXTS = frozenset(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "uuid", "inet4", "inet6"))
_BYTES = frozenset(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"))
_SHAPES = ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
           "geometrycollection")  # fmt: skip


def kind_of(
    name: str,
    written: str,
    precision: int | None,
    scale: int | None,
    fraction: int | None,
    *,
    is_json: bool,
    mariadb: bool,
    charset: str | None = None,
) -> Kind:
    """How values of a type are read.

    :param name: the type, as ``information_schema.columns.data_type`` has it.
    :param written: with its length and the like, as ``column_type`` has it.
    :param precision: digits.
    :param scale: those of them after the point.
    :param fraction: digits of a second.
    :param is_json: a text that is made sure to be JSON, which is what MariaDB has for a type.
    :param charset: that of a text.
    """
    if written.startswith("tinyint(1)") or written == "bit(1)":
        return _BOOLEAN if mariadb else _CAST_BOOLEAN
    if name == "year":
        return _YEAR
    if "zerofill" in written:
        return replace(kind_of(name, "", precision, scale, fraction, is_json=False, mariadb=mariadb), sql="{0} + 0")
    if name in _WHOLE:
        return _INTEGER
    if name == "bit":
        return _BITS
    if name == "decimal":
        return Kind(exact(precision, scale), literal="CAST({0} AS DECIMAL(65, 30))")
    if name == "double":
        return Kind(NUMBER, literal="CAST({0} AS DOUBLE)")
    if name == "float":
        return Kind(NUMBER, "CAST({0} AS DOUBLE)")
    if name in ("date", "datetime", "timestamp", "time"):
        return _moment(name, fraction or 0)
    if name == "json" or is_json:
        return _json(mariadb=mariadb)
    if name in _TEXTS:
        return _TEXT if charset is None or charset in _UNICODE else replace(_TEXT, sql=_MARKED_TEXT, marked=True)
    if name in _BYTES:
        return Kind(BASE64, _BASE64, "{0}", marked=True)
    if name in ("enum", "set"):  # their order is another one than that of their text
        return Kind(STRING, _text("{0}"))
    return Kind(STRING, _text("ST_AsText({0})" if name in _SHAPES else "{0}"))


def _moment(name: str, fraction: int) -> Kind:
    if name == "date":
        sql = _text(f"IF({_IS_DATE}, {{0}}, {_SAID})")
        return Kind(DATE, sql, "CAST({0} AS DATE)", "LAST_DAY({0}) IS NOT NULL", marked=True)
    if name == "time":
        sql = _text(f"IF({{0}} >= '00:00:00' AND {{0}} < '24:00:00', {{0}}, {_SAID})")
        return Kind(TIME, sql, "CAST({0} AS TIME(6))", marked=True)
    form = "%Y-%m-%dT%H:%i:%s" + (".%f" if fraction else "") + ("Z" if name == "timestamp" else "")
    sql = _text(f"IF({_IS_DATE}, DATE_FORMAT({{0}}, '{form}'), {_SAID})")
    schema = ZONED if name == "timestamp" else LOCAL
    return Kind(schema, sql, "CAST({0} AS DATETIME(6))", "LAST_DAY({0}) IS NOT NULL", marked=True)


def _json(*, mariadb: bool) -> Kind:
    if not mariadb:
        return Kind(ANY)
    # The check that makes a text JSON can be off.
    sql = "JSON_COMPACT(IF({0} IS NULL OR JSON_VALID({0}), {0}, '\"\\\\u0001\"'))"
    return Kind(ANY, sql, marked=True, loose=True)
