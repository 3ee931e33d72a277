"""Records brought to a schema, and the words of schemas, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from headwater.coercion import Coercion
from headwater.protocol.messages import Change

Schema = dict[str, Any]
NULLED, TRUNCATED = "NULLED", "TRUNCATED"


def coerced(schema: Mapping[str, Any], *records: Any) -> tuple[list[Any], Mapping[int, Sequence[Change]]]:
    """Records through a coercion to ``{"properties": schema}``."""
    data = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    found, changes = Coercion({"properties": schema})(data)
    return [json.loads(bytes(record)) for record in found], changes


def one(schema: Mapping[str, Any], value: Any) -> tuple[Any, str]:
    """A value through a coercion, and what is told of it."""
    (record,), changes = coerced({"x": schema}, {"x": value})
    told = changes.get(0, ())
    assert all(change.field == "x" and change.reason == "SOURCE_SERIALIZATION_ERROR" for change in told)
    return record["x"], " ".join(change.change for change in told)


INTEGER, NUMBER, BOOLEAN, STRING = ({"type": kind} for kind in ("integer", "number", "boolean", "string"))
DATE, TIME = {"type": "string", "format": "date"}, {"type": "string", "format": "time"}
MOMENT = {"type": "string", "format": "date-time"}
LOCAL = {**MOMENT, "airbyte_type": "timestamp_without_timezone"}
LOCAL_TIME = {**TIME, "airbyte_type": "time_without_timezone"}
