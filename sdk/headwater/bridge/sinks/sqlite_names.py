"""Names in SQLite: which a stream or a field gets, and how they are written in SQL."""

from __future__ import annotations

import zlib
from collections.abc import Callable

RAW_ID = "_airbyte_raw_id"
META = {
    RAW_ID: "TEXT NOT NULL",
    "_airbyte_extracted_at": "INTEGER NOT NULL",
    "_airbyte_generation_id": "INTEGER NOT NULL",
    "_airbyte_meta": "TEXT NOT NULL",
}


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def safe_name(name: str, taken: Callable[[str], bool], identity: str | None = None) -> str:
    """The name of a table or column for a name of the source.

    It stays as it is unless SQLite could not tell or write it: it is empty, has a NUL or a lone surrogate,
    begins like SQLite's own or ours, or differs only in case from one that is taken. Then a checksum of the
    name is appended, so that it is the same in every run.

    :param identity: what the checksum is of, where several things may have the name; default: the name.
    """
    plain = "".join("_" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in name)
    reserved = plain.lower().startswith(("sqlite_", "_headwater_")) or plain.lower() in META
    if plain == name and name and not reserved and not taken(name):
        return name
    checksum = zlib.crc32((identity or name).encode("utf-8", "surrogatepass"))
    return f"{'x' if reserved else ''}{plain}_{checksum:08x}"
