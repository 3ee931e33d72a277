"""A read that is stopped, or closed, anywhere."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterable

import pytest

from headwater import Source, Stream
from headwater.errors import IncompleteError, Stopped
from headwater.protocol.messages import Message, Records, State, Status, StreamStatus
from headwater.testing import read
from tests.listings import Listing, Listings, Order, counts, ids, states

ASCENDING = {"": [(n, n) for n in range(6)]}


# --- being stopped -----------------------------------------------------------------------------------------------


def stopped_after(source: Source, count: int) -> tuple[list[Message], list[Message]]:
    """The first messages of a read, and what it says when it is then stopped."""
    messages = source.read(source.discover().configured())
    before = list(itertools.islice(messages, count))
    after: list[Message] = []
    with pytest.raises((Stopped, StopIteration)):
        after.append(messages.throw(Stopped()))  # type: ignore[attr-defined]
        while True:
            after.append(next(messages))
    return before, after


@pytest.mark.parametrize("order", ["ascending", None])
def test_stopped_anywhere_it_gives_its_last_safe_state(order: Order) -> None:
    parts = {"a": [(n, n) for n in range(5)], "b": [(n, n) for n in range(5, 9)]}

    class Talking(Listings):
        def streams(self) -> Iterable[Stream]:
            self.emit(StreamStatus(Listing(self).descriptor, Status.RUNNING, rate_limited=True))
            return super().streams()

    whole = list(Talking(parts, order=order).read(Talking(parts).discover().configured()))
    for count in range(1, len(whole)):
        before, after = stopped_after(Talking(parts, order=order), count)
        given = [*before, *after]
        statuses = [m.status for m in given if isinstance(m, StreamStatus) and not m.rate_limited]
        assert statuses[0] is Status.STARTED
        assert statuses[-1] is Status.INCOMPLETE and Status.COMPLETE not in statuses
        assert given[-1] == StreamStatus(Listing(Talking({})).descriptor, Status.INCOMPLETE)
        assert not any(isinstance(message, Records) for message in after)
        until = max((place for place, m in enumerate(given) if isinstance(m, State)), default=0)
        assert counts(given) == len(ids(given[:until]))
        rest = read(Listings(parts, order=order), state=states(given)[-1:]).ok()
        assert {*ids(given), *ids(rest.messages)} == set(range(9))


def test_stopped_between_two_states_it_gives_the_one_that_was_not_due() -> None:
    """With many partitions a state is not given after each, as it would cost more than the records."""
    parts = {f"p{number:02}": [(number, number)] for number in range(60)}
    whole = list(Listings(parts).read(Listings(parts).discover().configured()))
    count = next(place for place, m in enumerate(whole) if isinstance(m, Records) and ids([m]) == [40]) + 1
    before, after = stopped_after(Listings(parts), count)
    assert not states(before)
    assert len(states(after)[-1].stream_state["states"]) == 40  # type: ignore[index]
    assert counts([*before, *after]) == 41


def test_stopped_after_its_last_message_there_is_nothing_to_add() -> None:
    source = Listings(ASCENDING)
    length = len(list(source.read(source.discover().configured())))
    before, after = stopped_after(source, length)
    assert isinstance(before[-1], StreamStatus) and before[-1].status is Status.COMPLETE
    assert after == []


def test_stopped_while_a_failure_is_told_it_is_incomplete() -> None:
    source = Listings(ASCENDING, fails_after=1)
    messages = source.read(source.discover().configured())
    given: list[Message] = []
    for message in messages:
        given.append(message)
        if type(message).__name__ == "ErrorTrace":
            break
    assert messages.throw(Stopped()) == StreamStatus(Listing(source).descriptor, Status.INCOMPLETE)  # type: ignore[attr-defined]
    with pytest.raises(Stopped):
        next(messages)


def test_closed_anywhere_nothing_odd_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    parts = {"a": [(n, n) for n in range(5)], "b": [(n, n) for n in range(5)]}
    length = len(list(Listings(parts, order="ascending").read(Listings(parts).discover().configured())))
    with caplog.at_level(logging.DEBUG):
        for count in range(length + 1):
            for fails_after in (1, 10**9):
                source = Listings(parts, order="ascending", fails_after=fails_after)
                messages = source.read(source.discover().configured())
                with contextlib.suppress(IncompleteError):
                    list(itertools.islice(messages, count))
                messages.close()  # type: ignore[attr-defined]
    assert not caplog.records
