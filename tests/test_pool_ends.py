"""The end of a read by several threads: stopped, closed, or only just taken."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from headwater import Cursor, Slice
from headwater.errors import IncompleteError, SourceError, Stopped
from headwater.protocol.messages import Records, State, Status, StreamStatus
from headwater.stream import Page
from headwater.testing import read
from headwater.waiting import pause
from tests.listings import counts, ids, states
from tests.pools import Many, Parts, impatient, legal, many, no_thread_is_left, reading, rows

__all__ = ["impatient", "no_thread_is_left"]

pytestmark = pytest.mark.usefixtures("impatient", "no_thread_is_left")


@pytest.mark.parametrize("concurrency", [2, 5])
def test_stopped_anywhere_all_that_was_begun_is_incomplete(concurrency: int) -> None:
    parts = many(3, 3, 4)
    length = len(list(Many(concurrency, **parts).read(Many(1, **parts).discover().configured())))
    truth = {number for each in parts.values() for rows in each.values() for number, _ in rows}
    for count in range(1, length, 2):
        source = Many(concurrency, **parts)
        messages = source.read(source.discover().configured())
        given = list(itertools.islice(messages, count))
        ended = {m.stream for m in given if isinstance(m, StreamStatus) and m.status is Status.COMPLETE}
        try:
            given.append(messages.throw(Stopped()))  # type: ignore[attr-defined]
            given.extend(messages)
        except (Stopped, StopIteration):
            pass
        for stream in {m.stream for m in given if isinstance(m, StreamStatus)}:
            assert legal(given, str(stream))[-1] is (Status.COMPLETE if stream in ended else Status.INCOMPLETE)
            mine = [m for m in given if getattr(m, "stream", None) == stream]
            until = max((place for place, m in enumerate(mine) if isinstance(m, State)), default=0)
            assert counts(mine) == len(ids(mine[:until]))
        last = {str(state.stream): state for state in states(given)}
        rest = read(Many(1, **parts), state=list(last.values())).ok()
        assert truth <= {*ids(given), *ids(rest.messages)}


@pytest.mark.parametrize("how", ["close", "drop"])
def test_closed_the_threads_end(how: str) -> None:
    """Those that wait for a quota, for room in the queue, and for each other."""

    def endless() -> Any:
        return itertools.chain(rows(3), (pause(3600.0) or (1, 1) for _ in range(1)))

    wide = [(number, number) for number in range(30_000)]
    parts: dict[str, Any] = {"quota": lambda: list(endless()), "wide": wide, "wide too": wide, "more": wide}
    source = Many(3, s=parts)
    messages = source.read(source.discover().configured())
    while len(reading()) < 3:
        next(messages)
    time.sleep(0.05)
    if how == "close":
        messages.close()  # type: ignore[attr-defined]
    del messages  # no thread is left


@pytest.mark.parametrize(("pages", "letters", "most"), [(20, 1_000_000, 8 + 6 + 2), (200, 10, 256 + 6 + 2)])
def test_what_waits_is_bounded(pages: int, letters: int, most: int) -> None:
    """However many pages there are, and however slowly they are taken: by their bytes, and by their number."""
    made = [0, 0]
    lock = threading.Lock()

    class Wide(Parts):
        def pages(self, slice: Slice) -> Iterator[Page]:
            for _ in range(pages):
                page = Page.of_rows([{"text": "x" * letters}], None)
                with lock:
                    made[0] += 1
                    made[1] = max(made[1], made[0])
                yield page

    source = Many(6, s={str(n): () for n in range(6)})
    source.streams = lambda: [Wide(source, "s", source.made["s"])]  # type: ignore[method-assign]
    count = 0
    for message in source.read(source.discover().configured(full_refresh=True)):
        if isinstance(message, Records):
            if count % (pages // 20) == 0:
                time.sleep(0.002)
            count += 1
            with lock:
                made[0] -= 1
    assert count == 6 * pages
    assert made[1] <= most


def test_a_slice_whose_code_takes_the_end_of_its_stream_for_its_own_is_not_done() -> None:
    """Where another slice fails, those that are being read are stopped; code that swallows that seems to have ended."""
    waits = threading.Event()

    class Swallowing(Parts):
        cursor = Cursor("at")

        def pages(self, slice: Slice) -> Iterator[Page]:
            if slice.partition["part"] == "fails":
                waits.wait(60.0)
                raise SourceError("x")
            yield Page.of_rows([{"id": 1, "at": 1}], self.cursor)
            waits.set()
            try:
                pause(3600.0)
            except BaseException:
                return

    source = Many(2, s={"ends": (), "fails": ()})
    source.streams = lambda: [Swallowing(source, "s", source.made["s"])]  # type: ignore[method-assign]
    result = read(source)
    assert isinstance(result.error, IncompleteError)
    assert ids(result.messages) == [1]
    assert not any((message.stream_state or {}).get("states") for message in states(result.messages))
