"""What a flow may choose of an SQL destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, get_args

Misfits = Literal["text", "null"]
Refused = Literal["fail", "table"]
Nested = Literal["json", "flat", "tables"]

CHOICES: Mapping[str, tuple[str, ...]] = {
    "misfits": get_args(Misfits),
    "refused": get_args(Refused),
    "nested": get_args(Nested),
}
"""Each option's values, by its name."""


@dataclass(frozen=True)
class SqlOptions:
    """A flow's choices.

    :ivar misfits: what becomes of a value that its column can't hold: ``text`` keeps it, and widens the column;
        ``null`` drops it. Either is told in ``_airbyte_meta``.
    :ivar refused: what becomes of a record that the database refuses, or that is no JSON object: ``fail`` ends
        the sync, ``table`` puts it into the table ``_headwater_refused`` with the reason.
    :ivar nested: objects and arrays stay JSON columns; ``flat`` gives each field of an object a column of its
        own; ``tables`` does that, and gives arrays child tables.
    """

    misfits: Misfits = "text"
    refused: Refused = "fail"
    nested: Nested = "json"

    def chosen(self) -> list[str]:
        """The names of the options that are not what they are by default."""
        return [each.name for each in fields(self) if getattr(self, each.name) != each.default]
