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
BIG_INTEGER: Mapping[str, Any] = {"type": "integer", "airbyte_type": "big_integer"}
BIG_NUMBER: Mapping[str, Any] = {"type": "number", "airbyte_type": "big_number"}
BOOLEAN: Mapping[str, Any] = {"type": "boolean"}
BASE64: Mapping[str, Any] = {"type": "string", "contentEncoding": "base64"}
DATE: Mapping[str, Any] = {"type": "string", "format": "date"}
LOCAL: Mapping[str, Any] = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}
ZONED: Mapping[str, Any] = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
TIME: Mapping[str, Any] = {"type": "string", "format": "time", "airbyte_type": "time_without_timezone"}
ANY: Mapping[str, Any] = {"type": ["object", "array", "string", "number", "boolean"], "airbyte_type": "json"}
_IN_64_BITS, _IN_A_FLOAT = 18, 15


def exact(precision: int | None, scale: int | None) -> Mapping[str, Any]:
    """The schema of exact numbers; it says so where 64 bits don't hold all their digits.

    :param precision: how many digits they have; None: any number.
    :param scale: how many of them are behind the point; None: any number.
    """
    if scale is not None and scale <= 0:
        return INTEGER if precision is not None and precision - scale <= _IN_64_BITS else BIG_INTEGER
    return NUMBER if precision is not None and precision <= _IN_A_FLOAT else BIG_NUMBER


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
    if isinstance(kind, types.Float):
        return Kind(NUMBER)
    if isinstance(kind, types.Numeric):
        return Kind(exact(kind.precision, kind.scale if kind.precision is not None else None))
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
