"""What is known of each partition: the same as a dictionary would hold, in little memory."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.places import Places

NAMES = st.sampled_from(["shop", "a", "#", "é", 'quo"te', "parent id"])
VALUES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-20, 20).map(str),
    st.sampled_from(["007", "-0", "1.5", "", "#1 ", "x,y", '"', "\\", "null", "é€", "12345678901234567890"]),
    st.text(max_size=4),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
)
PARTITIONS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)
KNOWN = st.one_of(
    st.none(),
    st.sampled_from([True, 0.5, {"page": 1}, "x" * 300, "2024-01-01", "2024-01-02", "é\udc80", ""]),
    st.integers(-(2**70), 2**70),
)


def same(partition: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """Partitions that are one: a number may be written as text."""
    return frozenset((name, str(value)) for name, value in partition.items())


@given(st.lists(st.tuples(PARTITIONS, KNOWN), max_size=12))
def test_it_holds_what_a_dictionary_would(sets: list[tuple[dict[str, Any], Any]]) -> None:
    places = Places()
    due: dict[Any, tuple[dict[str, Any], Any]] = {}
    for partition, value in sets:
        first, before = due.get(same(partition), (partition, None))
        place = places.find(partition)
        assert (place is not None) == (same(partition) in due)
        assert places.expect(partition) == (len(due) if place is None else place, before)
        assert places.set(places.place(partition), value) == (before != value)
        due[same(partition)] = first, value
    assert len(places) == len(due)
    for partition, value in due.values():
        found = places.expect(partition)[1]
        assert found == value and type(found) is type(value)
    known = [(partition, value) for partition, value in due.values() if value is not None]
    # spelled as it came, in the order in which it came
    assert list(map(repr, places.items())) == list(map(repr, known))


@given(st.lists(st.tuples(PARTITIONS, KNOWN), max_size=12))
def test_its_json_says_the_same(sets: list[tuple[dict[str, Any], Any]]) -> None:
    places = Places()
    for partition, value in sets:
        places.set(places.place(partition), value)
    told = [
        (json.loads(partition), other if text is None else json.loads(text))
        for partition, text, other in places.to_json()
    ]
    assert repr(told) == repr([(json.loads(json.dumps(partition)), value) for partition, value in places.items()])


def test_numbers_and_their_digits_are_the_same_partition() -> None:
    places = Places()
    places.set(places.place({"shop": "7", "n": 1}), "a")
    assert places.expect({"n": "1", "shop": 7}) == (0, "a")
    places.set(places.place({"shop": 8, "n": "1"}), "b")
    assert [partition for partition, _ in places.items()] == [{"shop": "7", "n": 1}, {"shop": 8, "n": "1"}]


def test_of_very_many_each_is_found_again() -> None:
    places, count = Places(), 3_000
    for number in range(count):
        place = places.place({"shop": number, "name": "x" * (number % 40)})
        assert place == number
        places.set(place, "2024-01-01T00:00:00Z"[: number % 21] or None)
    for number in range(count):
        place, known = places.expect({"shop": number, "name": "x" * (number % 40)})
        assert (place, known) == (number, "2024-01-01T00:00:00Z"[: number % 21] or None)
    assert places.find({"shop": count, "name": ""}) is None


def test_two_threads_may_use_it(switching: None) -> None:
    """One expects partitions, as the threads that read do; the other sets what is known of those that there are."""
    places, count = Places(), 2_000

    def expect() -> None:
        for number in range(count):
            places.expect({"shop": number})

    thread = threading.Thread(target=expect)
    thread.start()
    for number in range(count):
        places.set(places.place({"shop": number}), "x" * (number % 30) or None)
    thread.join()
    assert {partition["shop"]: value for partition, value in places.items()} == {
        number: "x" * (number % 30) for number in range(count) if number % 30
    }


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads that take turns as often as may be."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)
