"""Reads for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from headwater import Config, ConfigError, Cursor, Record, Slice, Source, Stream
from headwater.errors import IncompleteError
from headwater.protocol.messages import Status
from headwater.testing import read


class Numbers(Stream):
    name = "numbers"
    cursor = Cursor("n", order="ascending")

    def read(self, slice: Slice) -> Iterator[Record]:
        yield from ({"n": n} for n in range(slice.start or 0, 5))


class Broken(Stream):
    name = "broken"
    namespace = "a"

    def read(self, slice: Slice) -> Iterator[Record]:
        yield {"n": 1}
        raise ConfigError("no")


class Both(Source):
    name = "both"
    config: Config

    def streams(self) -> Iterable[Stream]:
        return [Numbers(self), Broken(self)]


def test_everything_that_a_read_says() -> None:
    result = read(Both(Config()))
    assert result.records == {"numbers": [{"n": n} for n in range(5)], "a.broken": [{"n": 1}]}
    assert result.statuses["numbers"] == [Status.STARTED, Status.RUNNING, Status.COMPLETE]
    assert result.statuses["a.broken"][-1] is Status.INCOMPLETE
    assert [trace.message for trace in result.traces] == ["no"]
    assert [state.stream_state for state in result.states] == [{"n": 4}]
    with pytest.raises(IncompleteError):
        result.ok()


def test_a_second_read_goes_on() -> None:
    first = read(Both(Config()), "numbers").ok()
    assert read(Both(Config()), "numbers", state=first).ok().records == {"numbers": [{"n": 4}]}
    assert len(read(Both(Config()), "numbers", state=first, full_refresh=True).records["numbers"]) == 5
