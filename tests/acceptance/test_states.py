"""E17 looks at states that come twice: which of them say nothing new, though there is something new to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from headwater.acceptance.checks.reading_states import Moves
from headwater.acceptance.connector import Connector
from headwater.acceptance.recording import Line, Recording
from headwater.acceptance.streams import configured

STREAM = {
    "name": "items", "supported_sync_modes": ["incremental"], "source_defined_cursor": True,
    "default_cursor_field": ["at"], "json_schema": {},
}  # fmt: skip
Told = tuple[str, Any]


def found(*messages: Told) -> int:
    """How many states are wrong."""
    recording = Recording(0, ["read"], ["x"], Path("/nowhere"))
    watch = Moves(cast("Connector", None), recording, configured({"streams": [STREAM]}))
    for number, (kind, value) in enumerate(messages):
        line = Line(number, 0.0, b"")
        if kind == "record":
            watch.record(line, {"data": {"at": value}}, "items")
        else:
            watch.state(line, {"type": "STREAM", "stream": {"stream_state": value}}, ("items",))
    watch.end()
    return len(watch.findings)


def parts(**values: Any) -> dict[str, Any]:
    return {"states": [{"partition": {"part": name}, "cursor": {"at": at}} for name, at in values.items()]}


@pytest.mark.parametrize("state", [lambda at: {"at": at}, lambda at: {"seconds": {"at": at * 60}}])
def test_records_of_the_second_where_the_state_stands_move_nothing(state: Any) -> None:
    """The last state is due all the same: what came since the one before is counted by it, and it ends the stream."""
    assert not found(
        ("record", 1), ("record", 7), ("state", state(7)), ("record", 7), ("record", 7), ("state", state(7))
    )


@pytest.mark.parametrize("state", [lambda at: {"at": at}, lambda at: {"seconds": {"at": at * 60}}])
def test_later_ones_do(state: Any) -> None:
    assert found(("record", 1), ("record", 7), ("state", state(7)), ("record", 7), ("record", 8), ("state", state(7)))


def test_the_end_of_one_part_may_come_after_another_part() -> None:
    both = parts(a=7, b=3)
    begin: list[Told] = [("record", 7), ("state", parts(a=7)), ("record", 2), ("record", 3), ("state", both)]
    assert not found(*begin, ("record", 7), ("record", 7), ("state", both))
    assert not found(*begin, ("record", 7), ("record", 3), ("record", 7), ("state", both))
    assert found(*begin, ("record", 7), ("record", 4), ("state", both))
    assert found(*begin, ("record", 6), ("state", both))


def test_the_same_state_without_records_is_no_news_either() -> None:
    assert not found(("record", 1), ("state", {"at": 1}), ("state", {"at": 1}))
