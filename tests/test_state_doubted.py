"""A state's value that is none of the cursor's field is told: what lies before it would be missed without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater import Config, Cursor, Record, Slice, Source, Stream
from headwater.protocol.messages import State, StreamDescriptor
from headwater.testing import read

DAY = {"type": ["null", "string"], "format": "date"}
MOMENT = {"type": "string", "format": "date-time"}
TEXT = {"type": "string"}
NUMBER = {"type": ["null", "integer"]}


class Days(Stream):
    name = "days"
    primary_key = ("id",)
    cursor = Cursor("meta.at")

    def read(self, slice: Slice) -> Iterator[Record]:
        yield {"id": 1, "meta": {"at": "2024-01-01"}}


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        (MOMENT, "yesterday", True),
        (MOMENT, 17, True),
        (MOMENT, "2024-01-01T00:00:00Z", False),
        (MOMENT, "2024-01-01", False),
        (DAY, "01.02.2024", True),
        (DAY, "2024-01-01", False),
        (TEXT, 17, True),
        (TEXT, "yesterday", False),
        (NUMBER, "17", True),
        (NUMBER, 17, False),
        ({}, "yesterday", False),
    ],
)
def test_by_the_schema(field: dict[str, Any], value: Any, told: bool, caplog: pytest.LogCaptureFixture) -> None:
    meta = {"type": "object", "properties": {"at": field}}

    class Own(Days):
        schema = {"type": "object", "properties": {"id": NUMBER, "meta": meta}}

    class Calendar(Source):
        name = "calendar"
        config: Config

        def streams(self) -> list[Stream]:
            return [Own(self)]

    state = State.of_stream(StreamDescriptor("days"), {"meta.at": value})
    read(Calendar.from_config({}), state=[state])
    assert (f"its state says {value!r} of 'meta.at', which is no value of that field" in caplog.text) == told
