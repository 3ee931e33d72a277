"""What each published ingestion method can't do, and so has to be done for it.

Read in the plugins' source and tried: see ``docs/run-in-vdk.md``. A method that is not in the table gets
plain dictionaries as the source gave them, one posting at a time.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headwater.errors import DestinationError

_SQLITE = (
    "add all alter and as autoincrement between case check collate commit constraint create default "
    "deferrable delete distinct drop else escape except exists foreign from group having if in index "
    "insert intersect into is isnull join limit not nothing notnull null on or order primary "
    "references returning select set table then to transaction union unique update using values when "
    "where "
)
_DUCKDB = (
    "all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by "
    "case cast check collate collation column concurrently constraint create cross default deferrable "
    "desc describe distinct do else end except false fetch for foreign freeze from full glob group "
    "having ilike in initially inner intersect into is isnull join lambda lateral leading left like "
    "limit natural not notnull null offset on only or order outer overlaps pivot pivot_longer "
    "pivot_wider placing positional primary qualify references returning right select semi show "
    "similar some summarize symmetric table tablesample then to trailing true union unique unpack "
    "unpivot using variadic verbose when where window with "
)
_INT64 = range(-(2**63), 2**63)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Method:
    """The facts about one ingestion method.

    :ivar flat: it can't bind lists, objects and integers over 64 bits: they become JSON text.
    :ivar same_keys: every record of a posting needs the same keys: missing ones become null.
    :ivar reserved: it writes names into SQL without quotes: what is not a plain name, or is one of these
        words, is renamed. None: names stay.
    :ivar parallel: several postings at a time do no harm.
    :ivar rows: the most records of one posting.
    :ivar tables: ``sqlite`` or ``duckdb``: its tables are prepared first, see ``tables.py``.
    """

    flat: bool = False
    same_keys: bool = False
    reserved: frozenset[str] | None = None
    parallel: bool = False
    rows: int = 1000
    tables: str | None = None


METHODS: Mapping[str, Method] = {
    # An INSERT and a disk sync a record: a small posting is acknowledged soon.
    "vdk.plugin.sqlite": Method(True, True, frozenset(_SQLITE.split()), rows=500, tables="sqlite"),
    "vdk.plugin.duckdb": Method(True, True, frozenset(_DUCKDB.split()), rows=2000, tables="duckdb"),
    "vdk.plugin.postgres": Method(True, True, rows=2000),
    "vdk.plugin.ingest_file": Method(rows=5000),
    "vdk.plugin.ingest_http": Method(parallel=True),
}


def facts(ingester: Any) -> Method:
    """What holds for an ``IIngesterPlugin``: looked up by the module of its class or of a class it extends.

    Not by the method's name, since vdk-sqlite registers one for every section of the configuration.
    """
    for cls in type(ingester).__mro__:
        for module, method in METHODS.items():
            if cls.__module__ == module or cls.__module__.startswith(module + "."):
                return method
    return Method()


def plain_name(name: str, reserved: frozenset[str]) -> str:
    """The name as it can stand in SQL without quotes: other characters and a reserved word get a ``_``."""
    if _PLAIN_NAME.match(name) and name.lower() not in reserved:
        return name
    made = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if not made or made[0].isdigit() or made.lower() in reserved:
        made = f"_{made}" if not made or made[0].isdigit() else f"{made}_"
    return made


def renamed(keys: Iterable[str], reserved: frozenset[str], table: str) -> dict[str, str]:
    """From each key to its column.

    :raises DestinationError: when two keys would fall into one column, since a value would be lost.
    """
    columns: dict[str, str] = {}
    taken: dict[str, str] = {}
    for key in keys:
        columns[key] = name = plain_name(key, reserved)
        if (other := taken.setdefault(name.lower(), key)) != key:
            raise DestinationError(
                f"Table {table!r}: the fields {other!r} and {key!r} would both become the column {name!r}. "
                "Rename one of them in a map function, or use a method that quotes names (headwater-sqlite).",
                stream=table,
            )
    return columns


def flat(value: Any) -> Any:
    """The value as a driver can bind it: lists and objects as JSON text, too big integers as text."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    if isinstance(value, int) and value not in _INT64:
        return str(value)
    return value


def bytes_of(value: Any) -> Any:
    """The bytes of a base64 text; anything else, and a text that is none, stays."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return value
