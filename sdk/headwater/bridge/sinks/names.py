"""Names in a database: which one a stream or a field gets."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from headwater.bridge.sinks.columns import Kind

RAW_ID = "_airbyte_raw_id"
EXTRACTED_AT = "_airbyte_extracted_at"
GENERATION_ID = "_airbyte_generation_id"
META = "_airbyte_meta"
OWN = {
    RAW_ID: Kind.STRING,
    EXTRACTED_AT: Kind.TIMESTAMP_TZ,
    GENERATION_ID: Kind.INTEGER,
    META: Kind.JSON,
}
"""The columns that every table has besides the stream's, named as Airbyte names them."""

PARENT_ID = "_airbyte_parent_id"
INDEX = "_airbyte_index"
LINK = {PARENT_ID: Kind.STRING, INDEX: Kind.INTEGER}
"""What a child table has besides: the raw id of the row that it belongs to, and its place in the array."""

OURS = "_headwater_"
"""What Headwater's own tables begin with; no stream's table does."""


def _lower(name: str) -> str:
    return name.lower()


@dataclass(frozen=True)
class NameRules:
    """What a database makes of names.

    :ivar fold: two names are one for the database where this makes them equal.
    :ivar limit: the most bytes of a name, in UTF-8; None: none that matters.
    :ivar prefixes: beginnings that the database keeps for itself, in lower case.
    :ivar columns: column names that it keeps for itself, in lower case.
    """

    fold: Callable[[str], str] = _lower
    limit: int | None = None
    prefixes: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()

    def safe(
        self, name: str, taken: Callable[[str], bool], identity: str | None = None, *, column: bool = False
    ) -> str:
        """The name of a table or column for a name of the source.

        It stays as it is unless the database could not tell or write it: it is empty or too long, has a NUL or
        a lone surrogate, begins like a name of the database's own or ours, or is one for the database with one
        that is taken. Then a checksum of the name is appended, so that it is the same in every run. Names are
        always quoted, so no word is reserved.

        :param taken: asked of a name as :attr:`fold` makes it.
        :param identity: what the checksum is of, where several things may have the name; default: the name.
        """
        plain = "".join("_" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in name)
        small = plain.lower()
        reserved = small.startswith((*self.prefixes, OURS)) or small in OWN or small in LINK
        reserved = reserved or (column and small in self.columns)
        fitting = self._cut(plain, self.limit) if self.limit else plain
        if fitting == name and name and not reserved and not taken(self.fold(name)):
            return name
        checksum = zlib.crc32((identity or name).encode("utf-8", "surrogatepass"))
        made = f"{'x' if reserved else ''}{plain}"
        if self.limit:
            made = self._cut(made, self.limit - 9)
        return f"{made}_{checksum:08x}"

    def prefixed(self, prefix: str, name: str) -> str:
        """A name with something of ours before it; where that is too long, its beginning, and a checksum."""
        made = prefix + name
        if self.limit is None or len(made.encode()) <= self.limit:
            return made
        return f"{self._cut(made, self.limit - 9)}_{zlib.crc32(name.encode()):08x}"

    @staticmethod
    def _cut(name: str, limit: int) -> str:
        return name.encode()[:limit].decode("utf-8", "ignore")


def quoted(name: str) -> str:
    """A name in SQL, as the standard has it."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class TableName:
    """A table: its schema (empty: the database's default) and its name."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        """Both in SQL."""
        return f"{quoted(self.schema)}.{quoted(self.name)}" if self.schema else quoted(self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name
