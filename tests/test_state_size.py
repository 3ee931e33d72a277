"""States of many partitions: what they cost stays in proportion, in bytes, in work and in memory."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from headwater import Config, Cursor, Record, Slice, Source, Stream
from headwater.protocol.airbyte import decode, pieces
from headwater.protocol.airbyte import encode as encode_message
from headwater.protocol.messages import Records, State, StreamDescriptor
from headwater.protocol.values import encode
from headwater.resume import COMPLETE, PagesState
from headwater.state import StreamState


class Sensors(Stream):
    """Two records in each of many partitions."""

    name = "rows"
    primary_key = ("id",)
    cursor = Cursor("at")

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        assert isinstance(self.source, Plant)
        return ({"sensor": number} for number in range(self.source.count))

    def read(self, slice: Slice) -> Iterator[Record]:
        for minute in range(2):
            number = slice.partition["sensor"] * 2 + minute
            yield {"id": number, "at": f"2024-01-01T00:0{minute}:00Z", "text": "x" * 200}


class Plant(Source):
    """With so many sensors."""

    name = "plant"
    config: Config

    def __init__(self, count: int, concurrency: int = 1) -> None:
        super().__init__(Config())
        self.count, self.concurrency = count, concurrency

    def streams(self) -> Iterable[Stream]:
        return [Sensors(self)]


def told(source: Plant, state: Any = ()) -> tuple[int, int, int, State]:
    """Bytes of records, bytes and entries of all states, and the last state."""
    records = states = entries = 0
    last: State | None = None
    for message in source.read(source.discover().configured(None), state):
        if isinstance(message, Records):
            records += message.size
        elif isinstance(message, State):
            last = message
            states += len(encode(message.raw))
            entries += len((message.stream_state or {}).get("states", ()))
    assert last is not None
    return records, states, entries, last


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("count", [500, 8_000])
def test_all_states_together_cost_less_than_the_records(count: int, concurrency: int) -> None:
    records, states, entries, last = told(Plant(count, concurrency))
    assert states < records
    assert count <= entries < 4 * count  # in proportion, as each state has all partitions
    blob: Any = last.stream_state
    assert blob["states"] == [
        {"partition": {"sensor": number}, "cursor": {"at": "2024-01-01T00:01:00Z"}} for number in range(count)
    ]
    _, _, again, _ = told(Plant(count, concurrency), [last])
    assert again < 4 * count


@pytest.mark.parametrize("incremental", [True, False])
def test_what_a_partition_takes_of_memory(incremental: bool) -> None:
    """Of an incremental stream its name of 8 letters, a time of 20, and what finds it; of another, that it was read."""

    def grown(count: int) -> float:
        gc.collect()
        tracemalloc.start()
        state = StreamState("at", None) if incremental else PagesState(None, "rows")
        for number in range(count):
            place, _ = state.expect({"site": 1, "sensor": number})
            state.set(place, f"2024-01-01T00:{number % 60:02d}:00Z" if incremental else COMPLETE)
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(state) == count
        return size / count

    most = 80 if incremental else 60
    assert grown(5_000) < most
    assert grown(20_000) < most


def test_a_state_waits_in_little_memory_and_is_written_in_pieces() -> None:
    state = StreamState("at", None)
    for number in range(20_000):
        place, _ = state.expect({"sensor": number})
        state.set(place, f"2024-01-01T00:{number % 60:02d}:{number % 59:02d}Z")
    tracemalloc.start()
    message = State.of_pieces(StreamDescriptor("rows"), state.to_pieces() or (), 5)
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    length = sum(map(len, pieces(message)))
    written = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length == len(encode_message(message)) > 1_000_000
    assert kept < length / 5
    assert most < length
    assert written < length / 3


def test_a_state_takes_little_more_memory_than_its_line() -> None:
    source = Plant(8_000)
    states = [each for each in source.read(source.discover().configured(None), ()) if isinstance(each, State)]
    tracemalloc.start()
    line = encode_message(states[-1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(line)  # its dictionaries would take eight times as much
    assert decode(line) == states[-1]
    assert encode_message(states[-1]) == line  # decoded meanwhile
