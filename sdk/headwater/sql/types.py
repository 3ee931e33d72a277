"""SQLAlchemy's types and their JSON Schemas: what a database is read with for which nothing better is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headwater.sql.tables import Kind

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

STRING: Mapping[str, Any] = {"type": "string"}
INTEGER: Mapping[str, Any] = {"type": "integer"}
NUMBER: Mapping[str, Any] = {"type": "number"}
BOOLEAN: Mapping[str, Any] = {"type": "boolean"}
BASE64: Mapping[str, Any] = {"type": "string", "contentEncoding": "base64"}
DATE: Mapping[str, Any] = {"type": "string", "format": "date"}
LOCAL: Mapping[str, Any] = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}
ZONED: Mapping[str, Any] = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
TIME: Mapping[str, Any] = {"type": "string", "format": "time", "airbyte_type": "time_without_timezone"}
ANY: Mapping[str, Any] = {"type": ["object", "array", "string", "number", "boolean"], "airbyte_type": "json"}


def kind_of(kind: TypeEngine[Any]) -> Kind:
    """How a type's values are read where the driver's Python values are what there is.

    Only rows in the order of whole numbers or text are read on from a value: how the others are written in SQL
    depends on the database.
    """
    from sqlalchemy import types

    if isinstance(kind, types.Boolean):
        return Kind(BOOLEAN)
    if isinstance(kind, types.Integer):
        return Kind(INTEGER, literal="CAST({0} AS BIGINT)", splits=True)
    if isinstance(kind, types.Numeric):  # floats, too
        whole = kind.scale == 0 and kind.precision is not None
        return Kind(INTEGER if whole else NUMBER)
    if isinstance(kind, types.DateTime):
        return Kind(ZONED if kind.timezone else LOCAL)
    if isinstance(kind, types.Date):
        return Kind(DATE)
    if isinstance(kind, types.Time):
        return Kind(TIME)
    if isinstance(kind, types.Uuid):
        return Kind({"type": "string", "format": "uuid"})
    if isinstance(kind, types.JSON):
        return Kind(ANY)
    if isinstance(kind, types.LargeBinary):
        return Kind(BASE64)
    if isinstance(kind, types.ARRAY):
        return Kind({"type": "array"})
    if isinstance(kind, types.String):
        return Kind(STRING, literal="{0}")
    return Kind({})
